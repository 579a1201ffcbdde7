"""The page under a strict Content-Security-Policy.

Its files are few and small: they are read and packed once, and no request names a path.
"""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import ETag, web

from server.refusals import NotFound

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
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
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page, plain and packed."""

    media_type: str
    plain: bytes
    packed: bytes
    etag: str


class PageHandler:
    """Serves what lies in web/."""

    def __init__(self) -> None:
        self._assets = dict(_read(files("web")))

    async def get_page(self, request: web.Request) -> web.Response:
        """The Darkroom."""
        return self._answer(request, "index.html")

    async def get_asset(self, request: web.Request) -> web.Response:
        """A module, a style or an icon of the page."""
        return self._answer(request, request.match_info["path"])

    def _answer(self, request: web.Request, name: str) -> web.Response:
        asset = self._assets.get(name)
        if asset is None:
            raise NotFound("The page has no such file.")
        response = web.Response(headers=_HEADERS | {"Content-Type": asset.media_type})
        response.etag = asset.etag
        if ETag(asset.etag) in (request.if_none_match or ()):
            response.set_status(304)
        elif "gzip" in request.headers.get("Accept-Encoding", ""):
            response.headers["Content-Encoding"] = "gzip"
            response.body = asset.packed
        else:
            response.body = asset.plain
        return response


def _read(folder: Traversable, below: str = "") -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for entry in folder.iterdir():
        name = f"{below}{entry.name}"
        if entry.is_dir():
            found += _read(entry, f"{name}/")
        elif media_type := _MEDIA_TYPES.get(name.rpartition(".")[2]):
            plain = entry.read_bytes()
            etag = hashlib.sha256(plain).hexdigest()[:32]
            found.append((name, Asset(media_type, plain, gzip.compress(plain, mtime=0), etag)))
    return found
