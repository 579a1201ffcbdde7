"""The page under a strict Content-Security-Policy.

Its files are few and small: they are read and packed once, and no request names a path. Comments
are for who reads the source, and a quarter of it: browsers get lines of the same numbers without.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from urllib.parse import urlsplit

from aiohttp import ETag, web

from server.refusals import NotFound
from server.storage.bucket import BucketStorage
from server.storage.storage import Storage, StorageFailed, incoming_key

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
# Those that have their lines for themselves: what stands beside code is left alone.
_COMMENTS = re.compile(rb"^[ \t]*(?:/\*\*(?:[^*]|\*(?!/))*\*/[ \t]*$|//[^\n]*$)", re.MULTILINE)
_POLICY = "Content-Security-Policy"
_HEADERS = {
    _POLICY: (
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

    def __init__(self, storage: Storage) -> None:
        self._assets = dict(_read(files("web")))
        self._storage = storage

    async def get_page(self, request: web.Request) -> web.Response:
        """The Darkroom."""
        return await self._uploading(request, "index.html")

    async def get_pipeline(self, request: web.Request) -> web.Response:
        """The page that shows what happens behind the scenes."""
        return await self._uploading(request, "pipeline.html")

    async def get_control(self, request: web.Request) -> web.Response:
        """The control room; what it shows is for admins, the page itself shows nothing."""
        return self._answer(request, "control.html")

    async def get_docs(self, request: web.Request) -> web.Response:
        """The page that draws /openapi.json."""
        return self._answer(request, "docs.html")

    async def get_asset(self, request: web.Request) -> web.Response:
        """A module, a style or an icon of the page."""
        return self._answer(request, request.match_info["path"])

    async def _uploading(self, request: web.Request, name: str) -> web.Response:
        """A page that sends pictures; it may speak to the bucket, too, where there is one."""
        response = self._answer(request, name)
        if isinstance(self._storage, BucketStorage):
            response.headers[_POLICY] = await self._policy(self._storage)
        return response

    async def _policy(self, bucket: BucketStorage) -> str:
        """Where browsers bring pictures to and may be sent for them is where signed URLs lead."""
        try:
            url = urlsplit(await bucket.sign("PUT", incoming_key("page"), 60))
        except StorageFailed:
            return _HEADERS[_POLICY]  # uploads then go through the service
        origin = f"{url.scheme}://{url.netloc}"
        policy = _HEADERS[_POLICY].replace("connect-src 'self'", f"connect-src 'self' {origin}")
        return policy.replace("img-src 'self'", f"img-src 'self' {origin}")

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


def _empty_lines(comment: re.Match[bytes]) -> bytes:
    return b"\n" * comment.group().count(b"\n")


def _read(folder: Traversable, below: str = "") -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for entry in folder.iterdir():
        name = f"{below}{entry.name}"
        if entry.is_dir():
            found += _read(entry, f"{name}/")
        elif media_type := _MEDIA_TYPES.get(name.rpartition(".")[2]):
            plain = entry.read_bytes()
            if media_type == _MEDIA_TYPES["js"]:
                plain = _COMMENTS.sub(_empty_lines, plain)
            etag = hashlib.sha256(plain).hexdigest()[:32]
            found.append((name, Asset(media_type, plain, gzip.compress(plain, mtime=0), etag)))
    return found
