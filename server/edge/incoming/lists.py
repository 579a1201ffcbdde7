"""POST /process as application/x-ndjson: a list of any length, read piece by piece."""

import sys

from aiohttp import web

from server.config import Settings
from server.edge.body import Body
from server.edge.incoming.form import Form
from server.edge.incoming.keeping import FIELDS
from server.edge.incoming.outcome import later_at
from server.edge.reply import reply
from server.intake.bulk import Bulk
from server.intake.lines import Lines
from server.intake.ordering import MayUse, Ordering
from server.intake.upload import Intake
from server.jobs.urls import Terms, UrlQueue
from server.refusals import BadRequest

_CHUNK_BYTES = 32 * 1024  # some hundred lines: the loop does nothing else while it reads them
_FIELDS = ("options", "preset", *FIELDS)
_MAX_QUOTED = 40


class ListReader:
    """Makes a batch of a list. Nothing of it is kept but what stands in Redis."""

    def __init__(
        self, ordering: Ordering, urls: UrlQueue, intake: Intake, settings: Settings
    ) -> None:
        self._ordering = ordering
        self._urls = urls
        self._intake = intake
        self._settings = settings

    async def read(self, request: web.Request, terms: Terms, may_use: MayUse) -> web.Response:
        """Answers when all of the list is in; whatever breaks it off stops what it began."""
        if "Idempotency-Key" in request.headers:
            raise BadRequest("Idempotency-Key: not taken with application/x-ndjson.")
        bulk = Bulk(
            self._ordering,
            self._urls,
            self._intake.queue,
            terms,
            may_use=may_use,
            is_client_there=lambda: request.transport is not None,
            max_line_bytes=self._settings.fetch.max_line_bytes,
            takes_options=not self._settings.recipes.presets_only,
        )
        with self._urls.reading(bulk.batch_id):
            try:
                await self._take(request, bulk)
            except BaseException:
                await bulk.abandon()
                raise
            await bulk.close()
        return _answer(bulk)

    async def _take(self, request: web.Request, bulk: Bulk) -> None:
        stall_timeout_s = self._settings.upload.stall_timeout_s
        body = Body(request.content, max_bytes=sys.maxsize, stall_timeout_s=stall_timeout_s)
        lines = Lines(self._settings.fetch.max_line_bytes)
        while chunk := await body.read(_CHUNK_BYTES):
            self._intake.refuse_if_closed()
            await bulk.take(lines.feed(chunk))
        await bulk.take(lines.end())
        if not bulk.accepted:
            raise bulk.first_refusal or BadRequest("Expected at least one line with JSON.")


def read_query(request: web.Request) -> Form:
    """What holds for all lines. Raises BadRequest for a field that is not known."""
    for name in request.query:
        if name not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise BadRequest(f"There is no field '{name[:_MAX_QUOTED]}'; known are {known}.")
    return Form({name: request.query[name] for name in _FIELDS if name in request.query})


def _answer(bulk: Bulk) -> web.Response:
    answer = {
        "status": "processing",
        "jobId": bulk.batch_id,
        "message": f"{bulk.accepted} pictures are queued; watch /status/{bulk.batch_id}.",
        "accepted": bulk.accepted,
        "refused": bulk.refused,
        "refusedCount": bulk.refused_count,
    }
    return reply(answer, status=202, headers=later_at(f"/status/{bulk.batch_id}"))
