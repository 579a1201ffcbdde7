"""POST /uploads, PUT /uploads/{id}, POST /uploads/{id}/complete: pictures by a URL of their own."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from server.config import Settings
from server.edge.access.client import client_of
from server.edge.access.quota import Quotas
from server.edge.body import Body
from server.edge.expect import ask_for_body
from server.edge.incoming.callbacks import Callbacks
from server.edge.incoming.form import Form
from server.edge.incoming.outcome import job_outcome
from server.edge.prefer import patience
from server.edge.reply import reply
from server.edge.whole import WholeNumber
from server.intake.direct.presign import FORMATS, Begun, Presign, refuse_other_length
from server.intake.file_name import clean_name
from server.intake.upload import Intake
from server.jobs.direct import Agreement
from server.jobs.job import iso
from server.jobs.links import Links
from server.live.feed import Feed
from server.refusals import BadRequest, TooLarge, UnsupportedMedia, UploadMismatch
from server.signing import Signer

_PIECE_BYTES = 128 * 1024
_FRESH = {"Cache-Control": "no-store"}


class UploadWish(BaseModel):
    """What POST /uploads takes. Sizes in bytes, times in seconds; `expiresIn` is the picture's."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    filename: str = Field("picture", max_length=1000)
    content_type: str | None = Field(None, alias="contentType")
    bytes: WholeNumber | None = Field(None, ge=1)
    max_bytes: WholeNumber | None = Field(None, ge=1, alias="maxBytes")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    options: dict[str, Any] | None = None
    preset: str | None = None
    private: bool = False
    expires_in: WholeNumber | None = Field(None, ge=1, alias="expiresIn")
    callback_url: str | None = Field(None, alias="callbackUrl")
    url_expires_in: WholeNumber | None = Field(None, ge=1, alias="urlExpiresIn")


class DirectUploadHandler:
    """The way in for pictures that come to the storage by themselves."""

    def __init__(
        self,
        presign: Presign,
        intake: Intake,
        feed: Feed,
        settings: Settings,
        *,
        signer: Signer,
        links: Links,
        quotas: Quotas,
        callbacks: Callbacks,
    ) -> None:
        self._presign = presign
        self._intake = intake
        self._feed = feed
        self._settings = settings
        self._signer = signer
        self._links = links
        self._quotas = quotas
        self._callbacks = callbacks

    async def begin(self, request: web.Request) -> web.Response:
        """Agree on one picture and answer where to PUT it."""
        self._intake.refuse_if_closed()
        wish = await self._wish(request)
        agreed = await self._agreement(wish)
        good_s = wish.url_expires_in or self._settings.presign.expires_s
        if good_s > self._settings.presign.max_expires_s:
            raise BadRequest(
                f"urlExpiresIn: expected at most {self._settings.presign.max_expires_s} s,"
                f" got {good_s}."
            )
        most = self._settings.upload.max_upload_bytes
        await self._quotas.promise(request, agreed.exact_bytes or agreed.max_bytes or most)
        begun = await self._presign.begin(agreed, client=client_of(request), good_s=good_s)
        answer = {
            "uploadId": begun.upload_id,
            "url": begun.url or self._own_url(begun),
            "method": "PUT",
            "headers": begun.headers,
            "expiresAt": iso(begun.expires_ms),
            "completeUrl": f"/uploads/{begun.upload_id}/complete",
        }
        return reply(answer, status=201, headers=_FRESH)

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        """`Expect: 100-continue` of a PUT: say no before the picture is sent."""
        return await ask_for_body(request, self._refuse_early(request))

    async def put(self, request: web.Request) -> web.Response:
        """Take the picture of a URL that this server has signed, as POST /upload would."""
        wait = self._patience(request)
        await self._refuse_early(request)
        body = Body(
            request.content,
            max_bytes=self._settings.upload.max_upload_bytes,
            stall_timeout_s=self._settings.upload.stall_timeout_s,
        )
        job_id = await self._presign.receive(request.match_info["id"], _chunks(body))
        return await job_outcome(request, self._feed, self._links, job_id, wait)

    async def complete(self, request: web.Request) -> web.Response:
        """Take in what has come; asked again, the answer is about the same job."""
        wait = self._patience(request)
        job_id = await self._presign.complete(request.match_info["id"])
        return await job_outcome(request, self._feed, self._links, job_id, wait)

    def _patience(self, request: web.Request) -> Any:
        waits = self._settings.upload
        return patience(request, default_s=waits.sync_wait_s, longest_s=waits.max_wait_s)

    async def _wish(self, request: web.Request) -> UploadWish:
        limit = self._settings.presign.max_body_bytes
        stall_timeout_s = self._settings.upload.stall_timeout_s
        body = Body(request.content, max_bytes=limit, stall_timeout_s=stall_timeout_s)
        try:
            return UploadWish.model_validate(orjson.loads(await body.whole() or b"{}"))
        except orjson.JSONDecodeError as error:
            raise BadRequest(f"Expected a JSON object, got something else: {error}") from error
        except ValidationError as error:
            raise BadRequest(_one_line(error)) from error

    async def _agreement(self, wish: UploadWish) -> Agreement:
        recipe = _form(wish).recipe(self._settings)
        async with self._intake.upload() as nothing_yet:
            await nothing_yet.check(recipe)  # what the recipe names is here
        if wish.content_type is not None and wish.content_type not in FORMATS:
            known = ", ".join(FORMATS)
            raise UnsupportedMedia(f"contentType: expected one of {known}; got another.")
        if wish.bytes is not None and wish.max_bytes is not None:
            raise BadRequest("Give bytes, when the length is known, or maxBytes, not both.")
        longest = self._settings.images.max_expires_in_s
        if wish.expires_in is not None and wish.expires_in > longest:
            raise BadRequest(f"expiresIn: expected 1 to {longest} seconds, got {wish.expires_in}.")
        limit, announced = self._settings.upload.max_upload_bytes, wish.bytes or wish.max_bytes
        if announced is not None and announced > limit:
            raise TooLarge(
                f"A picture may have {limit} bytes; {announced} were announced.",
                limit=limit,
                actual=announced,
            )
        return Agreement(
            name=clean_name(wish.filename) or "picture",
            key="",
            recipe=recipe.canonical(),
            media_type=wish.content_type or "",
            exact_bytes=wish.bytes,
            max_bytes=None if wish.bytes else wish.max_bytes or limit,
            sha256=(wish.sha256 or "").lower(),
            private=wish.private,
            keep_s=wish.expires_in,
            callback_url=await self._callbacks.asked(_form(wish).fields),
        )

    def _own_url(self, begun: Begun) -> str:
        """Everything that was agreed on and can be seen from outside is under the signature."""
        path = f"/uploads/{begun.upload_id}"
        expires_at = begun.expires_ms // 1000
        return (
            f"{path}?{urlencode(self._signer.sign('PUT', path, _params(begun.agreed), expires_at))}"
        )

    async def _refuse_early(self, request: web.Request) -> None:
        """By the signed address, the headers and how full things are: before the body is read."""
        self._signer.check("PUT", request.rel_url.raw_path, request.query, time.time())
        self._intake.refuse_if_closed()
        _refuse_other_headers(request, request.query)
        self._intake.storage.refuse_if_low(request.content_length or 0)
        await self._intake.queue.door.refuse_if_full()


def _form(wish: UploadWish) -> Form:
    form = Form()
    if wish.options is not None:
        form.fields["options"] = orjson.dumps(wish.options).decode()
    if wish.preset is not None:
        form.fields["preset"] = wish.preset
    if wish.callback_url is not None:
        form.fields["callbackUrl"] = wish.callback_url
    return form


def _params(agreed: Agreement) -> dict[str, str]:
    params = {
        "bytes": agreed.exact_bytes,
        "maxBytes": agreed.max_bytes,
        "contentType": agreed.media_type,
        "sha256": agreed.sha256,
    }
    return {name: str(value) for name, value in params.items() if value}


def _refuse_other_headers(request: web.Request, params: Mapping[str, str]) -> None:
    wanted = params.get("contentType")
    given = request.headers.get("Content-Type", "none")
    if wanted is not None and given != wanted:
        raise UploadMismatch(f"Content-Type: expected {wanted}, got {given[:100]}.")
    if request.content_length is not None:
        exact, most = params.get("bytes"), params.get("maxBytes")
        refuse_other_length(
            request.content_length,
            exact_bytes=int(exact) if exact else None,
            max_bytes=int(most) if most else None,
        )


async def _chunks(body: Body) -> AsyncIterator[bytes]:
    while chunk := await body.read(_PIECE_BYTES):
        yield chunk


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"]) or "body"
    if first["type"] == "extra_forbidden":
        known = ", ".join(field.alias or name for name, field in UploadWish.model_fields.items())
        return f"There is no field '{path[:40]}'; known are {known}."
    return f"{path[:40]}: {first['msg'].lower()}."
