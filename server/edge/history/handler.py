"""GET /jobs: the jobs that have ended, by page; /jobs.csv and /jobs.ndjson: all of them, streamed.

Jobs that have not ended live in Redis and are told by /status, /events and /ws.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

import orjson
import structlog
from aiohttp import web

from server.edge.access.client import CALLER
from server.edge.history.asked import MOST, Asked, asked_of
from server.edge.history.recorded import csv_head, csv_lines, ndjson_lines, record_picture
from server.edge.reply import reply
from server.jobs.job import JobState
from server.jobs.picture import job_details
from server.jobs.queue import JobQueue
from server.ops.journal import Journal
from server.records.record import Row
from server.records.store import Records, RecordsAway, RecordsSlow
from server.refusals import RecordsOff, RecordsSilent

log = structlog.get_logger(__name__)

_FRESH = {"Cache-Control": "no-store"}
_FRESH_WITHIN_S = 5.0  # what ended just before the question is waited for so long
_SEND_S = 60.0  # a reader of an export who takes nothing for so long is let go
_FAILED_MOST = 100  # where there are no records: the failed jobs that Redis still knows

Lines = Callable[[Sequence[Row]], bytes]


class HistoryHandler:
    """Answers from the records; without them only what Redis knows of failed jobs."""

    def __init__(self, queue: JobQueue, records: Records | None, journal: Journal | None) -> None:
        self._queue = queue
        self._records = records
        self._journal = journal

    async def get_jobs(self, request: web.Request) -> web.StreamResponse:
        """One page, the newest first; or all as CSV for those who accept nothing else."""
        if self._records is None:
            return await self._only_failed(request)
        if request.headers.get("Accept", "").partition(";")[0].strip() == "text/csv":
            return await self.get_csv(request)
        asked = self._asked(request, is_page=True)
        await self._await_newest(asked)
        with _silence_told():
            page = await self._records.page(asked.wanted, after=asked.after, most=asked.most)
        return reply(
            {
                "jobs": [record_picture(row) for row in page.rows],
                "nextCursor": None if page.next_place is None else page.next_place.cursor(),
            },
            headers=_FRESH,
        )

    async def get_csv(self, request: web.Request) -> web.StreamResponse:
        """All that fit as RFC 4180, a line a job."""
        return await self._stream(request, "text/csv", "jobs.csv", csv_lines, csv_head())

    async def get_ndjson(self, request: web.Request) -> web.StreamResponse:
        """All that fit, a JSON object a line."""
        return await self._stream(request, "application/x-ndjson", "jobs.ndjson", ndjson_lines)

    def _asked(self, request: web.Request, *, is_page: bool) -> Asked:
        caller = request.get(CALLER)
        own = None if caller is None or caller.is_admin else caller.name
        return asked_of(request.query, is_page=is_page, only_client=own)

    async def _stream(
        self, request: web.Request, kind: str, name: str, lines: Lines, head: bytes = b""
    ) -> web.StreamResponse:
        if self._records is None:
            raise _off()
        asked = self._asked(request, is_page=False)
        await self._await_newest(asked)
        pages = self._records.pages(asked.wanted, most=MOST)
        with _silence_told():
            first = await anext(pages)  # while an error can still be answered
        response = web.StreamResponse(
            headers={
                **_FRESH,
                "Content-Type": f"{kind}; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{name}"',
            }
        )
        await response.prepare(request)
        if request.method != "HEAD":
            await _send(response, head + lines(first))
            await _send_pages(response, pages, lines)
        await response.write_eof()
        return response

    async def _await_newest(self, asked: Asked) -> None:
        """A client that saw its job end finds it here; only a first page holds the newest."""
        if self._journal is not None and asked.after is None:
            await self._journal.catch_up(within_s=_FRESH_WITHIN_S)

    async def _only_failed(self, request: web.Request) -> web.Response:
        if request.query.get("status") != JobState.FAILED:
            raise _off()
        found = await self._queue.failed(_FAILED_MOST)
        caller = request[CALLER]
        jobs = [
            job_details(job, orjson.loads(job.recipe))
            for job in found
            if caller.may_see(job.client)
        ]
        return reply({"jobs": jobs, "nextCursor": None}, headers=_FRESH)


async def _send_pages(
    response: web.StreamResponse, pages: AsyncIterator[list[Row]], lines: Lines
) -> None:
    async for rows in pages:
        if rows:
            await _send(response, lines(rows))


async def _send(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(_SEND_S):
        await response.write(data)


@contextmanager
def _silence_told() -> Iterator[None]:
    try:
        yield
    except RecordsSlow as error:
        raise RecordsSilent(
            f"There was {error}; ask for less: a shorter time, fewer filters together."
        ) from error
    except RecordsAway as error:
        log.warning("cannot read records", error=str(error))
        raise RecordsSilent(
            "The database of the history does not answer; jobs go on.", retry_after_s=5
        ) from error


def _off() -> RecordsOff:
    return RecordsOff(
        "records.enabled is false: only GET /jobs?status=failed is answered,"
        " from what is still in the queue."
    )
