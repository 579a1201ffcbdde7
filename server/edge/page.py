"""The page under a strict Content-Security-Policy, and the schema that its form is drawn from."""

from importlib.resources import files
from pathlib import Path

from aiohttp import web

from pool import Recipe
from server.edge.reply import reply
from server.refusals import NotFound

_FOLDER = Path(str(files("web")))
_MEDIA_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
        " connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none';"
        " form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


async def get_page(request: web.Request) -> web.StreamResponse:
    """The Darkroom."""
    return _file("index.html")


async def get_asset(request: web.Request) -> web.StreamResponse:
    """A module, a style or an icon of the page."""
    return _file(request.match_info["path"])


async def get_recipe_schema(request: web.Request) -> web.Response:
    """What may stand in `options`, as JSON Schema."""
    return reply(Recipe.model_json_schema(by_alias=True), headers={"Cache-Control": "no-cache"})


def _file(name: str) -> web.StreamResponse:
    try:
        path = (_FOLDER / name).resolve()
        is_ours = path.is_relative_to(_FOLDER.resolve()) and path.is_file()
    except (OSError, ValueError) as error:  # a name that no file can have
        raise NotFound("The page has no such file.") from error
    media_type = _MEDIA_TYPES.get(path.suffix)
    if media_type is None or not is_ours:
        raise NotFound("The page has no such file.")
    return web.FileResponse(
        path, headers=_HEADERS | {"Content-Type": f"{media_type}; charset=utf-8"}
    )
