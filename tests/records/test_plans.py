"""Every offered filter is read off an index: the databases' own planners say so, no clock does."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from server.records.filters import Filter, Place, page_query

AFTER = Place(1_000_100, "job-100")
FILTERS = {
    "none": (Filter(), "jobs_by_status"),
    "status": (Filter(statuses=("failed",)), "jobs_by_status"),
    "statuses": (Filter(statuses=("failed", "cancelled")), "jobs_by_status"),
    "time": (Filter(from_ms=1_000_010, to_ms=1_000_020), "jobs_by_status"),
    "client": (Filter(client="shop"), "jobs_by_client"),
    "client, status": (Filter(client="shop", statuses=("failed",)), "jobs_by_client"),
    "client, time": (Filter(client="shop", from_ms=1, to_ms=5), "jobs_by_client"),
    "batch": (Filter(batch="batch-7"), "jobs_by_batch"),
    "batch, status": (Filter(batch="batch-7", statuses=("failed",)), "jobs_by_batch"),
    "format": (Filter(original_format="svg"), "jobs_by_format"),
    "format, time": (Filter(original_format="svg", from_ms=1), "jobs_by_format"),
    "name": (Filter(name="a.jpg"), "jobs_by_name"),
    "source": (Filter(source="zip"), "jobs_by_source"),
    "source, time": (Filter(source="zip", from_ms=1), "jobs_by_source"),
    "errorCode": (Filter(error_code="node_lost"), "jobs_by_error"),
    "errorCode, time": (Filter(error_code="node_lost", from_ms=1), "jobs_by_error"),
    "cached": (Filter(is_cached=True), "jobs_cached"),
    "quarantined": (Filter(is_quarantined=True), "jobs_quarantined"),
}


@pytest.mark.parametrize("after", [None, AFTER], ids=["first page", "later page"])
@pytest.mark.parametrize(("wanted", "index"), FILTERS.values(), ids=FILTERS)
async def test_sqlite_reads_a_page_off_an_index_in_its_order(
    sqlite_records: AsyncEngine, wanted: Filter, index: str, after: Place | None
) -> None:
    query = page_query(wanted, after, 101).compile(
        sqlite_records.sync_engine, compile_kwargs={"literal_binds": True}
    )
    async with sqlite_records.connect() as connection:
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")
        steps = [str(row[3]) for row in plan]

    of_table = [step for step in steps if " jobs " in f"{step} "]
    assert len(of_table) == len(wanted.statuses)
    assert all(step.startswith(f"SEARCH jobs USING INDEX {index} ") for step in of_table), steps
    # A branch that had to sort its rows would have to read all of them first.
    branches = "\n".join(steps).split("CO-ROUTINE")[1:]
    assert all("TEMP B-TREE" not in branch.split("SCAN")[0] for branch in branches), steps


@pytest.mark.parametrize("after", [None, AFTER], ids=["first page", "later page"])
@pytest.mark.parametrize("wanted", [one for one, _ in FILTERS.values()], ids=FILTERS)
async def test_postgresql_can_read_a_page_off_an_index_in_its_order(
    postgres_records: AsyncEngine, wanted: Filter, after: Place | None
) -> None:
    """It is told to avoid what it would choose for so few rows."""
    query = page_query(wanted, after, 101).compile(
        postgres_records.sync_engine, compile_kwargs={"literal_binds": True}
    )
    async with postgres_records.connect() as connection:
        for shortcut in ("seqscan", "bitmapscan"):
            await connection.execute(text(f"SET LOCAL enable_{shortcut} = off"))
        plan = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {query}")
        found = plan.scalar()
    nodes = list(_nodes((json.loads(found) if isinstance(found, str) else found)[0]["Plan"]))

    scans = [node for node in nodes if node.get("Relation Name") == "jobs"]
    assert scans
    assert all(node["Node Type"].startswith("Index") for node in scans), nodes
    limits = [node for node in nodes if node["Node Type"] == "Limit"][1:]
    assert all(node["Plans"][0]["Node Type"] != "Sort" for node in limits), nodes


def _nodes(plan: dict[str, object]) -> Iterator[dict[str, object]]:
    yield plan
    children = plan.get("Plans", [])
    assert isinstance(children, list)
    for child in children:
        yield from _nodes(child)
