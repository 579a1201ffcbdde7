"""Addresses of pictures: plain for public ones, signed and good for a while for the others."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import quote, urlencode

from server.jobs.job import Job
from server.signing import Signer

_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class Links:
    """Makes the addresses that answers and events tell."""

    def __init__(
        self,
        signer: Signer | None,
        *,
        url_s: int,
        public_images: bool,
        base: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """base: put in front of each, for those who were not answered by this server.

        clock: seconds since 1970 from which on signed ones are good for `url_s`.
        """
        self._signer = signer
        self._url_s = url_s
        self._public_images = public_images
        self._base = base
        self._clock = clock

    def image(self, job: Job, variant: str | None = None) -> str:
        """Where the picture or one of its variants is; who holds a signed one needs no key."""
        path = image_path(job.job_id, variant)
        if self._signer is None or (self._public_images and not job.private):
            return self._base + path
        return self._base + signed_url(self._signer, path, int(self._clock()) + self._url_s)


PUBLIC = Links(None, url_s=0, public_images=True)
"""Signs nothing: an address of a private picture is then good for its owner's key only."""


def image_path(image_id: str, variant: str | None) -> str:
    """The path of a picture or one of its variants; both are made of letters, digits and '-_'."""
    return f"/image/{image_id}" if variant is None else f"/image/{image_id}/{variant}"


def signed_url(
    signer: Signer, path: str, expires_at: int | None, params: Mapping[str, str] = _NO_PARAMS
) -> str:
    """A path with the parameters that let everybody GET it until then (seconds since 1970).

    `params` are signed with it; None is no end, which lets nobody in to what is private.
    """
    signed = signer.sign("GET", path, dict(sorted(params.items())), expires_at)
    return f"{path}?{urlencode(signed, quote_via=quote, safe='')}"
