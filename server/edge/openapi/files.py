"""/files: resumable uploads by tus 1.0; GET /batch/{id}/zip, POST /zip: results as one file."""

from server.edge.openapi.parts import (
    Operation,
    Schema,
    answer,
    asked,
    in_header,
    in_path,
    in_query,
    limited_by,
    listed,
    operation,
)
from server.edge.openapi.uploads import PICTURE

_ID = in_path("id", "Of the upload; its job has the same.")
_VERSION = in_header("Tus-Resumable", "1.0.0", enum=["1.0.0"]) | {"required": True}
_BYTES_TEXT = "^[0-9]{1,15}$"
_OFFSET = in_header(
    "Upload-Offset", "Where the bytes of this request begin.", pattern=_BYTES_TEXT
) | {"required": True}
_CHECKSUM = in_header("Upload-Checksum", "`sha1`, `sha256` or `md5`, a space, the digest (Base64).")
_STREAM: dict[str, Schema] = {"application/offset+octet-stream": {"schema": {}}}
_AT = {"Upload-Offset": "How many bytes are there.", "Upload-Expires": "When it is given up."}
_JOB = {
    "Safelight-Job-Id": "The job, once all bytes are there.",
    "Safelight-Status-Url": "Where its state is.",
}
_BUSY = ("tus_version", "expired", "upload_locked")
_BYTES = (
    *("bad_request", "cut_short", "upload_too_slow", "upload_interrupted", "checksum_mismatch"),
    *("too_large", "unsupported_media_type", "queue_full", "disk_full", "bad_options", *PICTURE),
)
_CAN = {
    "Tus-Version": "1.0.0",
    "Tus-Max-Size": "Of one upload, bytes.",
    "Tus-Extension": "What is offered beyond the core.",
    "Tus-Checksum-Algorithm": "sha1, sha256, md5.",
}

OPERATIONS: dict[str, Operation] = {
    "OPTIONS /files": operation(
        "What resumable uploads can do", answers={204: answer("By headers.", headers=_CAN)}
    ),
    "OPTIONS /files/{id}": operation(
        "The same", parameters=[_ID], answers={204: answer("By headers.", headers=_CAN)}
    ),
    "POST /files": operation(
        "Begin a resumable upload",
        about="https://tus.io/protocols/resumable-upload. Upload-Metadata takes `filename`,"
        " `options`, `preset`, `private`, `expiresIn` and `callbackUrl`; what is wrong with them is"
        " said now.",
        parameters=[
            _VERSION,
            in_header("Upload-Length", "Bytes of the whole picture.", pattern=_BYTES_TEXT)
            | {"required": True},
            in_header("Upload-Metadata", "Pairs of a key and a value in Base64, by commas."),
            _CHECKSUM,
        ],
        body=_STREAM,
        answers={
            201: answer(
                "Begun, with the bytes that came along.",
                headers={"Location": "Of the upload."} | _AT | _JOB,
            )
        },
        problems=[
            *("empty_body", "tus_version", "presets_only", "too_many_unfinished"),
            *("callback_refused", "callbacks_full"),
            *_BYTES,
        ],
    ),
    "PATCH /files/{id}": operation(
        "Bring more bytes",
        about="With the last byte the picture is admitted: 204 comes after that.",
        parameters=[_ID, _VERSION, _OFFSET, _CHECKSUM],
        body=_STREAM,
        answers={204: answer("They are on disk.", headers=_AT | _JOB)},
        problems=["not_found", "wrong_offset", *_BUSY, *_BYTES],
    ),
    "DELETE /files/{id}": operation(
        "Give up an upload",
        parameters=[_ID, _VERSION],
        answers={204: answer("Its bytes are gone.")},
        problems=["not_found", "upload_finished", *_BUSY],
    ),
    "POST /files/{id}": operation(
        "Another method for clients that can only POST",
        parameters=[
            _ID,
            _VERSION,
            in_header("X-HTTP-Method-Override", "Which.", enum=["PATCH", "HEAD", "DELETE"])
            | {"required": True},
        ],
        answers={204: answer("As of that method.")},
        problems=["not_found", "method_not_allowed", "wrong_offset", *_BUSY, *_BYTES],
    ),
    "GET /batch/{id}/zip": operation(
        "All results of a batch as one ZIP",
        about="In the client's order, by the client's names. What is not there (failed, expired)"
        " is listed in `missing.txt`.",
        parameters=[
            in_path("id", "Of a batch."),
            in_query(
                "partial",
                "1: of a batch that has not ended, what is done.",
                {"type": "integer", "enum": [0, 1], "default": 0},
            ),
        ],
        answers={
            200: {
                "description": "The archive; its files are stored, not packed again.",
                "content": {"application/zip": {"schema": {}}},
            }
        },
        problems=["bad_request", "not_found", "not_ready"],
    ),
    "POST /zip": operation(
        "The results of chosen pictures as one ZIP",
        about="In the order asked for, however they were sent. What has failed, has expired or is"
        " another's is not in it; what it knows of those is in `missing.txt`.",
        body={
            "application/json": {
                "schema": asked(
                    "Which.",
                    {
                        "imageIds": listed(
                            "In this order.", {"type": "string", "minLength": 1, "maxLength": 64}
                        )
                        | {"minItems": 1, **limited_by("archive.max_entries")}
                    },
                    needed=["imageIds"],
                )
            }
        },
        answers={
            200: {
                "description": "The archive; its files are stored, not packed again.",
                "content": {"application/zip": {"schema": {}}},
            }
        },
        problems=["bad_request", "not_found", "too_many_files", "too_large", "upload_too_slow"],
    ),
}
