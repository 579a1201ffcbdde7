"""Why a picture could not be fetched: an HTTP client's many errors in a few stable codes."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSSLError,
)

from server import retry_after, tls
from server.intake.fetch.session import AddressRefused
from server.refusals import CutShort, EmptyBody, FetchRefused, TooLarge, UploadTooSlow

_GOOD = (200, 203)
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class FetchFailed(Exception):
    """A picture did not come; `code` is one of FETCH_FAULTS.

    `may_recover`: another attempt could end better, `retry_after_s` from now if the server said so.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        may_recover: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.may_recover = may_recover
        self.retry_after_s = retry_after_s


def refuse_status(response: ClientResponse) -> None:
    """Raise FetchFailed for an answer that is no picture."""
    if response.status in _GOOD:
        return
    raise FetchFailed(
        "fetch_failed",
        f"The server answered {response.status} instead of 200.",
        may_recover=response.status in _TRY_AGAIN,
        retry_after_s=retry_after.seconds(response.headers.get("Retry-After", "")),
    )


@contextmanager
def told_plainly() -> Iterator[None]:
    """Every way a fetch can fail becomes FetchFailed; what is this machine's own fault passes."""
    try:
        yield
    except FetchRefused as error:
        raise FetchFailed("fetch_refused", error.detail) from error
    except TooLarge as error:
        raise FetchFailed("fetch_too_large", error.detail) from error
    except EmptyBody as error:
        raise FetchFailed("fetch_not_image", "The server sent no bytes.") from error
    except CutShort as error:
        raise _broken() from error
    except (UploadTooSlow, TimeoutError) as error:  # aiohttp's timeouts are TimeoutErrors, too
        detail = "The server did not send the picture in time."
        raise FetchFailed("fetch_timeout", detail, may_recover=True) from error
    except ClientError as error:
        raise _of_client(error) from error


def _of_client(error: ClientError) -> FetchFailed:
    if isinstance(error, ClientConnectorError) and isinstance(error.os_error, AddressRefused):
        return FetchFailed("fetch_refused", "The host has no address that is public.")
    if isinstance(error, ClientConnectorDNSError):
        # "No such name" is an answer; anything else is a name server that does not answer.
        is_final = getattr(error.os_error, "errno", None) == socket.EAI_NONAME
        detail = "There is no such host." if is_final else "The host's name cannot be looked up."
        return FetchFailed("fetch_failed", detail, may_recover=not is_final)
    if isinstance(error, ClientConnectorCertificateError):
        detail = f"The certificate of the server {tls.complaint(error.certificate_error)}."
        return FetchFailed("fetch_failed", detail)
    if isinstance(error, ClientSSLError):
        return FetchFailed("fetch_failed", "The server does not speak TLS as it should.")
    if isinstance(error, ClientConnectorError):
        return FetchFailed("fetch_failed", "The server cannot be reached.", may_recover=True)
    return _broken()


def _broken() -> FetchFailed:
    detail = "The server broke off, or does not keep to HTTP."
    return FetchFailed("fetch_failed", detail, may_recover=True)
