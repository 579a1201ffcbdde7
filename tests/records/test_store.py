"""The table of records over SQLite and PostgreSQL alike: what is written is found, once."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from server.records.database import RecordsUnfit, open_database
from server.records.filters import Filter, Place
from server.records.record import EntryUnreadable, Row, row_of
from server.records.store import Records, RecordsAway, RecordsRefused, RecordsSlow
from tests.records.rows import OUTPUT, entry, many, row


async def ids(records: Records, wanted: Filter | None = None, *, most: int = 500) -> list[str]:
    """Of all that fit, in their order, read in pages."""
    return [
        row["id"] async for page in records.pages(wanted or Filter(), most=most) for row in page
    ]


async def test_a_record_is_read_as_it_was_written(records: Records) -> None:
    written = row(
        "one", batch="batch-b", private="1", dead="7-0", error_code="corrupt_image", losses="2"
    )
    await records.write([written])

    page = await records.page(Filter(), after=None, most=10)
    assert page.rows == [written]
    assert (written["waited_ms"], written["taken_ms"], written["bytes_out"]) == (250, 650, 1234)
    assert (written["private"], written["cached"], written["quarantined"]) == (True, False, True)
    assert written["recipe"] == {"format": "webp"}
    assert written["outputs"][0]["key"] == OUTPUT["key"]


async def test_the_same_written_twice_is_there_once(records: Records) -> None:
    rows = many(20)
    await records.write(rows)
    await records.write([*rows, *rows])

    assert len(await ids(records)) == 20


async def test_a_late_double_does_not_bring_back_what_was(records: Records) -> None:
    failed = row("one", 5, status="failed", error_code="worker_crashed")
    again = row("one", 6, status="queued")
    completed = row("one", 9, status="completed")

    await records.write([completed, failed])
    await records.write([again])
    await records.write([failed])

    page = await records.page(Filter(), after=None, most=10)
    assert [(one["status"], one["error_code"]) for one in page.rows] == [("completed", None)]


async def test_a_failed_job_that_is_tried_again_is_not_told_until_it_ends(
    records: Records,
) -> None:
    await records.write([row("one", 5, status="failed")])
    await records.write([row("one", 6, status="queued")])
    between = await ids(records)
    await records.write([row("one", 9, status="failed")])

    assert (between, await ids(records)) == ([], ["one"])


async def test_an_expired_job_is_told_as_it_ended(records: Records) -> None:
    await records.write([row("one", 5)])
    await records.write([row("one", 6, expired="5000")])

    page = await records.page(Filter(statuses=("completed",)), after=None, most=10)
    assert [(one["expired"], one["bytes_out"]) for one in page.rows] == [(5000, 1234)]


async def test_nodes_that_write_the_same_rows_at_once_do_not_lock_each_other_out(
    records: Records,
) -> None:
    rows = many(200)
    shuffled = [random.Random(seed).sample(rows, len(rows)) for seed in range(6)]
    await asyncio.gather(*(records.write(one) for one in shuffled))

    assert len(await ids(records)) == 200


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(statuses=("failed",)), ["d"]),
        (Filter(statuses=("cancelled", "failed")), ["e", "d"]),
        (Filter(batch="batch-1"), ["c", "b"]),
        (Filter(client="shop"), ["e", "a"]),
        (Filter(client="shop", statuses=("completed",)), ["a"]),
        (Filter(original_format="png"), ["b"]),
        (Filter(name="x'; DROP TABLE jobs; --"), ["c"]),
        (Filter(error_code="corrupt_image"), ["d"]),
        (Filter(is_cached=True), ["b"]),
        (Filter(is_cached=False), ["e", "d", "c", "a"]),
        (Filter(is_quarantined=True), ["d"]),
        (Filter(from_ms=20, to_ms=40), ["c", "b"]),
        (Filter(batch="batch-1", from_ms=30), ["c"]),
        (Filter(client="nobody"), []),
    ],
)
async def test_a_filter_finds_what_fits_newest_first(
    records: Records, wanted: Filter, found: list[str]
) -> None:
    await records.write(
        [
            row("a", created="10", client="shop"),
            row("b", created="20", batch="batch-1", original_format="png", cached="1"),
            row("c", created="30", batch="batch-1", name="x'; DROP TABLE jobs; --"),
            row("d", created="40", status="failed", error_code="corrupt_image", dead="1-1"),
            row("e", created="50", status="cancelled", client="shop"),
        ]
    )

    assert await ids(records, wanted) == found


@pytest.mark.parametrize("most", [1, 7, 40, 100])
async def test_pages_follow_one_another_without_gap_or_double(records: Records, most: int) -> None:
    """Many records of one millisecond among them: the id decides."""
    rows = [row(f"job-{one:03}", created=str(one // 10)) for one in range(100)]
    for one, status in zip(rows, ["completed", "failed", "cancelled"] * 40, strict=False):
        one["status"] = status
    await records.write(rows)

    newest_first = sorted(rows, key=lambda one: (one["created"], one["id"]), reverse=True)
    assert await ids(records, most=most) == [one["id"] for one in newest_first]


async def test_what_comes_while_somebody_pages_moves_nothing(records: Records) -> None:
    await records.write(many(10))
    first = await records.page(Filter(), after=None, most=5)
    await records.write([row("newer", created="9000000")])
    second = await records.page(Filter(), after=first.next_place, most=5)

    assert [one["id"] for one in second.rows] == [f"job-{one:03}" for one in range(4, -1, -1)]
    assert second.next_place is None


async def test_old_records_are_forgotten_a_few_at_a_time(records: Records) -> None:
    await records.write([*many(10), row("tried-again", status="queued", created="5")])
    removed = [await records.remove_older(1_000_006, most=3) for _ in range(4)]

    assert removed == [3, 3, 1, 0]
    assert await ids(records) == ["job-009", "job-008", "job-007", "job-006"]


async def test_text_that_a_database_cannot_keep_is_kept_without_it(records: Records) -> None:
    recipe = '{"text":{"text":"a\\u0000b","quoted":"\\\\u0000"}}'
    await records.write([row("one", name="a\x00b 🌅", recipe=recipe)])

    (found,) = (await records.page(Filter(), after=None, most=1)).rows
    assert found["name"] == "a\ufffdb 🌅"
    assert found["recipe"] == {"text": {"text": "a\ufffdb", "quoted": "\\u0000"}}


async def test_a_row_that_the_database_will_never_take_is_told_apart(records: Records) -> None:
    wrong: Row = row("wrong") | {"name": None}
    with pytest.raises(RecordsRefused):
        await records.write([row("right"), wrong])

    assert await ids(records) == []  # all of them or none


async def test_a_question_that_takes_too_long_is_given_up_and_the_next_is_answered(
    records: Records, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await records.write(many(3))
    hurried = Records(engine, query_timeout_s=0.2)
    endless: Any = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
        " WHERE i < 0",
        "postgresql": "SELECT pg_sleep(60)",
    }[engine.dialect.name]
    with pytest.raises(RecordsSlow):
        async with hurried._asking() as connection:
            await connection.exec_driver_sql(endless)

    assert len((await hurried.page(Filter(), after=None, most=5)).rows) == 3


@pytest.mark.parametrize(
    "fields", [{"revision": "x"}, {"recipe": "{"}, {"variants": "[1]"}, {"created": "soon"}]
)
def test_an_unreadable_entry_says_so(fields: dict[str, str]) -> None:
    with pytest.raises(EntryUnreadable):
        row_of(entry("one", **fields))


def test_an_entry_without_an_id_is_unreadable() -> None:
    with pytest.raises(EntryUnreadable):
        row_of({"status": "completed"})


def test_a_cursor_leads_back_to_its_place() -> None:
    place = Place(1_763_800_000_000, "abcdefghijklmnopqrstuvwx")

    assert Place.of_cursor(place.cursor()) == place


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "====", "MToxOmE=", "MToxOmE!", "Mjox", "MToxOg", "é", "A" * 5000, "MToxOmE\n"],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        Place.of_cursor(cursor)


@pytest.mark.parametrize(
    "url", ["mysql://root@localhost/x", "nonsense", "postgresql+psycopg://x/y"]
)
def test_a_database_of_another_kind_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(RecordsUnfit, match="expected postgresql://"):
        open_database(url, tmp_path)


async def test_a_database_that_is_not_there_is_away(tmp_path: Path) -> None:
    engine = open_database(f"postgresql://nobody@/none?host={tmp_path}", tmp_path)
    records = Records(engine, query_timeout_s=5)
    with pytest.raises(RecordsAway):
        await records.write([row("one")])
    with pytest.raises(RecordsAway):
        await records.prepare()
    await records.close()
