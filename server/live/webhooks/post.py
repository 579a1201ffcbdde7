"""One attempt: a POST, and what came of it. Never raises for what the other side does."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
)
from yarl import URL

from server import retry_after, tls
from server.refusals import FetchRefused

_READ_BYTES = 4096
_READ_S = 1.0
_EXCERPT = 500  # characters of an answer that are kept
_ASK_LATER = (429, 503)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver did. status: None when no answer came; then `error` says why."""

    status: int | None
    error: str
    excerpt: str = ""
    retry_after_s: float | None = None

    @property
    def is_good(self) -> bool:
        """Whether the webhook has arrived."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether nothing shall be sent there any more."""
        return self.status == 410


class Poster:
    """Sends through one session, which decides what addresses may be reached."""

    def __init__(self, session: ClientSession, *, timeout_s: float, refusal: type[OSError]) -> None:
        """refusal: what a session raises for an address that may not be reached."""
        self._session = session
        self._timeout_s = timeout_s
        self._refusal = refusal

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """One request; redirects are not followed, and little is read of the answer."""
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.post(
                    URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                return await _answer(response)
        except FetchRefused as error:
            return Answer(None, error.detail)
        except TimeoutError:
            return Answer(None, f"No answer came within {self._timeout_s:g} s.")
        except (ClientError, OSError) as error:
            return Answer(None, self._told(error))

    def _told(self, error: ClientError | OSError) -> str:
        """No words of a library, which may name addresses inside our network."""
        if isinstance(error, ClientConnectorError) and isinstance(error.os_error, self._refusal):
            return "The host has no address that may be reached."
        if isinstance(error, ClientConnectorDNSError):
            return "The host's name cannot be looked up."
        if isinstance(error, ClientConnectorCertificateError):
            return f"The certificate of the receiver {tls.complaint(error.certificate_error)}."
        if isinstance(error, ClientSSLError):
            return "The receiver does not speak TLS as it should."
        if isinstance(error, ClientConnectorError):
            return "The receiver cannot be reached."
        return "The receiver broke off, or does not keep to HTTP."


async def _answer(response: ClientResponse) -> Answer:
    """The status alone decides; of a body that is slow or long the rest is not waited for."""
    read = b""
    with suppress(TimeoutError, ClientError):
        async with asyncio.timeout(_READ_S):
            read = await response.content.read(_READ_BYTES)
    if not response.content.at_eof():
        response.close()
    text = read.decode(errors="replace")
    excerpt = "".join(one if one.isprintable() else " " for one in text)[:_EXCERPT].strip()
    later = response.headers.get("Retry-After", "") if response.status in _ASK_LATER else ""
    return Answer(response.status, _complaint(response), excerpt, retry_after.seconds(later))


def _complaint(response: ClientResponse) -> str:
    if 200 <= response.status < 300:
        return ""
    if 300 <= response.status < 400:
        return f"The receiver answered {response.status}; redirects are not followed."
    return f"The receiver answered {response.status} instead of 2xx."
