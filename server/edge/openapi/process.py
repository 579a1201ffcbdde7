"""POST /process."""

from server.edge.openapi.parts import (
    Operation,
    answer,
    asked,
    in_query,
    limited_by,
    listed,
    maybe,
    operation,
    ref,
    shape,
    text,
    whole,
)
from server.edge.openapi.uploads import (
    CALLBACK,
    CALLBACK_PROBLEMS,
    DONE,
    EXPIRES_IN,
    FOLLOW,
    IDEMPOTENCY_PROBLEMS,
    LATER,
    ONCE,
    PICTURE,
    PREFER,
    PRESET,
    PRIVATE,
    WORK,
)

_ADDRESS = "http:// or https://, on a public address and an allowed port."
_URL = text(_ADDRESS)
_NAME = text("For people; else that of the file.", maxLength=1000)
_SHARED = {
    "name": _NAME,
    "options": maybe(ref("Recipe")),
    "preset": maybe(PRESET),
    "private": PRIVATE | {"default": False},
    "expiresIn": maybe(EXPIRES_IN),
    "callbackUrl": maybe(CALLBACK),
}
_NAMED = {
    "description": "One of imageUrl, imageUrls and imageId, and what is to be done with it.",
    "oneOf": [
        asked("A picture to fetch.", {"imageUrl": _URL} | _SHARED, needed=["imageUrl"]),
        asked(
            "Pictures to fetch.",
            {
                "imageUrls": listed("A batch.", _URL)
                | {"minItems": 1, **limited_by("fetch.max_urls")}
            }
            | _SHARED,
            needed=["imageUrls"],
        ),
        asked(
            "A picture that is here: its original is taken.",
            {"imageId": text("Its id.")} | _SHARED,
            needed=["imageId"],
        ),
    ],
}
_OF_A_LINE = {"name": _NAME, "options": maybe(ref("Recipe"))}
_LINE = {
    "description": "A line: imageUrl or imageId, and a recipe of its own if it has one.",
    "oneOf": [
        asked(
            "A picture to fetch.",
            {"imageUrl": text(_ADDRESS, minLength=1)} | _OF_A_LINE,
            needed=["imageUrl"],
        ),
        asked(
            "A picture that is here.",
            {"imageId": text("Its id.", minLength=1)} | _OF_A_LINE,
            needed=["imageId"],
        ),
    ],
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
            ONCE,
            in_query("preset", "Of a list.", PRESET),
            {
                "name": "options",
                "in": "query",
                "description": "Of a list.",
                "content": {"application/json": {"schema": ref("Recipe")}},
            },
            in_query("private", "Of a list.", PRIVATE),
            in_query("expiresIn", "Of a list.", EXPIRES_IN),
            in_query("callbackUrl", "Of a list.", CALLBACK),
        ],
        body={
            "application/json": {"schema": _NAMED},
            "application/x-ndjson": {"schema": _LINE},
        },
        answers={
            200: answer("Done.", "Completed", DONE, follow=FOLLOW),
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
            *IDEMPOTENCY_PROBLEMS,
            *("fetch_refused", "fetch_failed", "fetch_timeout", "fetch_too_large"),
            *("fetch_not_image", "source_gone"),
            *CALLBACK_PROBLEMS,
            *(code for code in PICTURE if code != "not_an_image"),
            *WORK,
        ],
    ),
}
