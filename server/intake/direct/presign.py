"""Pictures that clients bring to the storage themselves, by a URL that is good for one of them.

What was agreed is checked on the bytes: they are read back from the storage, hashed and probed like
any upload's, and what lies in the storage under the client's hand is removed.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import structlog
from redis.exceptions import RedisError

from pool import Recipe
from server.config.storing import PresignSettings
from server.intake.upload import Intake, Upload
from server.jobs.direct import Agreement, DirectUpload, DirectUploads, ended, is_final
from server.jobs.job import iso, new_job_id
from server.jobs.recipes import recipe_of
from server.jobs.source import Source
from server.refusals import (
    AlreadyUploaded,
    NotFound,
    NothingUploaded,
    Refusal,
    TooLarge,
    UploadMismatch,
    UploadTaken,
)
from server.storage.storage import INCOMING, Storage, incoming_key

log = structlog.get_logger(__name__)

# What a client may announce, and what the probe then has to find.
FORMATS = {
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/heic": "heif",
    "image/heif": "heif",
    "image/gif": "gif",
    "image/tiff": "tiff",
    "image/svg+xml": "svg",
}
# How long a second request for the same upload waits for the first.
_PATIENCE_S = 20.0
_LOOK_EVERY_S = 0.25
_SWEEP_EVERY_S = 2.0
_STRAYS_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Begun:
    """A URL for one PUT. `expires_ms` since 1970 UTC; `url` is "" when it is this server's own."""

    upload_id: str
    url: str
    headers: dict[str, str]
    expires_ms: int
    agreed: Agreement


class Presign:
    """Begins, completes and forgets uploads that do not come with the request for a job."""

    def __init__(
        self, intake: Intake, records: DirectUploads, storage: Storage, settings: PresignSettings
    ) -> None:
        self._intake = intake
        self._records = records
        self._storage = storage
        self._longest_s = settings.max_expires_s + settings.keep_s

    @property
    def is_local(self) -> bool:
        """Whether the bytes come to this server, since the storage has no address of its own."""
        return self._storage.kind == "disk"

    async def begin(self, agreed: Agreement, *, client: str, good_s: int) -> Begun:
        """Agree on one upload; `agreed.key` is set here."""
        self._intake.refuse_if_closed()
        upload_id = new_job_id()
        key = "" if self.is_local else incoming_key(upload_id)
        agreed = with_key(agreed, key)
        url = "" if self.is_local else await self._storage.sign("PUT", key, good_s)
        expires_ms = await self._records.open(upload_id, agreed, client=client, good_s=good_s)
        return Begun(upload_id, url, _headers(agreed, self._storage.kind), expires_ms, agreed)

    async def complete(self, upload_id: str) -> str:
        """Take in what a client has put into the storage; returns its job's id, always the same.

        Raises NothingUploaded, UploadMismatch or any refusal of an upload.
        """
        upload = await self._take(upload_id)
        if upload.state == "completed":
            return upload.job_id
        try:
            async with self._records.hold(upload):
                job_id = await self._take_in_stored(upload)
        except Refusal as refusal:
            if is_final(refusal):
                await self._remove(upload.agreed.key)
            raise
        await self._remove(upload.agreed.key)
        return job_id

    async def receive(self, upload_id: str, chunks: AsyncIterator[bytes]) -> str:
        """Take in what a client sends to this server itself; returns the id of its job."""
        is_ours, upload = await self._records.take(upload_id)
        if upload is None or upload.agreed.key:
            raise _unknown(upload_id)
        if not is_ours:
            if upload.state == "taken":
                raise UploadTaken("Another request brings this picture just now.")
            raise AlreadyUploaded(f"The upload is {upload.state}; begin another.")
        async with self._records.hold(upload):
            return await self._take_in(upload, chunks)

    async def sweep(self) -> int:
        """Forget uploads whose time is over, with what was put there; returns how many."""
        removed = 0
        for upload_id in await self._records.due():
            is_ours, upload = await self._records.take(upload_id)
            if not is_ours and upload is not None and upload.state == "taken":
                continue  # somebody reads its object just now
            await self._storage.delete(incoming_key(upload_id))
            token = upload.token if is_ours and upload is not None else 0
            removed += await self._records.forget(upload_id, token=token)
        if removed:
            log.info("forgot presigned uploads", uploads=removed)
        return removed

    async def sweep_strays(self) -> int:
        """Remove what came after its upload was forgotten, or whose record Redis has lost."""
        written_before_ms = (time.time() - self._longest_s) * 1000
        strays = [
            one.key
            async for one in self._storage.objects(INCOMING)
            if one.modified_ms < written_before_ms
        ]
        for key in strays:
            await self._storage.delete(key)
        if strays:
            log.warning("removed uploads that nobody knows", uploads=len(strays))
        return len(strays)

    async def run(self) -> None:
        """Sweep for as long as the process lives."""
        strays_at = 0.0
        while True:
            try:
                await self.sweep()
                if time.monotonic() >= strays_at and not self.is_local:
                    strays_at = time.monotonic() + _STRAYS_EVERY_S
                    await self.sweep_strays()
            except (RedisError, OSError) as error:
                log.warning("cannot forget presigned uploads", error=str(error))
            await asyncio.sleep(_SWEEP_EVERY_S)

    async def _take(self, upload_id: str) -> DirectUpload:
        """Ours to work on, or completed; waits a while for whoever works on it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE_S
        while True:
            is_ours, upload = await self._records.take(upload_id)
            if upload is None:
                raise _unknown(upload_id)
            if is_ours:
                return upload
            if upload.state != "taken" or loop.time() >= until:
                ended(upload)
                return upload
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _take_in_stored(self, upload: DirectUpload) -> str:
        agreed = upload.agreed
        found = await self._storage.head(agreed.key) if agreed.key else None
        if found is None:
            raise NothingUploaded(f"PUT it first; the URL is good until {iso(upload.expires_ms)}.")
        _refuse_other_length(agreed, found.bytes)
        if agreed.media_type and found.media_type != agreed.media_type:
            raise UploadMismatch(
                f"Content-Type: expected {agreed.media_type}, got {found.media_type}."
            )
        return await self._take_in(upload, self._storage.read(agreed.key))

    async def _take_in(self, upload: DirectUpload, chunks: AsyncIterator[bytes]) -> str:
        agreed = upload.agreed
        recipe = recipe_of(agreed.recipe)
        async with self._intake.upload() as taken:
            await taken.receive(agreed.name, self._bounded(agreed, chunks), source=_source(agreed))
            _raise_refused(taken)
            self._compare(agreed, taken)
            await taken.check(recipe)
            _raise_refused(taken)
            return await self._admit(upload, taken, recipe)

    async def _admit(self, upload: DirectUpload, taken: Upload, recipe: Recipe) -> str:
        job_id = taken.spooled[0].job_id
        await taken.admit(
            recipe,
            client=upload.client,
            as_batch=False,
            private=upload.agreed.private,
            expires_in_s=upload.agreed.keep_s,
            brought=(upload.upload_id, upload.token),
            callback_url=upload.agreed.callback_url,
        )
        return job_id

    async def _bounded(
        self, agreed: Agreement, chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        most = agreed.exact_bytes if agreed.exact_bytes is not None else agreed.max_bytes
        received = 0
        async for chunk in chunks:
            received += len(chunk)
            if most is not None and received > most:
                _refuse_other_length(agreed, received)
            yield chunk

    def _compare(self, agreed: Agreement, taken: Upload) -> None:
        spooled = taken.spooled[0]
        _refuse_other_length(agreed, spooled.bytes)
        if agreed.sha256 and spooled.digest != agreed.sha256:
            raise UploadMismatch(f"SHA-256: expected {agreed.sha256}, got {spooled.digest}.")
        found = taken.format_of(spooled)
        if agreed.media_type and FORMATS[agreed.media_type] != found:
            raise UploadMismatch(f"Expected {agreed.media_type}, got a picture of format {found}.")

    async def _remove(self, key: str) -> None:
        """Early, for room's sake; `sweep` removes it in any case. What others dropped is theirs."""
        if not key.startswith(INCOMING):
            return
        try:
            await self._storage.delete(key)
        except OSError as error:
            log.warning("what was uploaded is removed later", key=key, error=str(error))


def refuse_other_length(length: int, *, exact_bytes: int | None, max_bytes: int | None) -> None:
    """Say UploadMismatch, or TooLarge, when so many bytes were not agreed on."""
    if exact_bytes is not None and length != exact_bytes:
        raise UploadMismatch(
            f"Expected {exact_bytes} bytes, got {length}.", limit=exact_bytes, actual=length
        )
    if max_bytes is not None and length > max_bytes:
        raise TooLarge(
            f"At most {max_bytes} bytes were agreed on, got {length}.",
            limit=max_bytes,
            actual=length,
        )


def _refuse_other_length(agreed: Agreement, length: int) -> None:
    refuse_other_length(length, exact_bytes=agreed.exact_bytes, max_bytes=agreed.max_bytes)


def with_key(agreed: Agreement, key: str) -> Agreement:
    """The same agreement on a place in the storage."""
    return replace(agreed, key=key)


def _headers(agreed: Agreement, kind: str) -> dict[str, str]:
    """What the PUT has to carry; a bucket that honours If-None-Match takes one PUT only."""
    own = {"s3": {"If-None-Match": "*"}, "azure": {"x-ms-blob-type": "BlockBlob"}}
    headers = {"Content-Type": agreed.media_type} if agreed.media_type else {}
    return headers | own.get(kind, {})


def _raise_refused(taken: Upload) -> None:
    if taken.refused:
        raise taken.refused[0].refusal


def _source(agreed: Agreement) -> Source:
    """What others dropped lies where they put it."""
    is_dropped = agreed.key and not agreed.key.startswith(INCOMING)
    return Source.EVENT if is_dropped else Source.PRESIGNED


def _unknown(upload_id: str) -> NotFound:
    return NotFound(f"There is no upload '{upload_id}'; it may have ended.")
