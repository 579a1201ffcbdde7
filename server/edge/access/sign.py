"""Private pictures: shown to their owner and to who holds a signed URL; POST /image/{id}/sign.

For all others a private picture is not there: the answer is the one for an id that nobody has. A
signature is looked at before the picture, so a wrong or late one tells nothing of it either.

A signature without an end lets nobody in. It says that a picture may be made as the address asks.
"""

import time
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.config import Settings
from server.edge.access.client import CALLER, Caller
from server.edge.hosting.derive_wish import WORDS, wish_of, words_of
from server.edge.reply import reply
from server.edge.whole import WholeNumber
from server.jobs.job import Job, iso
from server.jobs.links import image_path, signed_url
from server.jobs.queue import JobQueue
from server.refusals import BadOptions, BadRequest, NotFound, PresetsOnly, ScopeMissing
from server.signing import Signer

_MAX_BODY_BYTES = 4096
_VARIANT = r"^[A-Za-z0-9_-]{1,64}$"
_MAX_QUOTED = 40
_IS_SIGNED = web.RequestKey("is_signed", bool)
_SIGNED_ALONG = "download"  # says nothing of how a picture is made, and may be signed with it

PRIVATE_HEADERS = {"Cache-Control": "private, no-store"}
"""Instead of those of a public picture: no cache between us and who may see it."""


class Doorman:
    """Knows who may see which picture."""

    def __init__(self, signer: Signer, *, public_images: bool) -> None:
        self._signer = signer
        self._public_images = public_images

    def is_signed(self, request: web.Request) -> bool:
        """Whether the address is signed; raises SignatureWrong or SignatureExpired."""
        if _IS_SIGNED not in request:
            is_signed = "signature" in request.query
            if is_signed:
                path, now = request.rel_url.raw_path, time.time()
                self._signer.check(request.method, path, request.query, now, may_last=True)
            request[_IS_SIGNED] = is_signed
        return request[_IS_SIGNED]

    def has_let_in(self, request: web.Request) -> bool:
        """Whether it is signed until a time, so that it lets in; raises as `is_signed` does."""
        return self.is_signed(request) and "expires" in request.query

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
    parameters: dict[str, Any] = Field(default_factory=dict)
    expires_in: WholeNumber | None = Field(None, ge=1, strict=True, alias="expiresIn")


class SignHandler:
    """Gives owners signed URLs of their pictures."""

    def __init__(
        self, queue: JobQueue, signer: Signer, settings: Settings, *, doorman: Doorman
    ) -> None:
        self._queue = queue
        self._signer = signer
        self._doorman = doorman
        self._settings = settings.signing
        self._presets_only = settings.recipes.presets_only

    async def post(self, request: web.Request) -> web.StreamResponse:
        """A URL that everybody who holds it may GET, until it expires if it does."""
        image_id = request.match_info["id"]
        wish = await self._wish(request)
        params = signable(wish.parameters, variant=wish.variant, presets_only=self._presets_only)
        if words_of(params):
            _refuse_unless_maker(request[CALLER])
        job = await self._queue.look(image_id)
        if not isinstance(job, Job) or not request[CALLER].owns(job.client):
            raise no_picture(image_id)
        expires_at: int | None = int(time.time()) + (wish.expires_in or self._settings.url_s)
        if words_of(params) and wish.expires_in is None and not self._doorman.is_hidden(job):
            expires_at = None
        url = signed_url(self._signer, image_path(image_id, wish.variant), expires_at, params)
        answer = {"url": url, "expiresAt": None if expires_at is None else iso(expires_at * 1000)}
        return reply(answer, headers={"Cache-Control": "no-store"})

    async def _wish(self, request: web.Request) -> _Wish:
        body = await _short_body(request)
        try:
            wish = _Wish.model_validate_json(body or b"{}")
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(str(part) for part in first["loc"]) or "body"
            raise BadRequest(f"{path[:_MAX_QUOTED]}: {first['msg']}.") from error
        if (wish.expires_in or 0) > self._settings.max_url_s:
            raise BadRequest(
                f"expiresIn: expected {self._settings.max_url_s} s at most.",
                limit=self._settings.max_url_s,
                actual=wish.expires_in,
            )
        return wish


def signable(
    parameters: dict[str, Any], *, variant: str | None, presets_only: bool
) -> dict[str, str]:
    """Parameters as text, as they stand in an address; what they ask for can be made.

    Raises BadRequest, BadOptions and PresetsOnly.
    """
    params = {name: _as_text(name, value) for name, value in parameters.items()}
    for name in params:
        if name not in WORDS and name != _SIGNED_ALONG:
            known = ", ".join((*WORDS, _SIGNED_ALONG))
            raise BadRequest(f"parameters: there is no '{name[:_MAX_QUOTED]}'; known are {known}.")
    words = words_of(params)
    if words and variant is not None:
        raise BadRequest(
            f"Expected variant or parameters, got both: {', '.join(words)} make a picture of their"
            " own from the original."
        )
    if words and presets_only:
        raise PresetsOnly("Name a preset as variant; parameters of your own are not taken.")
    if words:
        wish_of(words)
    return params


def _as_text(name: str, value: Any) -> str:
    if name == "options" and not isinstance(value, str):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        except orjson.JSONEncodeError as error:  # a number of more than 64 bits
            raise BadOptions(f"options: expected a recipe; {error}.") from error
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise BadRequest(f"parameters.{name[:_MAX_QUOTED]}: expected text, a number or true or false.")


def _refuse_unless_maker(caller: Caller) -> None:
    """Whoever signs for pictures to be made, has them made."""
    if "upload" not in caller.scopes and not caller.is_admin:
        raise ScopeMissing(
            f"To sign parameters needs the scope 'upload'; the key '{caller.name}' has"
            f" {', '.join(sorted(caller.scopes))}."
        )


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
