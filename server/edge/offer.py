"""GET /config: what a client should know before it sends anything. The page asks it first."""

from typing import Any

from aiohttp import web

from server.config import Settings
from server.edge.access.client import CALLER
from server.edge.reply import reply

# The key that came with the request decides a part of the answer.
_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, X-Api-Key"}
_FONT_ENDINGS = (".ttf", ".otf", ".ttc", ".woff", ".woff2")


class OfferHandler:
    """All but the caller's key is fixed while the server runs."""

    def __init__(self, settings: Settings, *, has_bucket: bool) -> None:
        fonts = {
            name for name, path in settings.assets.items() if path.suffix.lower() in _FONT_ENDINGS
        }
        self._key_needed = bool(settings.auth.keys)
        self._fixed: dict[str, Any] = {
            "directUploads": has_bucket,
            "maxUploadBytes": settings.upload.max_upload_bytes,
            "maxFiles": settings.upload.max_files,
            "maxUrls": settings.fetch.max_urls,
            "maxWatched": settings.live.max_watched_per_socket,
            "maxZipEntries": settings.archive.max_entries,
            "watermarks": sorted(set(settings.assets) - fonts),
            "fonts": sorted(fonts),
        }

    async def get(self, request: web.Request) -> web.Response:
        """Limits, names of assets, whether a key is needed and what the caller's one may do."""
        caller = request[CALLER]
        key = {"name": caller.name, "scopes": sorted(caller.scopes)} if caller.has_key else None
        answer = {"keyNeeded": self._key_needed, "key": key, **self._fixed}
        return reply(answer, headers=_HEADERS)
