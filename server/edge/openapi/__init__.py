"""GET /openapi.json: the whole HTTP contract as OpenAPI 3.1, drawn from the routes that are served.

A route is described in the file of its area, as a row of its OPERATIONS; a new area is a new file
and its line in AREAS. A route that nobody described stands there without words, and a test fails.
"""

from importlib.metadata import version
from typing import Any

from aiohttp import web

from server.config import Settings
from server.edge.access.needs import NEEDS, OWNED
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
from server.edge.openapi.bounds import bounded
from server.edge.openapi.parts import Operation, Schema, told_whole
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

_SCOPES = ("upload", "read", "admin")
_LOOK = "look"  # pictures: a key is asked for where they are private
_READS = ("GET", "OPTIONS")


def _at_the_gate(route: str) -> list[str]:
    """Codes that a request may meet before its handler: what server/edge/access/needs.py asks."""
    needed = NEEDS.get(route, "admin")
    codes = ["bad_request", "method_not_allowed"]
    if needed in (*_SCOPES, _LOOK, ""):
        codes += ["key_wrong", "too_many_wrong_keys"]
    if needed in (*_SCOPES, _LOOK):
        codes += ["key_missing", "scope_missing"]
    if needed in _SCOPES:
        codes.append("quota_exceeded")
    if route.partition(" ")[0] not in _READS or route == "GET /ws":
        codes.append("origin_denied")
    return codes + (["not_found"] if route in OWNED else [])


def _access(route: str) -> Operation:
    """Which key it needs, where there are keys; without them everybody may."""
    needed = NEEDS.get(route, "admin")
    if needed not in _SCOPES:
        return {}
    return {"security": [{}, {"bearer": []}, {"apiKey": []}], "x-scope": needed}


DESCRIBED: dict[str, Operation] = {
    route: {"tags": [title], **told_whole(operation, _at_the_gate(route)), **_access(route)}
    for title, _, rows in AREAS
    for route, operation in rows.items()
}

_KEYS: dict[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, `sl_…`."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}

_ABOUT = (
    "Send a picture, watch it develop live, serve the result. JSON is camelCase; times are ISO"
    " 8601 UTC, sizes bytes, durations seconds unless the name says `Ms`. Whatever is refused is"
    " answered as `application/problem+json` (RFC 9457) with a stable `type`."
)


class OpenApiHandler:
    """Draws the contract of the application it is asked in, once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._document: dict[str, Any] | None = None

    async def get(self, request: web.Request) -> web.Response:
        """The contract."""
        if self._document is None:
            self._document = bounded(document(request.app), self._settings)
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
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": _KEYS},
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
