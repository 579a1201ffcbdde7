"""GET /batch/{id}/zip, POST /zip: results of a batch or of chosen pictures as one ZIP.

It is sent while it is made.
"""

import asyncio
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import aiofiles
from aiohttp import web

from server.config import Settings
from server.edge.access.client import CALLER
from server.edge.archive.names import ZipNames
from server.edge.archive.selection import read_selection
from server.edge.archive.zip_file import ZipFile
from server.edge.problems import REQUEST_ID
from server.jobs.job import Batch, Job, JobState, Variant, new_job_id
from server.jobs.queue import JobQueue
from server.refusals import BadRequest, NotFound, NotReady
from server.storage.spool import Spool
from server.storage.storage import Storage, StorageFailed

_JOBS_AT_ONCE = 100
# Up to this a file is read whole to know its CRC; a larger one is read twice.
_WHOLE_BYTES = 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_MISSING = "missing.txt"


class ArchiveHandler:
    """Results by the hundred, for people who want files and not addresses."""

    def __init__(self, queue: JobQueue, storage: Storage, spool: Spool, settings: Settings) -> None:
        self._queue = queue
        self._storage = storage
        self._spool = spool
        self._settings = settings

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Every completed result in the client's order; missing.txt names what is not there."""
        batch_id, is_partial = request.match_info["id"], _is_partial(request)
        batch = await self._queue.look(batch_id)
        if not isinstance(batch, Batch):
            raise NotFound(f"There is no batch '{batch_id[:80]}'; it may have expired.")
        if not batch.is_settled and not is_partial:
            raise NotReady(
                f"{batch.settled} of {batch.total} pictures are done; wait for the rest, or ask"
                " with ?partial=1 for those that are."
            )
        return await self._send(request, batch_id, self._of_batch(batch), batch.created_ms)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """The results of the pictures that the body names, in its order, however they came."""
        image_ids = await read_selection(request, self._settings)
        chosen = [one for one in await self._queue.look_all(image_ids) if isinstance(one, Job)]
        caller = request.get(CALLER)
        seen = [job for job in chosen if caller is None or caller.may_see(job.client)]
        if not seen:
            raise NotFound(f"There is none of these {len(image_ids)} pictures; they may be gone.")
        return await self._send(request, "safelight", _whole(seen), time.time_ns() // 1_000_000)

    async def _of_batch(self, batch: Batch) -> AsyncIterator[Sequence[Job]]:
        for first in range(0, batch.total, _JOBS_AT_ONCE):
            yield await self._queue.jobs_of(batch.batch_id, first=first, most=_JOBS_AT_ONCE)

    async def _send(
        self, request: web.Request, name: str, jobs: AsyncIterator[Sequence[Job]], made_ms: int
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_headers(request, name))
        await response.prepare(request)
        if request.method != "HEAD":
            async with aclosing(self._pieces(request, jobs, made_ms)) as pieces:
                async for piece in pieces:
                    await response.write(piece)
        await response.write_eof()
        return response

    async def _pieces(
        self, request: web.Request, portions: AsyncIterator[Sequence[Job]], made_ms: int
    ) -> AsyncGenerator[bytes, None]:
        packed, names, missing = ZipFile(), ZipNames(_MISSING), list[str]()
        async for jobs in portions:
            for job in jobs:
                if reason := _why_missing(request, job):
                    missing.append(f"{job.name}: {reason}")
                    continue
                async with aclosing(self._results(job, packed, names, missing)) as pieces:
                    async for piece in pieces:
                        yield piece
        if missing:
            text = "".join(f"{line}\r\n" for line in missing).encode(errors="replace")
            crc = zlib.crc32(text)
            yield packed.begin(_MISSING, size=len(text), crc=crc, written_ms=made_ms)
            yield text
        yield packed.end()

    async def _results(
        self, job: Job, packed: ZipFile, names: ZipNames, missing: list[str]
    ) -> AsyncGenerator[bytes, None]:
        for variant in job.variants:
            told = variant.name if len(job.variants) > 1 else None
            async with self._spool.workdir(new_job_id(), 0) as folder:
                try:
                    result = await self._open(variant, folder / "result")
                except FileNotFoundError:
                    missing.append(f"{job.name}: {variant.name} is gone from the storage")
                    continue
                yield packed.begin(
                    names.name(job.name, told, variant.format),
                    size=variant.bytes,
                    crc=result.crc,
                    written_ms=job.settled_ms or job.created_ms,
                )
                async for piece in result.pieces():
                    yield piece

    async def _open(self, variant: Variant, path: Path) -> "_Result":
        """Have all of a result at hand before a byte of it is sent: it may go at any time."""
        if variant.bytes <= _WHOLE_BYTES:
            whole = b"".join([piece async for piece in self._storage.read(variant.key)])
            _check_length(variant, len(whole))
            return _Result(zlib.crc32(whole), whole, None)
        await self._storage.fetch(variant.key, path)
        crc, length = await asyncio.to_thread(_crc_of, path)
        _check_length(variant, length)
        return _Result(crc, b"", path)


@dataclass(frozen=True, slots=True)
class _Result:
    """A result's CRC and bytes: in memory, or in a file if there are many."""

    crc: int
    whole: bytes
    path: Path | None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Its bytes."""
        if self.path is None:
            yield self.whole
            return
        async with aiofiles.open(self.path, "rb") as file:
            while piece := await file.read(_CHUNK_BYTES):
                yield piece


def _is_partial(request: web.Request) -> bool:
    for name in request.query:
        if name != "partial":
            raise BadRequest(f"There is no parameter '{name[:40]}'; known is partial.")
    partial = request.query.get("partial", "0")
    if partial not in ("0", "1"):
        raise BadRequest(f"partial: expected 0 or 1, got '{partial[:40]}'.")
    return partial == "1"


async def _whole(jobs: Sequence[Job]) -> AsyncIterator[Sequence[Job]]:
    yield jobs


def _headers(request: web.Request, name: str) -> dict[str, str]:
    """A batch's id has only letters, digits and a hyphen: safe as a quoted name (RFC 6266)."""
    return {
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="{name}.zip"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": request[REQUEST_ID],
    }


def _why_missing(request: web.Request, job: Job) -> str:
    """Why there is no result of a job to send; "" when there is."""
    caller = request.get(CALLER)
    if job.private and caller is not None and not caller.owns(job.client):
        return "private"
    if job.status is JobState.COMPLETED:
        return ""
    return f"{job.status}, {job.error_code}" if job.error_code else str(job.status)


def _check_length(variant: Variant, length: int) -> None:
    if length != variant.bytes:
        raise StorageFailed(f"{variant.key} has {length} bytes, {variant.bytes} were stored")


def _crc_of(path: Path) -> tuple[int, int]:
    crc = length = 0
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            crc, length = zlib.crc32(piece, crc), length + len(piece)
    return crc, length
