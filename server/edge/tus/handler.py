"""Resumable uploads by tus 1.0 at /files: https://tus.io/protocols/resumable-upload.

Here are the headers and the order of a request; the bytes are in server/intake/tus/uploads.py.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from server.config import Settings
from server.edge.access.client import CALLER, client_of
from server.edge.access.quota import Quotas
from server.edge.body import Body
from server.edge.incoming.callbacks import Callbacks
from server.edge.incoming.form import Form
from server.edge.incoming.keeping import keeping
from server.edge.tus.headers import (
    ALGORITHMS,
    EXTENSIONS,
    VERSION,
    http_date,
    read_checksum,
    read_metadata,
    read_number,
)
from server.intake.file_name import clean_name
from server.intake.tus.resumable import Resumable
from server.intake.tus.turns import Turn
from server.intake.tus.uploads import TusUploads
from server.intake.upload import Intake
from server.jobs.job import new_job_id
from server.refusals import (
    BadRequest,
    EmptyBody,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    TusVersionWrong,
    UnsupportedMedia,
    UploadFinished,
    WrongOffset,
)

_CHUNK_BYTES = 128 * 1024
_OFFSET_STREAM = "application/offset+octet-stream"
_NOT_OFFERED = ("Upload-Concat", "Upload-Defer-Length")
_PATH = "/files"


class TusHandler:
    """The way in for uploads that go on after a cut."""

    def __init__(
        self,
        uploads: TusUploads,
        intake: Intake,
        settings: Settings,
        *,
        quotas: Quotas,
        callbacks: Callbacks,
    ) -> None:
        self._uploads = uploads
        self._quotas = quotas
        self._callbacks = callbacks
        self._intake = intake
        self._settings = settings

    async def serve_all(self, request: web.Request) -> web.Response:
        """/files: what the server can do, and a new upload."""
        return await self._serve(request, {"OPTIONS": self._options, "POST": self._create})

    async def serve_one(self, request: web.Request) -> web.Response:
        """/files/{id}: how far it is, more bytes, its end."""
        return await self._serve(
            request,
            {
                "OPTIONS": self._options,
                "HEAD": self._head,
                "PATCH": self._patch,
                "DELETE": self._delete,
            },
        )

    async def _serve(
        self,
        request: web.Request,
        methods: dict[str, Callable[[web.Request], Awaitable[web.Response]]],
    ) -> web.Response:
        method = request.method
        if method != "OPTIONS":  # which needs no key and must not become what does
            method = request.headers.get("X-HTTP-Method-Override", method)
        if method not in methods:
            raise MethodNotAllowed(f"Use {', '.join(methods)}.")
        if method != "OPTIONS" and request.headers.get("Tus-Resumable") != VERSION:
            raise TusVersionWrong(f"Expected the header Tus-Resumable: {VERSION}.")
        return await methods[method](request)

    async def _options(self, request: web.Request) -> web.Response:
        headers = {
            "Tus-Version": VERSION,
            "Tus-Max-Size": str(self._uploads.max_bytes),
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        }
        return web.Response(status=204, headers=headers)

    async def _create(self, request: web.Request) -> web.Response:
        self._intake.refuse_if_closed()
        brings_bytes = _brings_bytes(request)
        read_checksum(request)
        upload = await self._read_wish(request)
        await self._intake.queue.door.refuse_if_full()
        await self._uploads.begin(upload)
        if brings_bytes:
            try:
                async with self._uploads.turns.take(upload.upload_id) as turn:
                    upload = await self._append(request, upload, turn)
            except BaseException:
                # Who gets no 201 does not know the address, and nobody else can finish it.
                await self._uploads.remove(upload.upload_id)
                raise
        headers = {"Location": f"{_PATH}/{upload.upload_id}"} | _progress(upload)
        return web.Response(status=201, headers=headers)

    async def _head(self, request: web.Request) -> web.Response:
        upload_id = request.match_info["id"]
        async with self._uploads.turns.take(upload_id):
            upload = await self._find(request, upload_id)
            if self._uploads.is_unfinished(upload) and upload.is_complete:
                # A crash or a full queue came between; the client would take it for finished.
                await self._uploads.finish(upload)
        headers = _progress(upload) | {"Upload-Length": str(upload.length)}
        if upload.metadata:
            headers["Upload-Metadata"] = upload.metadata
        return web.Response(headers=headers)

    async def _patch(self, request: web.Request) -> web.Response:
        self._intake.refuse_if_closed()
        if not _brings_bytes(request):
            raise UnsupportedMedia(f"Expected Content-Type: {_OFFSET_STREAM}.")
        read_checksum(request)
        offset, upload_id = read_number(request, "Upload-Offset"), request.match_info["id"]
        async with self._uploads.turns.take(upload_id) as turn:
            upload = await self._find(request, upload_id)
            _refuse_wrong_offset(offset, upload)
            upload = await self._append(request, upload, turn)
        return web.Response(status=204, headers=_progress(upload))

    async def _delete(self, request: web.Request) -> web.Response:
        upload_id = request.match_info["id"]
        async with self._uploads.turns.take(upload_id):
            if not self._uploads.is_unfinished(await self._find(request, upload_id)):
                raise UploadFinished(f"It has become a job: use DELETE /job/{upload_id}.")
            await self._uploads.remove(upload_id)
        return web.Response(status=204)

    async def _append(self, request: web.Request, upload: Resumable, turn: Turn) -> Resumable:
        """The body behind what is there; when that is all, the job is admitted."""
        declared = request.content_length or 0
        if declared > upload.missing_bytes:
            raise TooLarge(
                f"{upload.missing_bytes} bytes are missing, {declared} were announced.",
                limit=upload.missing_bytes,
                actual=declared,
            )
        body = Body(
            request.content,
            max_bytes=upload.missing_bytes,
            stall_timeout_s=self._settings.upload.stall_timeout_s,
        )
        checksum = read_checksum(request)
        if not self._uploads.is_unfinished(upload):  # sent again, since the answer was lost
            return upload
        before = upload.offset
        upload = await self._uploads.append(upload, turn, _chunks(body), checksum)
        await self._quotas.charge(request, upload.offset - before)
        if upload.is_complete:
            await self._uploads.finish(upload)
        return upload

    async def _read_wish(self, request: web.Request) -> Resumable:
        """A new upload from the headers, refused now for what would be refused at its end."""
        for header in _NOT_OFFERED:
            if header in request.headers:
                raise BadRequest(f"{header} is not offered; Tus-Extension lists what is.")
        length = read_number(request, "Upload-Length")
        if length > self._uploads.max_bytes:
            raise TooLarge(
                f"At most {self._uploads.max_bytes} bytes are taken, {length} were announced.",
                limit=self._uploads.max_bytes,
                actual=length,
            )
        if length == 0:
            raise EmptyBody("Expected a picture, Upload-Length is 0.")
        metadata = request.headers.get("Upload-Metadata", "")
        fields = read_metadata(metadata)
        name = clean_name(fields.pop("filename", "")) or "picture"
        recipe = Form(fields).recipe(self._settings)
        kept = keeping(fields, self._settings.images)
        async with self._intake.upload() as empty:
            await empty.check(recipe)
        return Resumable(
            upload_id=new_job_id(),
            name=name,
            client=client_of(request),
            length=length,
            offset=0,
            recipe=recipe.canonical(),
            private=kept.private,
            expires_in_s=kept.expires_in_s,
            metadata=metadata,
            expires_ms=self._uploads.expires_ms(),
            callback_url=await self._callbacks.asked(fields),
        )

    async def _find(self, request: web.Request, upload_id: str) -> Resumable:
        """The upload, finished or not.

        A key's uploads are its own. Without keys the address of an upload is what makes it one's
        own: an IP address changes with the network, which is when uploads are resumed.
        """
        upload = await self._uploads.find(upload_id)
        caller = request.get(CALLER)
        if caller is not None and caller.has_key and not caller.may_see(upload.client):
            raise NotFound("There is no such upload; it may have expired. Begin it again.")
        return upload


async def mark_response(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer below /files says which tus it speaks, refusals of other parts included."""
    if request.path == _PATH or request.path.startswith(_PATH + "/"):
        response.headers["Tus-Resumable"] = VERSION
        response.headers["Cache-Control"] = "no-store"


def _brings_bytes(request: web.Request) -> bool:
    """Whether the body is bytes of the upload; a body that is anything else is refused."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type == _OFFSET_STREAM:
        return True
    if request.can_read_body:
        raise UnsupportedMedia(f"Expected Content-Type: {_OFFSET_STREAM}; got '{media_type[:80]}'.")
    return False


async def _chunks(body: Body) -> AsyncIterator[bytes]:
    while chunk := await body.read(_CHUNK_BYTES):
        yield chunk


def _refuse_wrong_offset(given: int, upload: Resumable) -> None:
    if given != upload.offset:
        refusal = WrongOffset(f"The upload stands at {upload.offset}, Upload-Offset is {given}.")
        refusal.headers = _progress(upload)
        raise refusal


def _progress(upload: Resumable) -> dict[str, str]:
    """How far it is, and when it will be given up, or the job that it is by now."""
    headers = {"Upload-Offset": str(upload.offset)}
    if not upload.is_complete:
        return headers | {"Upload-Expires": http_date(upload.expires_ms)}
    job_id = upload.upload_id
    return headers | {"Safelight-Job-Id": job_id, "Safelight-Status-Url": f"/status/{job_id}"}
