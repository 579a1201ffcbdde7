"""/ and /web."""

from server.edge.openapi.parts import Operation, in_path, operation

OPERATIONS: dict[str, Operation] = {
    "GET /": operation(
        "The Darkroom",
        answers={
            200: {"description": "The page.", "content": {"text/html": {}}},
            304: {"description": "The browser has it."},
        },
    ),
    "GET /pipeline": operation(
        "Behind the scenes",
        about="Follows a picture through every part of the service, by its trace.",
        answers={
            200: {"description": "The page.", "content": {"text/html": {}}},
            304: {"description": "The browser has it."},
        },
    ),
    "GET /control": operation(
        "The control room",
        about="Queue, lanes, failures and history as they are. With keys it asks for one with the"
        " scope `admin`.",
        answers={
            200: {"description": "The page.", "content": {"text/html": {}}},
            304: {"description": "The browser has it."},
        },
    ),
    "GET /docs": operation(
        "This contract, to read",
        answers={
            200: {"description": "The page.", "content": {"text/html": {}}},
            304: {"description": "The browser has it."},
        },
    ),
    "GET /web/{path}": operation(
        "A file of the page",
        parameters=[in_path("path", "As the page names it; may have slashes.")],
        answers={
            200: {"description": "The file.", "content": {"*/*": {}}},
            304: {"description": "The browser has it."},
        },
        problems=["not_found"],
    ),
}
