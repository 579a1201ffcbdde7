"""Which pages of other origins may call: the list in cors.origins, and no other.

No cookie and no password of a browser lets anybody in here, so credentials are never allowed.
"""

from urllib.parse import urlsplit

from aiohttp import web

from server.config.access import CorsSettings
from server.refusals import OriginDenied

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_ASKED = (
    "Authorization, X-Api-Key, Content-Type, Idempotency-Key, Prefer, X-File-Name, X-Request-Id,"
    " If-None-Match, If-Range, Range, Last-Event-ID, Tus-Resumable, Upload-Length, Upload-Offset,"
    " Upload-Metadata, Upload-Checksum, Upload-Defer-Length, Upload-Concat,"
    " X-HTTP-Method-Override"
)
_EXPOSED = (
    "Location, Retry-After, RateLimit, RateLimit-Policy, ETag, Preference-Applied, X-Request-Id,"
    " Idempotency-Replayed, WWW-Authenticate, Accept-Ranges, Content-Range, Tus-Resumable,"
    " Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, Upload-Offset,"
    " Upload-Length, Upload-Expires, Upload-Metadata, Safelight-Job-Id, Safelight-Status-Url"
)
_READING = ("GET", "HEAD", "OPTIONS")


class Cors:
    """Answers preflights, marks answers, refuses pages that are not listed."""

    def __init__(self, settings: CorsSettings) -> None:
        self._origins = frozenset(settings.origins)
        self._max_age_s = settings.max_age_s

    @property
    def is_on(self) -> bool:
        """Whether any other origin may call."""
        return bool(self._origins)

    def preflight(self, request: web.Request) -> web.Response | None:
        """The answer to a browser that asks whether it may; None: this is another request."""
        if request.method != "OPTIONS" or not self.is_on:
            return None
        origin = request.headers.get("Origin")
        if origin is None or "Access-Control-Request-Method" not in request.headers:
            return None
        if origin not in self._origins:
            raise _denied(origin)
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _ASKED,
            "Access-Control-Max-Age": str(self._max_age_s),
        }
        return web.Response(status=204, headers=headers)

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Say in every answer, refusals too, whether the calling page may read it."""
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin in self._origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED

    def refuse_foreign(self, request: web.Request) -> None:
        """Raises OriginDenied when a page of an origin that is not listed makes a browser call.

        Without it any web page could have its reader's browser send pictures to a service on his
        own machine, or open a WebSocket to it: for these a browser asks nobody first.
        """
        is_socket = request.headers.get("Upgrade", "").strip().lower() == "websocket"
        if request.method in _READING and not is_socket:
            return
        origin = request.headers.get("Origin")
        if origin is None or origin in self._origins or _is_own_page(request, origin):
            return
        raise _denied(origin)


def _is_own_page(request: web.Request, origin: str) -> bool:
    """What the browser says of it; an older one says nothing, then the names must be the same."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    try:
        return urlsplit(origin).netloc.lower() == request.headers.get("Host", "").lower() != ""
    except ValueError:
        return False


def _denied(origin: str) -> OriginDenied:
    return OriginDenied(f"The origin '{origin[:100]}' is not listed in cors.origins.")
