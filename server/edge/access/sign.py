"""Private pictures: shown to their owner and to who holds a signed URL; POST /image/{id}/sign.

For all others a private picture is not there: the answer is the one for an id that nobody has. A
signature is looked at before the picture, so a wrong or late one tells nothing of it either.
"""

import time

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.config.access import SigningSettings
from server.edge.access.client import CALLER
from server.edge.reply import reply
from server.jobs.job import Job, iso
from server.jobs.links import image_path, signed_url
from server.jobs.queue import JobQueue
from server.refusals import BadRequest, NotFound
from server.signing import Signer

_MAX_BODY_BYTES = 4096
_VARIANT = r"^[A-Za-z0-9_-]{1,64}$"
_IS_LET_IN = web.RequestKey("is_let_in", bool)

PRIVATE_HEADERS = {"Cache-Control": "private, no-store"}
"""Instead of those of a public picture: no cache between us and who may see it."""


class Doorman:
    """Knows who may see which picture."""

    def __init__(self, signer: Signer, *, public_images: bool) -> None:
        self._signer = signer
        self._public_images = public_images

    def has_let_in(self, request: web.Request) -> bool:
        """Whether the address is signed; raises SignatureWrong or SignatureExpired."""
        if _IS_LET_IN not in request:
            is_signed = "signature" in request.query
            if is_signed:
                path = request.rel_url.raw_path
                self._signer.check(request.method, path, request.query, time.time())
            request[_IS_LET_IN] = is_signed
        return request[_IS_LET_IN]

    def is_hidden(self, job: Job) -> bool:
        """Whether not everybody may see it."""
        return job.private or not self._public_images

    def refuse_stranger(self, request: web.Request, job: Job) -> None:
        """Raises NotFound, as for an unknown id, when this picture is not for who asks."""
        if not self.is_hidden(job) or self.has_let_in(request):
            return
        if not request[CALLER].owns(job.client):
            raise no_picture(job.job_id)


class _Wish(BaseModel):
    """What POST /image/{id}/sign takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variant: str | None = Field(None, pattern=_VARIANT)
    expires_in: int | None = Field(None, ge=1, strict=True, alias="expiresIn")


class SignHandler:
    """Gives owners signed URLs of their pictures."""

    def __init__(self, queue: JobQueue, signer: Signer, settings: SigningSettings) -> None:
        self._queue = queue
        self._signer = signer
        self._settings = settings

    async def post(self, request: web.Request) -> web.Response:
        """A URL that everybody who holds it may GET until it expires."""
        image_id = request.match_info["id"]
        wish = await self._wish(request)
        job = await self._queue.look(image_id)
        if not isinstance(job, Job) or not request[CALLER].owns(job.client):
            raise no_picture(image_id)
        expires_at = int(time.time()) + (wish.expires_in or self._settings.url_s)
        url = signed_url(self._signer, image_path(image_id, wish.variant), expires_at)
        answer = {"url": url, "expiresAt": iso(expires_at * 1000)}
        return reply(answer, headers={"Cache-Control": "no-store"})

    async def _wish(self, request: web.Request) -> _Wish:
        body = await _short_body(request)
        try:
            wish = _Wish.model_validate_json(body or b"{}")
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(str(part) for part in first["loc"]) or "body"
            raise BadRequest(f"{path[:40]}: {first['msg']}.") from error
        if (wish.expires_in or 0) > self._settings.max_url_s:
            raise BadRequest(
                f"expiresIn: expected {self._settings.max_url_s} s at most.",
                limit=self._settings.max_url_s,
                actual=wish.expires_in,
            )
        return wish


def no_picture(image_id: str) -> NotFound:
    """The one answer for a picture that is not there, or not for who asks."""
    return NotFound(f"There is no picture '{image_id}'; it may have expired.")


async def _short_body(request: web.Request) -> bytes:
    declared = request.content_length
    if declared is not None and declared > _MAX_BODY_BYTES:
        raise BadRequest(f"The body may have {_MAX_BODY_BYTES} bytes.")
    body = await request.content.read(_MAX_BODY_BYTES + 1)
    while len(body) <= _MAX_BODY_BYTES and (more := await request.content.read(_MAX_BODY_BYTES)):
        body += more
    if len(body) > _MAX_BODY_BYTES:
        raise BadRequest(f"The body may have {_MAX_BODY_BYTES} bytes.")
    return body
