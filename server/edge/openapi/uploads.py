"""POST /upload."""

from server.edge.openapi.parts import (
    Operation,
    answer,
    flag,
    in_header,
    in_query,
    limited_by,
    links,
    operation,
    ref,
    text,
    whole,
)

PREFER = in_header(
    "Prefer", "`respond-async`: answer 202 at once. `wait=N`: wait N seconds for the result."
)
PRESET = text("Name of a preset of the server, instead of options.")
CALLBACK = text(
    "Is told of the end by a webhook (Standard Webhooks 1.0): of the batch, else of the job.",
    format="uri",
)
CALLBACK_PROBLEMS = ("callback_refused", "callbacks_full")
DONE = {"Preference-Applied": "What was followed."}
LATER = DONE | {
    "Location": "Where its state is.",
    "Retry-After": "Seconds until it is worth asking.",
}
ONCE = in_header(
    "Idempotency-Key",
    "Names this request: sent again with the same content it makes nothing new.",
    minLength=1,
    maxLength=255,
)
IDEMPOTENCY_PROBLEMS = ("idempotency_in_progress", "idempotency_mismatch")
EXPIRES_IN = whole(
    "Seconds from the end of its job on that picture and results are kept.",
    minimum=1,
    **limited_by("images.max_expires_in_s"),
)
PRIVATE = flag("Shown to who brought it, and by signed addresses.")
# What can be asked with the id of a job.
FOLLOW = links(
    *("getStatusById", "getJobById", "getJobByIdTrace", "getEventsById", "getImageById"),
    *("getImageByIdByVariant", "postImageByIdSign", "postJobByIdRetry", "deleteJobById"),
    "deleteImageById",
)
# What a picture's own header, or its recipe, may be refused for before any work.
PICTURE = (
    *("not_an_image", "unsupported_format", "corrupt_image", "too_many_pixels", "too_many_frames"),
    *("output_too_large", "crop_outside", "page_outside", "region_outside", "asset_not_found"),
    *("font_not_found", "needs_too_much_memory", "ai_unavailable"),
)
# What its work may end with while the answer waits for it.
WORK = (
    *("cancelled", "deadline_exceeded", "out_of_memory", "worker_crashed", "node_lost"),
    *("storage_failed", "max_bytes_too_small", "asset_unreadable", "drawing_too_large"),
    "job_unreadable",
)

_MULTIPART = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "array",
            "description": "One or many pictures, or ZIPs of pictures.",
            "items": {"type": "string", "contentMediaType": "application/octet-stream"},
            "minItems": 1,
            **limited_by("upload.max_files"),
        },
        "options": ref("Recipe"),
        "preset": PRESET,
        "private": PRIVATE,
        "expiresIn": EXPIRES_IN,
        "callbackUrl": CALLBACK,
    },
    "additionalProperties": False,
}
_IN_QUERY = "With a raw body."

OPERATIONS: dict[str, Operation] = {
    "POST /upload": operation(
        "Send pictures",
        about="One picture is waited for (`upload.sync_wait_s`) and answered 200 if it is done in"
        " time, else 202. Several are a batch, answered 202 at once. With a raw body `options`,"
        " `preset` and `name` stand in the query; with multipart they are parts.",
        parameters=[
            PREFER,
            ONCE,
            in_query("name", "Of the file, with a raw body.", {"type": "string"}),
            in_query("preset", _IN_QUERY, PRESET),
            in_query("private", _IN_QUERY, PRIVATE),
            in_query("expiresIn", _IN_QUERY, EXPIRES_IN),
            in_query("callbackUrl", _IN_QUERY, CALLBACK),
            {
                "name": "options",
                "in": "query",
                "description": "With a raw body.",
                "content": {"application/json": {"schema": ref("Recipe")}},
            },
        ],
        body={
            "multipart/form-data": {
                "schema": _MULTIPART,
                "encoding": {"options": {"contentType": "application/json"}},
            },
            "image/*": {"schema": {"contentMediaType": "image/*"}},
            "application/zip": {"schema": {"contentMediaType": "application/zip"}},
        },
        answers={
            200: answer("Done.", "Completed", DONE, follow=FOLLOW),
            202: answer(
                "Accepted. A batch if there were several pictures.",
                {"oneOf": [ref("Processing"), ref("BatchTaken")]},
                LATER,
                follow=links("getBatchByIdZip", "getStatusById", "deleteJobById"),
            ),
        },
        problems=[
            *("bad_request", "no_file", "empty_body", "cut_short", "upload_too_slow"),
            *("too_large", "too_many_files", "batch_too_large", "unsupported_media_type"),
            *("bad_options", "presets_only", "queue_full", "disk_full"),
            *("archive_broken", "archive_unsafe", "entry_refused"),
            *IDEMPOTENCY_PROBLEMS,
            *CALLBACK_PROBLEMS,
            *PICTURE,
            *WORK,
        ],
    ),
}
