"""One picture from its URL into the spool: redirects, conditional requests, bounded decoding.

What the server says of type and length is not believed: bytes are counted as they come, and the
probe looks at them afterwards.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientResponse, ClientSession
from yarl import URL

from server.config.sections import FetchSettings
from server.intake.fetch.body import decoded
from server.intake.fetch.faults import FetchFailed, refuse_status, told_plainly
from server.intake.fetch.guard import CheckedUrl, Guard
from server.storage.spool import Spooled

_REDIRECTS = (301, 302, 303, 307, 308)
_NOT_MODIFIED = 304
_MAX_VALIDATOR = 256  # characters of an ETag or a date that are worth keeping

Receive = Callable[[AsyncIterator[bytes]], Awaitable[Spooled]]


@dataclass(frozen=True, slots=True)
class Validators:
    """By what a server knows again what it has sent: ETag and Last-Modified, "" where unknown."""

    etag: str = ""
    modified: str = ""

    def headers(self) -> dict[str, str]:
        """Ask for the picture only if it has changed."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Download:
    """A picture that came, or (spooled is None) the word that the one we know is still good."""

    spooled: Spooled | None
    validators: Validators


class Downloader:
    """Fetches pictures through a guarded session."""

    def __init__(
        self, session: ClientSession, guard: Guard, settings: FetchSettings, *, max_bytes: int
    ) -> None:
        self._session = session
        self._guard = guard
        self._settings = settings
        self._max_bytes = max_bytes

    async def fetch(self, text: str, receive: Receive, known: Validators) -> Download:
        """Stream what the URL leads to into `receive`, unless it is what is known already.

        Raises FetchFailed, or what `receive` raises when this machine is at fault (DiskFull,
        OSError).
        """
        with told_plainly():
            async with asyncio.timeout(self._settings.total_timeout_s):
                async with self._answer(self._guard.check(text), known) as response:
                    if response.status == _NOT_MODIFIED:
                        return Download(None, known)
                    self._refuse_announced(response)
                    spooled = await receive(decoded(response))
                    return Download(spooled, _validators(response))

    @asynccontextmanager
    async def _answer(self, url: CheckedUrl, known: Validators) -> AsyncIterator[ClientResponse]:
        """The first answer that is not a redirect, if it is a good one."""
        for _ in range(self._settings.max_redirects + 1):
            async with self._session.get(
                URL(url.text, encoded=True), headers=known.headers(), allow_redirects=False
            ) as response:
                if response.status not in _REDIRECTS:
                    is_known = response.status == _NOT_MODIFIED and bool(known.headers())
                    if not is_known:
                        refuse_status(response)
                    yield response
                    return
                location = response.headers.get("Location")
                if not location:
                    raise FetchFailed("fetch_failed", "The server redirects to nowhere.")
                url = self._guard.check_redirect(url, location)
                response.close()  # a body that nobody reads must not keep the connection busy
        most = self._settings.max_redirects
        raise FetchFailed("fetch_failed", f"More than {most} redirects follow one another.")

    def _refuse_announced(self, response: ClientResponse) -> None:
        announced, limit = response.content_length, self._max_bytes
        if announced is not None and announced > limit:
            detail = f"A picture may have {limit} bytes; {announced} were announced."
            raise FetchFailed("fetch_too_large", detail)


def _validators(response: ClientResponse) -> Validators:
    return Validators(
        _kept(response.headers.get("ETag", "")), _kept(response.headers.get("Last-Modified", ""))
    )


def _kept(value: str) -> str:
    is_plain = value.isascii() and value.isprintable() and len(value) <= _MAX_VALIDATOR
    return value if is_plain else ""
