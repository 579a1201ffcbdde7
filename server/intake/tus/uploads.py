"""Resumable uploads: begun, continued after any cut, admitted when the last byte is there.

An upload has the id of the job that it will be, so that finishing it twice is finishing it once.
It lives on the disk of the node that began it.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import structlog

from server.config.sections import TusSettings
from server.intake.tus.resumable import Resumable, Shelf, now_ms
from server.intake.tus.turns import Turn, Turns
from server.intake.tus.writing import Checksum, Writing
from server.intake.upload import Intake
from server.jobs.job import Job, JobState
from server.jobs.recipes import recipe_of
from server.jobs.source import Source
from server.refusals import (
    BadOptions,
    ChecksumMismatch,
    Gone,
    NotFound,
    Refusal,
    TooLarge,
    TooManyUnfinished,
)

log = structlog.get_logger(__name__)

_SWEEP_EVERY_S = 30.0
_FORGET_EVERY_S = 600.0


class TusUploads:
    """All unfinished uploads of this node."""

    def __init__(self, intake: Intake, settings: TusSettings, *, max_bytes: int) -> None:
        self.max_bytes = settings.max_bytes or max_bytes
        self.turns = Turns(wait_s=settings.lock_wait_s)
        self._intake = intake
        self._settings = settings
        self._shelf = Shelf(intake.spool.folder / "tus")
        self._uploads: dict[str, Resumable] = {}

    async def prepare(self) -> None:
        """Know again what the last run has left."""
        found = await asyncio.to_thread(self._shelf.load)
        self._uploads = {upload.upload_id: upload for upload in found}
        await self.sweep()
        await self._forget_finished()

    async def run(self) -> None:
        """Remove abandoned uploads for as long as the process lives."""
        forgot_at = time.monotonic()
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            try:
                await self.sweep()
                if time.monotonic() - forgot_at >= _FORGET_EVERY_S:
                    await self._forget_finished()
                    forgot_at = time.monotonic()
            except OSError as error:
                log.warning("cannot remove abandoned uploads", error=str(error))

    async def sweep(self) -> None:
        """Remove what nobody continued in time."""
        expired = [one for one in self._uploads.values() if one.is_expired]
        for upload in expired:
            if not self.turns.is_taken(upload.upload_id):
                async with self.turns.take(upload.upload_id):
                    await self.remove(upload.upload_id)
        if expired:
            log.info("removed abandoned uploads", uploads=len(expired))

    def expires_ms(self) -> int:
        """When an upload that is touched now expires, in ms since 1970 UTC."""
        return now_ms() + self._settings.expire_s * 1000

    async def begin(self, upload: Resumable) -> None:
        """Make room for an upload, or say why there is none."""
        self._refuse_too_many(upload)
        self._uploads[upload.upload_id] = upload  # before any await: it counts from now on
        try:
            to_come = sum(one.missing_bytes for one in self._uploads.values())
            self._intake.storage.refuse_if_low(to_come)
            await asyncio.to_thread(self._shelf.create, upload)
        except BaseException:
            await self.remove(upload.upload_id)
            raise

    def is_unfinished(self, upload: Resumable) -> bool:
        """Whether it is not yet the job of its id; it may be complete all the same."""
        return upload.upload_id in self._uploads

    async def find(self, upload_id: str) -> Resumable:
        """An upload, also one that has become a job, while that is there."""
        upload = self._uploads.get(upload_id)
        if upload is None:
            return await self._find_finished(upload_id)
        if upload.is_expired:
            raise Gone("Nothing came for this upload for too long; it is given up.")
        return upload

    async def _find_finished(self, upload_id: str) -> Resumable:
        upload = await asyncio.to_thread(self._shelf.finished, upload_id)
        subject = upload and await self._intake.queue.look(upload_id)
        if upload is None or not isinstance(subject, Job):
            raise NotFound("There is no such upload; it may have expired. Begin it again.")
        if subject.status is JobState.EXPIRED:
            raise Gone("The picture of this upload has expired.")
        return upload

    async def append(
        self, upload: Resumable, turn: Turn, chunks: AsyncIterator[bytes], checksum: Checksum | None
    ) -> Resumable:
        """Write a request's bytes behind those that are there; returns the upload as it is then.

        A cut keeps what came. With a checksum all of the request counts, or none of it.
        """
        with await asyncio.to_thread(self._shelf.open, upload) as file:
            writing = Writing(file, upload, checksum)
            try:
                await self._take_all(writing, turn, chunks)
                await writing.write()
                writing.check()
            except (ChecksumMismatch, TooLarge):
                await self._note(upload)  # as if none of it had come
                raise
            except Refusal:
                if checksum is None:
                    await self._keep(writing)
                raise
            return await self._keep(writing)

    async def finish(self, upload: Resumable) -> None:
        """Admit a complete upload. When this returns its job exists; a refused picture is gone."""
        self._intake.doubts.refuse_if_doubtful(upload.upload_id)
        if await self._intake.queue.look(upload.upload_id) is None:
            try:
                await self._admit(upload)
            except _Hopeless as hopeless:
                await self.remove(upload.upload_id)
                raise hopeless.refusal from None
        self._uploads.pop(upload.upload_id, None)
        await asyncio.to_thread(self._shelf.finish, upload.upload_id)

    async def remove(self, upload_id: str) -> None:
        """Forget an upload with its bytes."""
        self._uploads.pop(upload_id, None)
        await asyncio.to_thread(self._shelf.remove, upload_id)

    async def _forget_finished(self) -> None:
        await asyncio.to_thread(
            self._shelf.forget_finished, older_than_s=float(self._settings.expire_s)
        )

    async def _admit(self, upload: Resumable) -> None:
        path = self._shelf.data_path(upload.upload_id)
        recipe = recipe_of(upload.recipe)
        async with self._intake.upload() as one:
            await one.adopt(upload.upload_id, upload.name, path, source=Source.TUS)
            try:
                await one.check(recipe)
            except BadOptions as error:  # an asset is gone since the upload began
                raise _Hopeless(error) from error
            if one.refused:
                raise _Hopeless(one.refused[0].refusal)
            await one.admit(
                recipe,
                client=upload.client,
                as_batch=False,
                private=upload.private,
                expires_in_s=upload.expires_in_s,
                callback_url=upload.callback_url,
            )

    async def _take_all(self, writing: Writing, turn: Turn, chunks: AsyncIterator[bytes]) -> None:
        while chunk := await turn.read(chunks):
            if writing.take(chunk):
                self._intake.storage.refuse_if_low()  # before the disk is full for Redis, too
                await writing.write()
            if writing.is_sync_due:
                await self._keep(writing)

    async def _keep(self, writing: Writing) -> Resumable:
        """All that came is on disk, and counts from now on."""
        offset = await writing.sync()
        return await self._note(writing.upload.at(offset, expires_ms=self.expires_ms()))

    async def _note(self, upload: Resumable) -> Resumable:
        await asyncio.to_thread(self._shelf.note, upload)
        self._uploads[upload.upload_id] = upload
        return upload

    def _refuse_too_many(self, upload: Resumable) -> None:
        settings, others = self._settings, list(self._uploads.values())
        own = sum(one.client == upload.client for one in others)
        announced = sum(one.length for one in others) + upload.length
        for limit, actual, what in (
            (settings.max_unfinished, len(others) + 1, "uploads may be unfinished"),
            (settings.max_per_client, own + 1, "uploads of one client may be unfinished"),
            (settings.max_unfinished_bytes, announced, "bytes of unfinished uploads may come"),
        ):
            if actual > limit:
                raise TooManyUnfinished(
                    f"At most {limit} {what}, this would make {actual}. Finish or remove one.",
                    limit=limit,
                    actual=actual,
                    retry_after_s=60,
                )


class _Hopeless(Exception):
    """No further attempt can make a job of this upload."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal
