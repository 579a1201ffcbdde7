"""The records as the rest of the service sees them: write what has ended, ask, forget what is old.

Whatever the database does wrong comes out as RecordsAway (ask again; RecordsDamaged: not before
somebody has put the file aside) or RecordsRefused (never).
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import delete, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.records import schema
from server.records.database import is_damage
from server.records.filters import Filter, Place, page_query
from server.records.record import Row, newest
from server.records.table import ENDED, TRIED_AGAIN, jobs
from server.records.upsert import Upsert

log = structlog.get_logger(__name__)


class RecordsAway(Exception):
    """The database does not answer, or not now; nothing was changed."""


class RecordsDamaged(RecordsAway):
    """The file is no SQLite database, or contradicts itself."""


class RecordsSlow(RecordsAway):
    """The question would have taken longer than it may."""


class RecordsRefused(Exception):
    """The database will never take one of these rows; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, the newest first, and where the next page begins; None: there is none."""

    rows: list[Row]
    next_place: Place | None


class Records:
    """The table of ended jobs."""

    def __init__(self, engine: AsyncEngine, *, query_timeout_s: float) -> None:
        self._engine = engine
        self._query_timeout_s = query_timeout_s
        self._upsert = Upsert(engine.dialect)

    @property
    def engine(self) -> str:
        """The database and its version; without one before it was first reached."""
        found = getattr(self._engine.dialect, "server_version_info", None) or ()
        return f"{self._engine.dialect.name} {'.'.join(map(str, found))}".strip()

    async def prepare(self) -> bool:
        """Make or change the tables; whether there was need to, so that it can be written.

        Raises RecordsUnfit, or RecordsAway.
        """
        async with self._changing():
            return await schema.migrate(self._engine)

    async def close(self) -> None:
        """Let the connections go."""
        await self._engine.dispose()

    async def write(self, rows: Sequence[Row]) -> None:
        """All of them or none, for good. What is older than what is known changes nothing.

        Raises RecordsAway or RecordsRefused.
        """
        async with self._changing(), self._engine.begin() as connection:
            values = [self._upsert.values(row) for row in newest(list(rows))]
            await connection.exec_driver_sql(self._upsert.sql, values)

    async def page(self, wanted: Filter, *, after: Place | None, most: int) -> Page:
        """The newest `most` records that fit and come after a place. Raises RecordsAway."""
        query = page_query(wanted, after, most + 1)
        async with self._asking() as connection:
            found = [dict(row) for row in (await connection.execute(query)).mappings()]
        if len(found) <= most:
            return Page(found, None)
        rows = found[:most]
        return Page(rows, Place(rows[-1]["created"], rows[-1]["id"]))

    async def pages(self, wanted: Filter, *, most: int) -> AsyncIterator[list[Row]]:
        """All records that fit, page by page: no query outlives its page, whoever reads slowly."""
        after: Place | None = None
        while True:
            page = await self.page(wanted, after=after, most=most)
            yield page.rows
            after = page.next_place
            if after is None:
                return

    async def remove_older(self, than_ms: int, *, most: int) -> int:
        """Forget the records of jobs that were sent before a moment, `most` at once.

        Returns how many there were. Raises RecordsAway.
        """
        removed = 0
        for status in (*ENDED, TRIED_AGAIN):
            old = select(jobs.c.id).where(jobs.c.status == status, jobs.c.created < than_ms)
            chosen = old.order_by(jobs.c.created, jobs.c.id).limit(most - removed)
            with _translated():
                async with self._engine.begin() as connection:
                    done = await connection.execute(delete(jobs).where(jobs.c.id.in_(chosen)))
                    removed += done.rowcount
            if removed >= most:
                break
        return removed

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[None]:
        """A damaged file is opened anew next time: somebody may have put it aside by then."""
        try:
            with _translated():
                yield
        except RecordsDamaged:
            await self._engine.dispose()
            raise

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[AsyncConnection]:
        with _translated():
            async with self._engine.connect() as connection:
                deadline = _DEADLINES[connection.dialect.name]
                async with deadline(connection, self._query_timeout_s):
                    yield connection


@asynccontextmanager
async def _cancelled_after(_connection: AsyncConnection, timeout_s: float) -> AsyncIterator[None]:
    """asyncpg tells PostgreSQL when its task is cancelled."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise _slow(timeout_s) from error


@asynccontextmanager
async def _interrupted_after(connection: AsyncConnection, timeout_s: float) -> AsyncIterator[None]:
    """SQLite works in a thread that hears of no cancellation, and closing would wait for it."""
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection  # aiosqlite's

    async def interrupt() -> None:
        await asyncio.sleep(timeout_s)
        await driver.interrupt()

    deadline = asyncio.create_task(interrupt())
    try:
        yield
    except DBAPIError as error:
        if deadline.done():
            raise _slow(timeout_s) from error
        raise
    finally:
        deadline.cancel()
        await asyncio.gather(deadline, return_exceptions=True)


_DEADLINES = {"sqlite": _interrupted_after, "postgresql": _cancelled_after}


def _slow(timeout_s: float) -> RecordsSlow:
    return RecordsSlow(f"no answer within {timeout_s:g} s")


@contextmanager
def _translated() -> Iterator[None]:
    """Turns the exceptions of library and drivers into the two that matter here."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise RecordsRefused(_first_line(error)) from error
    except (SQLAlchemyError, OSError) as error:
        kind = RecordsDamaged if is_damage(_told(error)) else RecordsAway
        raise kind(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    told = _told(error)
    return f"{type(told).__name__}: {told}".splitlines()[0][:300]


def _told(error: BaseException) -> BaseException | None:
    """What the driver has raised."""
    return error.orig if isinstance(error, DBAPIError) else error
