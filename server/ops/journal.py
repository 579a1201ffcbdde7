"""Carries the journal into the records: what the scripts wrote down of ended jobs becomes SQL.

An entry leaves the journal when its row is committed and not before, so a death anywhere repeats
a write and loses none; the rows' revisions make a repeated write change nothing. While the
database is away the journal waits, and new jobs are refused before it grows past its bound.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from server.config.recording import RecordSettings
from server.counting import Counts
from server.jobs import names
from server.jobs.trail.notebook import Notebook
from server.jobs.trail.way import now_ms
from server.records.record import EntryUnreadable, Row, row_of
from server.records.store import Records, RecordsAway, RecordsDamaged, RecordsRefused
from server.refusals import RecordsBehind

log = structlog.get_logger(__name__)

Entry = tuple[str, dict[str, str]]

_LONGEST_BLOCK_S = 1.0  # that a read waits in Redis; shorter than a command may take
_LOOK_S = 1.0  # between two looks at the journal's length
_LOOK_BACK_S = 10.0
_CLAIM_IDLE_MS = 60_000  # longer than any write takes; a double would do no harm
_LONGEST_PAUSE_S = 5.0
_FORGET_EVERY_S = 600.0
_FORGET_AT_ONCE = 500  # so that a reader or the writer never waits long for it
_DAY_MS = 24 * 3600 * 1000


class Journal:
    """One node's reader of the journal; any number of nodes share the work."""

    def __init__(
        self,
        redis: Redis,
        records: Records,
        settings: RecordSettings,
        *,
        node: str,
        timeout_s: float,
        notebook: Notebook | None = None,
    ) -> None:
        self._redis = redis
        self._records = records
        self._settings = settings
        self._node = node
        self._notebook = notebook or Notebook()
        self._block_ms = int(min(_LONGEST_BLOCK_S, timeout_s / 2) * 1000)
        self._hurry = asyncio.Event()
        self.length = 0
        """Entries that wait, as of a second ago."""
        self.is_written = True
        """Whether the last attempt to write them down succeeded."""
        self.is_damaged = False
        """Whether it failed since the file is damaged, which waiting does not mend."""
        self.records = Counts("outcome", known=("written", "refused"))
        """What became of entries that this node read; refused: the database will never take it."""

    @property
    def limit(self) -> int:
        """How many entries may wait before new jobs are refused."""
        return self._settings.max_journal

    @property
    def is_behind(self) -> bool:
        """Whether so much waits that no new jobs are taken."""
        return self.length >= self._settings.max_journal

    def refuse_if_behind(self) -> None:
        """Say RecordsBehind rather than take a job whose end could not be written down."""
        if self.is_behind:
            raise RecordsBehind(
                f"The ends of {self.length} jobs wait to be written down, and at most"
                f" {self._settings.max_journal} may; the history's database does not answer.",
                limit=self._settings.max_journal,
                actual=self.length,
                retry_after_s=30,
            )

    async def run(self) -> None:
        """Write down and forget for as long as the process lives. Raises RecordsUnfit."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_length())
            group.create_task(self._write_for_ever())
            group.create_task(self._forget_for_ever())

    async def catch_up(self, *, within_s: float) -> None:
        """Wait until what has ended by now is written down; no longer than `within_s`."""
        if not self.is_written:
            return
        try:
            async with asyncio.timeout(within_s):
                newest: Any = await self._redis.xrevrange(names.JOURNAL, count=1)
                self._hurry.set()
                while newest and await self._is_there(newest[0][0]):  # noqa: ASYNC110 (as told)
                    await asyncio.sleep(0.02)  # Redis tells nobody that an entry has gone
        except TimeoutError:
            return
        except (RedisError, OSError) as error:
            log.debug("cannot wait for the journal", error=str(error))

    async def _is_there(self, newest_id: str) -> bool:
        """Whether an entry up to this one still waits."""
        return bool(await self._redis.xrange(names.JOURNAL, "-", newest_id, count=1))

    async def _write_for_ever(self) -> None:
        pause_s = 0.1
        while True:
            try:
                if await self._records.prepare():
                    self.is_written, self.is_damaged = True, False
                await self._make_group()
                await self._write_until_it_fails()
            except RecordsAway as error:
                self.is_written, self.is_damaged = False, isinstance(error, RecordsDamaged)
                log.warning("cannot write records", error=str(error), waiting=self.length)
            except (RedisError, OSError) as error:
                log.warning("cannot read the journal", error=str(error))
            pause_s = 0.1 if self.is_written else min(_LONGEST_PAUSE_S, pause_s * 2)
            await asyncio.sleep(pause_s)

    async def _make_group(self) -> None:
        """From the very first entry on; a Redis that lost its data while we ran has it no more."""
        try:
            await self._redis.xgroup_create(
                names.JOURNAL, names.RECORDS_GROUP, id="0", mkstream=True
            )
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def _write_until_it_fails(self) -> None:
        looked_at = -_LOOK_BACK_S
        while True:
            if time.monotonic() - looked_at >= _LOOK_BACK_S:
                looked_at = time.monotonic()
                await self._look_back()
            entries = await self._read(">", block_ms=self._block_ms)
            if entries:
                await self._write(entries)
            if entries and len(entries) < self._settings.batch:
                await self._linger()

    async def _look_back(self) -> None:
        """What was read and never written: by an earlier life of this node, by this one when the
        answer was lost on its way, or by a node that has died since."""
        while entries := await self._read("0"):
            await self._write(entries)
        await self._take_over()

    async def _read(self, start: str, *, block_ms: int | None = None) -> list[Entry]:
        answer: Any = await self._redis.xreadgroup(
            names.RECORDS_GROUP,
            self._node,
            {names.JOURNAL: start},
            count=self._settings.batch,
            block=block_ms,
        )
        if not answer:
            return []
        [stream] = answer.values() if isinstance(answer, dict) else [one[1] for one in answer]
        # A client that speaks RESP3 gets one list more around the entries.
        entries = stream[0] if stream and isinstance(stream[0], list) else stream
        return [(str(entry_id), fields or {}) for entry_id, fields in entries]

    async def _take_over(self) -> None:
        start = "0-0"
        while True:
            answer: Any = await self._redis.xautoclaim(
                names.JOURNAL,
                names.RECORDS_GROUP,
                self._node,
                _CLAIM_IDLE_MS,
                start_id=start,
                count=self._settings.batch,
            )
            start, entries = str(answer[0]), [(str(one), fields or {}) for one, fields in answer[1]]
            if entries:
                log.info("took over entries of the journal", entries=len(entries))
                await self._write(entries)
            if start == "0-0":
                return

    async def _write(self, entries: Sequence[Entry]) -> None:
        """Rows first, for good; then the entries go. Raises RecordsAway."""
        rows = [row for entry_id, fields in entries if (row := _readable(entry_id, fields))]
        if rows:
            await self._write_rows(rows)
            self.records.add("written", amount=len(rows))
            self._note(rows)
        self.is_written, self.is_damaged = True, False
        ids = [entry_id for entry_id, _ in entries]
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xack(names.JOURNAL, names.RECORDS_GROUP, *ids)
            pipeline.xdel(names.JOURNAL, *ids)
            await pipeline.execute()

    def _note(self, rows: list[Row]) -> None:
        for row in rows:
            notes = self._notebook.on(row["id"])
            notes.recorded_ms, notes.row = now_ms(), row

    async def _write_rows(self, rows: list[Row]) -> None:
        try:
            await self._records.write(rows)
        except RecordsRefused:
            for row in rows:  # find the one that the database will never take
                await self._write_row(row)

    async def _write_row(self, row: Row) -> None:
        try:
            await self._records.write([row])
        except RecordsRefused as error:
            # Kept back, it would hold up all others for ever; the log has the whole of it.
            self.records.add("refused")
            log.error("a record is refused by the database", error=str(error), record=row)

    async def _linger(self) -> None:
        """Let more come together; somebody who asks for the newest records ends it."""
        self._hurry.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.flush_s):
                await self._hurry.wait()

    async def _watch_length(self) -> None:
        while True:
            try:
                self.length = int(await self._redis.xlen(names.JOURNAL))
            except (RedisError, OSError) as error:
                log.debug("cannot look at the journal", error=str(error))  # the next look will
            await asyncio.sleep(_LOOK_S)

    async def _forget_for_ever(self) -> None:
        if not self._settings.keep_days:
            return
        while True:
            try:
                await self._forget_old()
            except RecordsAway as error:
                log.warning("cannot forget old records", error=str(error))
            await asyncio.sleep(_FORGET_EVERY_S)

    async def _forget_old(self) -> None:
        oldest_ms = int(time.time() * 1000) - self._settings.keep_days * _DAY_MS
        removed = 0
        while gone := await self._records.remove_older(oldest_ms, most=_FORGET_AT_ONCE):
            removed += gone
            await asyncio.sleep(0.05)  # whoever writes goes first
        if removed:
            log.info("forgot old records", records=removed)


def _readable(entry_id: str, fields: dict[str, str]) -> Row | None:
    if not fields:
        return None  # another node has written and deleted it while it was pending here
    try:
        return row_of(fields)
    except EntryUnreadable as error:
        log.error(
            "an entry of the journal is unreadable", entry=entry_id, error=str(error), was=fields
        )
        return None
