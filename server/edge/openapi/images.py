"""/image: results."""

from typing import Any

from server.edge.openapi.parts import (
    Operation,
    answer,
    asked,
    in_header,
    in_path,
    in_query,
    limited_by,
    maybe,
    operation,
    shape,
    text,
    whole,
)

_TEXT: dict[str, Any] = {"type": "string"}
_ID = in_path("id", "Of the image, which is also its job's.")
_CONDITIONS = [
    in_header("Accept", "Chooses the file where the picture was made in several formats."),
    in_header("If-None-Match", "ETags that the client has; 304 if the picture is one of them."),
    in_header("Range", "One range of bytes."),
    in_header("If-Range", "The ETag that the range belongs to."),
    in_query("download", "To be saved: under this name, or under its own if that is empty.", _TEXT),
]
_HEADERS = {
    name: {"description": words, "schema": {"type": "string"}}
    for name, words in {
        "ETag": "Strong: the digest of these very bytes.",
        "Cache-Control": "A result never changes under its address; short where one stands in for"
        " a format that is being made.",
        "Vary": "Accept, where the file was chosen by it.",
        "Content-Location": "The address of the chosen file alone.",
    }.items()
}


def _picture(words: str) -> dict[str, Any]:
    return {
        "description": words,
        "headers": _HEADERS,
        "content": {"image/*": {"schema": {"contentMediaType": "image/*"}}},
    }


_ANSWERS = {
    200: _picture("The picture."),
    206: _picture("The part that was asked for."),
    304: {"description": "The client has it.", "headers": _HEADERS},
}
_PROBLEMS = (
    *("not_found", "not_ready", "expired", "range_not_satisfiable"),
    *("signature_wrong", "signature_expired"),
)
# What stands against making something that is asked for first; what failed has a code of its own.
_FIRST_ASK = (
    *("being_made", "queue_full", "quota_exceeded", "source_gone", "too_many_derived"),
    *("crop_outside", "disk_full", "ai_unavailable"),
)
_WORDS = {
    "width": "Of the box, as of all sides in pixels.",
    "height": "Of the box.",
    "dpr": "Pixels of the screen for one of the page, 1 to 8: width and height are multiplied.",
    "fit": "inside, outside, cover, contain or fill.",
    "gravity": "What cover keeps, where contain places the picture.",
    "enlarge": "true: it may become larger than it is.",
    "rotate": "Degrees clockwise.",
    "blur": "Sigma.",
    "background": "Six hex digits, # may be left out.",
    "format": "auto, jpeg, png, webp, avif, gif or tiff.",
    "quality": "1 to 100, or auto.",
    "lossless": "true: every pixel as it is.",
    "options": "A whole recipe as JSON, in place of all others.",
}
_SIGNATURE = {
    "expires": "Seconds since 1970; none: it does not end, and opens no private picture.",
    "keyId": "The key that signed.",
    "signature": "Covers method, path and all parameters.",
}

_GOOD_FOR = maybe(whole("Seconds that it is good.", minimum=1, **limited_by("signing.max_url_s")))
_VALUE = {"type": ["string", "number", "boolean"]}
_WISH = {
    "description": "What is to be signed: the picture, a variant of it, or how it shall be made.",
    "anyOf": [
        asked(
            "A file that is there, or a preset.",
            {
                "variant": maybe(text("Its name.", pattern="^[A-Za-z0-9_-]{1,64}$")),
                "parameters": asked(
                    "What may be signed along.", {"download": text("The name to save it under.")}
                ),
                "expiresIn": _GOOD_FOR,
            },
        ),
        asked(
            "A picture to be made.",
            {
                "parameters": asked(
                    "How the picture shall be made: those of GET /image/{id}.",
                    {name: _VALUE | {"description": words} for name, words in _WORDS.items()}
                    | {"options": {"type": ["object", "string"], "description": "A recipe."}}
                    | {"download": text("The name to save it under.")},
                ),
                "expiresIn": _GOOD_FOR,
            },
        ),
    ],
}
_SIGNED = shape(
    "An address that needs no key.",
    {
        "url": text("The address."),
        "expiresAt": maybe(text("Until when; null: for ever.", format="date-time")),
    },
)

OPERATIONS: dict[str, Operation] = {
    "GET /image/{id}": operation(
        "The picture",
        about="Its first variant; if that is offered in several formats, the one that Accept likes"
        " best. With signed parameters: the original as they say, made when first asked for. HEAD"
        " answers the same without the picture.",
        parameters=[
            _ID,
            *_CONDITIONS,
            *(in_query(name, words, _TEXT) for name, words in (_WORDS | _SIGNATURE).items()),
        ],
        answers=_ANSWERS,
        problems=(*_PROBLEMS, *_FIRST_ASK, "bad_options", "signature_missing", "presets_only"),
    ),
    "GET /image/{id}/{variant}": operation(
        "One variant of the picture, or a preset of it",
        about="A preset that was not asked for before is made from the original, once.",
        parameters=[_ID, in_path("variant", "Its name, or the preset's."), *_CONDITIONS],
        answers=_ANSWERS,
        problems=(*_PROBLEMS, *_FIRST_ASK, "bad_request"),
    ),
    "POST /image/{id}/sign": operation(
        "A signed address",
        about="Good for GET and HEAD of one picture until it expires, without a key. To sign"
        " parameters needs the scope upload; of a public picture such an address ends only if"
        " expiresIn says so.",
        parameters=[_ID],
        body={"application/json": {"schema": _WISH}},
        is_body_needed=False,
        answers={200: answer("Signed.", _SIGNED)},
        problems=["bad_request", "bad_options", "not_found", "scope_missing", "presets_only"],
    ),
    "DELETE /image/{id}": operation(
        "Remove the picture, and all that was made of it",
        parameters=[_ID],
        answers={204: {"description": "It is gone, or goes as soon as its worker has stopped."}},
        problems=["not_found"],
    ),
}
