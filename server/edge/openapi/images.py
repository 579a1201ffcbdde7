"""/image: results."""

from typing import Any

from server.edge.openapi.parts import (
    Operation,
    answer,
    in_header,
    in_path,
    operation,
    shape,
    text,
    whole,
)

_ID = in_path("id", "Of the image, which is also its job's.")
_CONDITIONS = [
    in_header("Accept", "Chooses the file where the picture was made in several formats."),
    in_header("If-None-Match", "ETags that the client has; 304 if the picture is one of them."),
    in_header("Range", "One range of bytes."),
    in_header("If-Range", "The ETag that the range belongs to."),
]
_HEADERS = {
    name: {"description": words, "schema": {"type": "string"}}
    for name, words in {
        "ETag": "Strong: the digest of these very bytes.",
        "Cache-Control": "A result never changes under its address.",
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
_PROBLEMS = ("not_found", "not_ready", "expired", "range_not_satisfiable")

_WISH = shape(
    "What is to be signed.",
    {"variant": text("One of its variants."), "expiresIn": whole("Seconds that it is good.")},
    optional=["variant", "expiresIn"],
)
_SIGNED = shape(
    "An address that needs no key.",
    {"url": text("The address."), "expiresAt": text("Until when.", format="date-time")},
)

OPERATIONS: dict[str, Operation] = {
    "GET /image/{id}": operation(
        "The picture",
        about="Its first variant; if that was made in several formats, the one that Accept likes"
        " best. HEAD answers the same without the picture.",
        parameters=[_ID, *_CONDITIONS],
        answers=_ANSWERS,
        problems=_PROBLEMS,
    ),
    "GET /image/{id}/{variant}": operation(
        "One variant of the picture",
        parameters=[_ID, in_path("variant", "Its name."), *_CONDITIONS],
        answers=_ANSWERS,
        problems=_PROBLEMS,
    ),
    "POST /image/{id}/sign": operation(
        "A signed address",
        about="Good for GET and HEAD of one picture until it expires, without a key.",
        parameters=[_ID],
        body={"application/json": {"schema": _WISH}},
        answers={200: answer("Signed.", _SIGNED)},
        problems=["bad_request", "not_found"],
    ),
    "DELETE /image/{id}": operation(
        "Remove the picture, and all that was made of it",
        parameters=[_ID],
        answers={204: {"description": "It is gone, or goes as soon as its worker has stopped."}},
        problems=["not_found"],
    ),
}
