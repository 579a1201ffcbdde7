"""Millions of records: how fast they are written, and how fast each question is answered."""

import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from rich.progress import Progress
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import CreateIndex, DropIndex

from bench.report import Report, Row
from server.records.database import open_database
from server.records.filters import Filter, Place
from server.records.record import Row as Record
from server.records.record import row_of
from server.records.store import Records
from server.records.table import jobs
from tests.records import postgres

NOW_MS = 1_763_800_000_000
DAYS = 90
CLIENTS = 500
PICTURES_A_BATCH = 100
FORMATS = ("jpeg",) * 80 + ("png",) * 14 + ("webp",) * 5 + ("tiff",)
ERRORS = ("corrupt_image", "not_an_image", "deadline_exceeded", "worker_crashed")
AT_ONCE = 20_000
ROUNDS = 15
PAGE = 100


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    rows: int
    kinds: tuple[str, ...]
    folder: Path | None


def history(options: Options) -> Iterator[Report]:
    """A report for each database; PostgreSQL only where it is installed."""
    for kind in options.kinds:
        with ExitStack() as stack:
            if kind == "sqlite":
                folder = Path(tempfile.mkdtemp(prefix="safelight-history-", dir=options.folder))
                stack.callback(shutil.rmtree, folder)
                yield asyncio.run(_measure("SQLite", "", folder, options.rows))
                continue
            binaries = postgres.programs()
            if binaries is None:
                print("PostgreSQL is not installed: not measured.")
                continue
            server = stack.enter_context(postgres.running(binaries, is_durable=True))
            report = _measure("PostgreSQL", server.url(), server.folder, options.rows)
            yield asyncio.run(report)


async def _measure(title: str, url: str, folder: Path, rows: int) -> Report:
    engine = open_database(url, folder, answer_s=3600)  # indexes of millions take a while
    records = Records(engine, query_timeout_s=600)
    await records.prepare()
    made = _Made(rows)
    async with _without_indexes(engine) as indexing:
        fill_s = await _fill(engine, made)
    write_s = await _write_as_the_journal_does(records, made)
    figures: dict[str, Any] = {
        "rows": rows,
        "filled_a_second": round(rows / fill_s),
        "indexed_s": round(indexing.taken_s, 1),
        "size_mib": await asyncio.to_thread(_size_mib, folder),
        "written_a_second_in_batches": {size: round(rate) for size, rate in write_s.items()},
    }
    answers = {name: await _ask(records, wanted, after) for name, wanted, after in _questions(made)}
    figures["answers_ms"] = answers
    started = time.perf_counter()
    removed = await records.remove_older(NOW_MS, most=500)
    figures["forget_500_ms"] = round((time.perf_counter() - started) * 1000, 1)
    assert removed == 500
    await engine.dispose()
    return _report(title, figures)


class _Made:
    """Records as a shop of many clients would leave them, the same in every run."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._chance = random.Random(1)
        self._step_ms = DAYS * 24 * 3600 * 1000 / rows
        variant = {"name": "default", "key": "results/aa/x/default.webp", "format": "webp"}
        variant |= {"width": 800, "height": 600, "bytes": 64_000}
        self._usual = row_of(
            {
                **{"id": "x", "revision": "5", "status": "completed", "client": "x", "name": "x"},
                **{"original_bytes": "2400000", "width": "4000", "height": "3000", "attempts": "1"},
                **{"digest": "f" * 64, "variants": orjson.dumps([variant]).decode()},
                **{"recipe": '{"format":"webp","quality":80,"resize":{"width":800}}'},
                **{"timings": '{"decoding":41.2,"processing":63.9,"encoding":55.1}'},
                **{"created": "0", "started": "120", "settled": "310"},
            }
        )

    def record(self, number: int) -> Record:
        """Number 0 is the oldest."""
        chance = self._chance
        created = NOW_MS - int((self.rows - number) * self._step_ms)
        luck = chance.random()
        status = "failed" if luck < 0.02 else "cancelled" if luck < 0.03 else "completed"
        is_batch = number // PICTURES_A_BATCH % 3 == 0
        return self._usual | {
            "id": f"{chance.getrandbits(120):030x}",
            "status": status,
            "batch": f"batch-{number // PICTURES_A_BATCH}" if is_batch else None,
            "client": f"client-{int(CLIENTS * chance.random() ** 3)}",
            "name": f"IMG_{number % 10_000:04}.jpg",
            "original_format": FORMATS[chance.randrange(len(FORMATS))],
            "cached": luck > 0.9,
            "error_code": ERRORS[number % 4] if status == "failed" else None,
            "quarantined": status == "failed" and number % 50 == 0,
            "created": created,
            "started": created + 120,
            "settled": created + 310,
        }

    def chunks(self) -> Iterator[list[Record]]:
        """All of them."""
        for start in range(0, self.rows, AT_ONCE):
            yield [self.record(one) for one in range(start, min(start + AT_ONCE, self.rows))]


async def _fill(engine: AsyncEngine, made: _Made) -> float:
    """Plain inserts; the making of the rows does not count."""
    taken_s = 0.0
    with Progress(transient=True) as progress:
        bar = progress.add_task("writing", total=made.rows)
        for chunk in made.chunks():
            started = time.perf_counter()
            async with engine.begin() as connection:
                await connection.execute(insert(jobs), chunk)
            taken_s += time.perf_counter() - started
            progress.advance(bar, len(chunk))
    return taken_s


@dataclass
class _Indexing:
    taken_s: float = 0.0


@asynccontextmanager
async def _without_indexes(engine: AsyncEngine) -> AsyncIterator[_Indexing]:
    """Sorted at the end they are made in a tenth of the time; all but the primary key."""
    is_sqlite = engine.dialect.name == "sqlite"
    statistics: list[dict[str, Any]] = []
    async with engine.begin() as connection:
        if is_sqlite:  # the indexes' statistics would go with them
            found = await connection.execute(text("SELECT tbl, idx, stat FROM sqlite_stat1"))
            statistics = [dict(row) for row in found.mappings()]
        for index in jobs.indexes:
            await connection.execute(DropIndex(index))
    indexing = _Indexing()
    yield indexing
    started = time.perf_counter()
    async with engine.begin() as connection:
        for index in sorted(jobs.indexes, key=lambda one: str(one.name)):
            await connection.execute(CreateIndex(index))
        if is_sqlite:
            put = "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (:tbl, :idx, :stat)"
            await connection.execute(text(put), statistics)
    indexing.taken_s = time.perf_counter() - started
    if not is_sqlite:  # it does that by itself, sooner or later
        async with engine.begin() as connection:
            await connection.execute(text("ANALYZE jobs"))
    await engine.dispose()  # a connection of SQLite reads statistics when it is made


def _size_mib(folder: Path) -> int:
    return round(sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) / 2**20)


async def _write_as_the_journal_does(records: Records, made: _Made) -> dict[int, float]:
    """Rows a second into the full table, each batch for good before the next."""
    rates = {}
    for size in (1, 50, 500):
        batches = [[made.record(made.rows) for _ in range(size)] for _ in range(20)]
        started = time.perf_counter()
        for batch in batches:
            await records.write(batch)
        rates[size] = size * len(batches) / (time.perf_counter() - started)
    return rates


def _questions(made: _Made) -> Iterator[tuple[str, Filter, Place | None]]:
    day_ms = 24 * 3600 * 1000
    middle = NOW_MS - DAYS * day_ms // 2
    deep = Place(NOW_MS - DAYS * day_ms * 9 // 10, "x")
    everything = Filter()
    batch = made.rows // 2 // PICTURES_A_BATCH // 3 * 3
    yield "first page", everything, None
    yield "page 90 % deep", everything, deep
    yield "status=failed", Filter(statuses=("failed",)), None
    yield "status=failed, 90 % deep", Filter(statuses=("failed",)), deep
    yield "batch", Filter(batch=f"batch-{batch}"), None
    yield "one day, 45 days ago", Filter(from_ms=middle, to_ms=middle + day_ms), None
    yield "client with many jobs", Filter(client="client-0"), None
    yield "client with few jobs", Filter(client=f"client-{CLIENTS - 1}"), None
    yield "client, status=failed", Filter(client="client-0", statuses=("failed",)), None
    yield "client, one day", Filter(client="client-9", from_ms=middle, to_ms=middle + day_ms), None
    yield "format=tiff (1 %)", Filter(original_format="tiff"), None
    yield "errorCode", Filter(error_code=ERRORS[3]), None
    yield "name", Filter(name="IMG_0042.jpg"), None
    yield "cached=true", Filter(is_cached=True), None
    yield "quarantined=true", Filter(is_quarantined=True), None
    yield "client without a job", replace(everything, client="nobody"), None
    yield (
        "format, client and cached",
        Filter(original_format="tiff", client="client-300", is_cached=True),
        None,
    )


async def _ask(records: Records, wanted: Filter, after: Place | None) -> dict[str, float]:
    async def page() -> None:
        await records.page(wanted, after=after, most=PAGE)

    first_ms, *others_ms = [await _milliseconds(page) for _ in range(ROUNDS)]
    found = len((await records.page(wanted, after=after, most=PAGE)).rows)
    return {"rows": found, "first": first_ms, "median": round(median(others_ms), 2)}


async def _milliseconds(work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return round((time.perf_counter() - started) * 1000, 2)


def _report(title: str, figures: dict[str, Any]) -> Report:
    rows = [
        Row("rows a second, filled 20,000 at a time", f"{figures['filled_a_second']:,}"),
        Row("making the indexes then, s", str(figures["indexed_s"])),
        Row("size with all indexes, MiB", f"{figures['size_mib']:,}"),
        *(
            Row(f"rows a second into the full table, {size} a commit", f"{rate:,}")
            for size, rate in figures["written_a_second_in_batches"].items()
        ),
        Row("forgetting 500 old rows, ms", str(figures["forget_500_ms"])),
        *(
            Row(
                f"{name}, ms",
                f"{answer['median']} (first {answer['first']}; {answer['rows']} rows)",
            )
            for name, answer in figures["answers_ms"].items()
        ),
    ]
    return Report(f"history, {figures['rows']:,} records, {title}", tuple(rows), figures)
