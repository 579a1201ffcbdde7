"""POST /process."""

from server.edge.openapi.parts import (
    Operation,
    answer,
    in_query,
    listed,
    operation,
    ref,
    shape,
    text,
    whole,
)
from server.edge.openapi.uploads import (
    CALLBACK,
    CALLBACK_PROBLEMS,
    LATER,
    PICTURE,
    PREFER,
    PRESET,
    WORK,
)

_URL = text("http:// or https://, on a public address and an allowed port.")
_NAMED = {
    "type": "object",
    "description": "One of imageUrl, imageUrls and imageId.",
    "properties": {
        "imageUrl": _URL,
        "imageUrls": listed("At most `fetch.max_urls`.", _URL),
        "imageId": text("Of a picture that is here: its original is taken."),
        "name": text("For people; else that of the file."),
        "options": ref("Recipe"),
        "preset": PRESET,
        "private": {"type": "boolean", "default": False},
        "expiresIn": whole("Seconds that the result is kept."),
        "callbackUrl": CALLBACK,
    },
}
_LINE = {
    "type": "object",
    "description": "A line: imageUrl or imageId, and a recipe of its own if it has one.",
    "properties": {
        "imageUrl": _URL,
        "imageId": text("Of a picture that is here."),
        "name": text("For people; else that of the file."),
        "options": ref("Recipe"),
    },
}
_LIST_TAKEN = shape(
    "Accepted: all lines but the refused ones.",
    {
        "status": {"const": "processing"},
        "jobId": text("Of the batch."),
        "message": text("For people."),
        "accepted": whole("Lines that became jobs."),
        "refused": listed(
            "The first hundred that did not.",
            shape("One of them.", {"line": whole("From 1 on."), "problem": ref("RefusedPicture")}),
        ),
        "refusedCount": whole("All that did not."),
    },
)

OPERATIONS: dict[str, Operation] = {
    "POST /process": operation(
        "Name pictures by URL or id",
        about="One picture is waited for like an upload; several are a batch. As"
        " `application/x-ndjson` a list of any length is read while it comes: options, preset,"
        " private, expiresIn and callbackUrl then stand in the query, bad lines are told and the"
        " others go on. A list that breaks off stops the batch it began.",
        parameters=[
            PREFER,
            in_query("preset", "Of a list.", PRESET),
            {
                "name": "options",
                "in": "query",
                "description": "Of a list.",
                "content": {"application/json": {"schema": ref("Recipe")}},
            },
            in_query("private", "Of a list.", {"type": "boolean"}),
            in_query("expiresIn", "Of a list.", {"type": "integer"}),
            in_query("callbackUrl", "Of a list.", CALLBACK),
        ],
        body={
            "application/json": {"schema": _NAMED},
            "application/x-ndjson": {"schema": _LINE},
        },
        answers={
            200: answer("Done.", "Completed", {"Preference-Applied": "What was followed."}),
            202: answer(
                "Accepted.",
                {"oneOf": [ref("Processing"), ref("BatchTaken"), _LIST_TAKEN]},
                LATER,
            ),
        },
        problems=[
            *("bad_request", "cut_short", "upload_too_slow", "not_found", "expired", "not_ready"),
            *("too_large", "too_many_files", "unsupported_media_type", "already_ended"),
            *("bad_options", "presets_only", "queue_full", "quota_exceeded", "disk_full"),
            *("idempotency_in_progress", "idempotency_mismatch"),
            *("fetch_refused", "fetch_failed", "fetch_timeout", "fetch_too_large"),
            *("fetch_not_image", "source_gone"),
            *CALLBACK_PROBLEMS,
            *(code for code in PICTURE if code != "not_an_image"),
            *WORK,
        ],
    ),
}
