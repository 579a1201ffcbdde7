"""POST /uploads, its PUT and its completion; POST /hooks/storage."""

from server.edge.openapi.parts import (
    Operation,
    answer,
    asked,
    flag,
    in_path,
    in_query,
    limited_by,
    links,
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
    LATER,
    PICTURE,
    PREFER,
    PRESET,
    WORK,
)

_SHA256 = text("SHA-256 of the bytes, in hex.", pattern="^[0-9a-fA-F]{64}$")
_BYTES = whole("", minimum=1, **limited_by("upload.max_upload_bytes"))
_WISH = asked(
    "The picture that will come. Of bytes and maxBytes one at most.",
    {
        "filename": text("For people to read.", maxLength=1000),
        "contentType": maybe(text("Which the PUT has to send, and the picture to be.")),
        "bytes": maybe(_BYTES | {"description": "Its exact length."}),
        "maxBytes": maybe(_BYTES | {"description": "The most, when the length is not known."}),
        "sha256": maybe(_SHA256),
        "options": maybe(ref("Recipe")),
        "preset": maybe(PRESET),
        "private": flag("Shown to its owner and by signed addresses only."),
        "expiresIn": maybe(EXPIRES_IN),
        "callbackUrl": maybe(CALLBACK),
        "urlExpiresIn": maybe(
            whole("Seconds that the URL is good.", minimum=1, **limited_by("presign.max_expires_s"))
        ),
    },
) | {
    "not": {
        "properties": {"bytes": {"type": "integer"}, "maxBytes": {"type": "integer"}},
        "required": ["bytes", "maxBytes"],
    }
}
_BEGUN = shape(
    "Where the picture is to be sent.",
    {
        "uploadId": text("Names the upload; who knows it may complete it."),
        "url": text("Where to PUT; relative to this service when it is its own."),
        "method": {"const": "PUT"},
        "headers": {
            "type": "object",
            "description": "What the PUT has to send.",
            "additionalProperties": {"type": "string"},
        },
        "expiresAt": text("Until when the URL is good.", format="date-time"),
        "completeUrl": text("Where to say that it is done."),
    },
)
_TAKEN = shape(
    "What became of the objects that were told of.",
    {
        "records": whole("How many objects were made, by the notification."),
        "jobs": listed(
            "Those that became jobs, now or before.",
            shape("One.", {"key": text("Below the storage's prefix."), "jobId": text("Its job.")}),
        ),
        "refused": listed(
            "Those that will never be a job.",
            shape("One.", {"key": text("Below the storage's prefix."), "code": text("Why.")}),
        ),
        "ignored": whole("How many concern nobody, or are gone."),
    },
)
_ID = in_path("id", "The uploadId.")
_OUTCOMES = {
    200: answer("Done.", "Completed", DONE, follow=FOLLOW),
    202: answer("Accepted.", "Processing", LATER, follow=FOLLOW),
}
_OF_BYTES = ("upload_mismatch", "upload_taken", "too_large", "empty_body", "bad_options")

OPERATIONS: dict[str, Operation] = {
    "POST /uploads": operation(
        "Get a URL for one picture",
        about="The picture goes to the bucket by a presigned URL, or to this server by a signed one"
        " where pictures lie on its disk. What a bucket cannot check is checked at completion.",
        body={"application/json": {"schema": _WISH}},
        is_body_needed=False,
        answers={
            201: answer("The URL.", _BEGUN, follow=links("postUploadsByIdComplete", of="uploadId"))
        },
        problems=[
            *("bad_request", "bad_options", "presets_only", "too_large", "too_many_uploads"),
            *CALLBACK_PROBLEMS,
            *("unsupported_media_type", "upload_too_slow", "cut_short"),
        ],
    ),
    "PUT /uploads/{id}": operation(
        "Send the picture of a signed URL",
        about="Only where pictures lie on this server's disk. It completes the upload.",
        parameters=[
            _ID,
            PREFER,
            in_query("signature", "With the others, as POST /uploads told.", {"type": "string"}),
        ],
        body={"image/*": {"schema": {"contentMediaType": "image/*"}}},
        answers=_OUTCOMES,
        problems=[
            *("bad_request", "signature_wrong", "signature_expired", "not_found"),
            *("already_uploaded", "cut_short", "upload_too_slow", "queue_full", "disk_full"),
            *_OF_BYTES,
            *PICTURE,
            *WORK,
        ],
    ),
    "POST /uploads/{id}/complete": operation(
        "Say that the picture is in the bucket",
        about="It is read back, compared with what was agreed on and admitted. Asked again, the"
        " answer is about the same job.",
        parameters=[_ID, PREFER],
        answers=_OUTCOMES,
        problems=[
            *("bad_request", "not_found", "nothing_uploaded", "queue_full", "disk_full"),
            *_OF_BYTES,
            *PICTURE,
            *WORK,
        ],
    ),
    "POST /hooks/storage": operation(
        "Hear from the bucket",
        about="S3's notifications, also as MinIO and others send them, and SeaweedFS' webhook. The"
        " token of `hooks.token` comes as `Authorization: Bearer` or `X-Safelight-Token`. 503"
        " asks to be told again.",
        body={"application/json": {"schema": {"type": "object"}}},
        answers={200: answer("Taken in.", _TAKEN)},
        problems=[
            *("bad_request", "hook_token_wrong", "not_found", "too_large", "upload_too_slow"),
            *("cut_short",),
        ],
    ),
}
