"""GET /openapi.json: the whole HTTP contract as OpenAPI 3.1, drawn from the routes that are served.

A route is described in the file of its area, as a row of its OPERATIONS; a new area is a new file
and its line in AREAS. A route that nobody described stands there without words, and a test fails.
"""

from importlib.metadata import version
from typing import Any

from aiohttp import web

from server.edge.openapi import (
    direct,
    files,
    images,
    jobs,
    live,
    operations,
    page,
    process,
    uploads,
    webhooks,
)
from server.edge.openapi.parts import Operation, Schema
from server.edge.openapi.problems import problem_schema
from server.edge.openapi.schemas import SCHEMAS, recipe_schemas
from server.edge.reply import reply

__all__ = ["AREAS", "DESCRIBED", "OpenApiHandler"]

# Title of the group, its words, and the file with its rows "METHOD /path".
AREAS: tuple[tuple[str, str, dict[str, Operation]], ...] = (
    ("Upload", "Pictures in.", uploads.OPERATIONS),
    ("Process", "Pictures that the service fetches, or has.", process.OPERATIONS),
    ("Files", "Resumable uploads by tus 1.0 in, ZIPs of results out.", files.OPERATIONS),
    ("Direct uploads", "Pictures in, past the service.", direct.OPERATIONS),
    ("Jobs", "How they stand, and what one can do to them.", jobs.OPERATIONS),
    ("Images", "Results, hosted.", images.OPERATIONS),
    ("Live", "Progress as it happens.", live.OPERATIONS),
    ("Webhooks", "Ends, told by POST.", webhooks.OPERATIONS),
    ("Operations", "For whoever runs the service.", operations.OPERATIONS),
    ("Page", "The Darkroom in a browser.", page.OPERATIONS),
)

DESCRIBED: dict[str, Operation] = {
    route: {"tags": [title], **operation}
    for title, _, rows in AREAS
    for route, operation in rows.items()
}

_ABOUT = (
    "Send a picture, watch it develop live, serve the result. JSON is camelCase; times are ISO"
    " 8601 UTC, sizes bytes, durations seconds unless the name says `Ms`. Whatever is refused is"
    " answered as `application/problem+json` (RFC 9457) with a stable `type`."
)


class OpenApiHandler:
    """Draws the contract of the application it is asked in, once."""

    def __init__(self) -> None:
        self._document: dict[str, Any] | None = None

    async def get(self, request: web.Request) -> web.Response:
        """The contract."""
        if self._document is None:
            self._document = document(request.app)
        return reply(self._document, headers={"Cache-Control": "no-cache"})


def document(app: web.Application) -> dict[str, Any]:
    """All routes of an application with what is said of them."""
    paths: dict[str, dict[str, Operation]] = {}
    for path, method in _routes(app):
        operation = DESCRIBED.get(f"{method} {path}", {"responses": {}})
        paths.setdefault(path, {})[method.lower()] = {
            "operationId": _operation_id(method, path),
            **operation,
        }
    schemas: dict[str, Schema] = {**SCHEMAS, **recipe_schemas(), "Problem": problem_schema()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Safelight", "version": version("safelight"), "description": _ABOUT},
        "tags": [{"name": title, "description": words} for title, words, _ in AREAS],
        "paths": paths,
        "webhooks": webhooks.SENT,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _routes(app: web.Application) -> list[tuple[str, str]]:
    """Path and method of each route, in the order of the table; HEAD comes with every GET."""
    return [
        (route.resource.canonical, route.method)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    ]


def _operation_id(method: str, path: str) -> str:
    """`GET /image/{id}` is `getImageById`: stable, and a fit name for a generated client."""
    words = [word for word in path.replace(".", "/").split("/") if word]
    named = ("By" + word[1:-1].title() if word[0] == "{" else word.title() for word in words)
    return method.lower() + "".join("".join(named).split("-"))
