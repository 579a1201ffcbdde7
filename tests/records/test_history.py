"""GET /jobs and its exports over real HTTP."""

import asyncio
import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import ClientSession, FormData
from multidict import CIMultiDict

from server.edge.history.asked import asked_of
from server.edge.history.recorded import csv_lines
from server.records.database import open_database
from server.records.store import Records
from server.refusals import BadRequest, ScopeMissing
from tests.conftest import StartServer
from tests.edge.forms import end_of, status_of, upload
from tests.edge.pictures import jpeg, png
from tests.edge.problem import problem
from tests.patience import PATIENCE_S
from tests.records.journaled import until
from tests.records.rows import many, row
from tests.server_process import PROJECT

MIB = 1024 * 1024


async def jobs(client: ClientSession, **query: str) -> dict[str, Any]:
    """The answer to GET /jobs."""
    async with client.get("/jobs", params=query) as response:
        answer: dict[str, Any] = await response.json()
    assert response.status == 200, answer
    return answer


async def batch_of(client: ClientSession, *pictures: bytes) -> str:
    """Pictures that were sent together, developed."""
    batch_id: str = (await upload(client, *pictures))["jobId"]
    assert (await end_of(client, batch_id))["status"] == "completed"
    return batch_id


async def test_a_job_that_has_just_ended_is_told_with_all_that_is_known(
    client: ClientSession,
) -> None:
    batch_id = await batch_of(client, jpeg(61, 47), png(9, 9))
    found = await jobs(client, batch=batch_id)
    [picture] = (await jobs(client, batch=batch_id, format="jpeg"))["jobs"]

    assert [len(found["jobs"]), found["nextCursor"]] == [2, None]
    status = await status_of(client, picture["jobId"])
    same = (
        "jobId",
        "batchId",
        "name",
        "status",
        "createdAt",
        "startedAt",
        "finishedAt",
        "original",
    )
    assert {name: picture[name] for name in same} == {name: status[name] for name in same}
    assert picture["variants"][0]["url"] == status["variants"][0]["url"]
    assert picture["bytesOut"] == status["variants"][0]["bytes"]
    assert (picture["source"], picture["expiredAt"], picture["error"]) == ("upload", None, None)
    assert picture["takenMs"] > 0 and picture["timingsMs"]


async def test_pages_follow_by_cursor(client: ClientSession) -> None:
    batch_id = await batch_of(client, *(jpeg(30 + one, 20) for one in range(5)))
    seen: list[str] = []
    query = {"batch": batch_id, "limit": "2"}
    for expected in (2, 2, 1):
        page = await jobs(client, **query)
        assert len(page["jobs"]) == expected
        seen += [job["jobId"] for job in page["jobs"]]
        query["cursor"] = page["nextCursor"] or ""

    assert len(set(seen)) == 5
    assert query["cursor"] == ""


async def test_a_job_that_is_removed_is_told_as_expired(client: ClientSession) -> None:
    batch_id = await batch_of(client, jpeg(33, 21), jpeg(34, 21))
    [first, _] = (await jobs(client, batch=batch_id))["jobs"]
    async with client.delete(f"/image/{first['jobId']}") as response:
        assert response.status in (200, 202, 204)

    by_id = {job["jobId"]: job for job in (await jobs(client, batch=batch_id))["jobs"]}
    removed = by_id[first["jobId"]]
    assert (removed["status"], removed["url"]) == ("completed", None)
    assert removed["expiredAt"] >= removed["finishedAt"]
    assert removed["variants"][0]["bytes"] == first["variants"][0]["bytes"]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("stauts=failed", "'stauts' is not known here"),
        ("status=queued", "status: expected completed, failed, cancelled, got 'queued'"),
        ("status=", "got ''"),
        ("limit=0", "limit: expected 1 to 500, got '0'"),
        ("limit=501", "limit: expected 1 to 500"),
        ("limit=ten", "limit: expected 1 to 500"),
        ("limit=-1", "limit: expected 1 to 500"),
        ("limit=1&limit=2", "limit: expected one value, got 2"),
        ("cursor=abc", "cursor: expected the nextCursor of an earlier answer"),
        ("cursor=", "cursor: expected the nextCursor"),
        ("cached=yes", "cached: expected true or false, got 'yes'"),
        ("from=yesterday", "from: expected a moment such as 2026-"),
        ("to=2026-13-01", "to: expected a moment"),
        ("name=", "name: expected 1 to 300 characters"),
        (f"name={'x' * 301}", "name: expected 1 to 300 characters"),
        ("client=a%00b", "client: expected 1 to 300 characters"),
    ],
)
async def test_a_wrong_question_is_refused_by_name(
    client: ClientSession, query: str, told: str
) -> None:
    async with client.get(f"/jobs?{query}") as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (400, "bad_request")
    assert told in found["detail"]


async def test_an_export_has_a_line_for_each_job_and_no_formulas(client: ClientSession) -> None:
    names = ["=1+1.jpg", "@home.jpg", "one, two.jpg"]
    data = FormData(quote_fields=False)
    for one, name in enumerate(names):
        data.add_field("file", jpeg(40, 30 + one), filename=name)
    async with client.post("/upload", data=data) as response:
        batch_id = (await response.json())["jobId"]
    await end_of(client, batch_id)
    async with client.get("/jobs.csv", params={"batch": batch_id}) as response:
        text = (await response.read()).decode()
        assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert response.headers["Content-Disposition"] == 'attachment; filename="jobs.csv"'
    async with client.get(
        "/jobs", params={"batch": batch_id}, headers={"Accept": "text/csv"}
    ) as response:
        assert (await response.read()).decode() == text
    async with client.get("/jobs.ndjson", params={"batch": batch_id}) as response:
        assert response.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
        objects = [json.loads(line) for line in (await response.read()).splitlines()]

    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert text.count("\r\n") == 4
    assert {one["name"] for one in lines} == {"'=1+1.jpg", "'@home.jpg", "one, two.jpg"}
    assert {one["name"] for one in objects} == set(names)
    assert {one["jobId"] for one in lines} == {one["jobId"] for one in objects}


@pytest.mark.parametrize("query", ["limit=5", "cursor=x"])
async def test_an_export_has_no_pages(client: ClientSession, query: str) -> None:
    async with client.get(f"/jobs.csv?{query}") as response:
        assert (await problem(response))["status"] == 400


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d"])
def test_no_cell_of_text_is_a_formula(start: str) -> None:
    written = row("one", name=f"{start}cmd", client=f"{start}x", error_detail=f"{start}x")
    [cells] = csv.reader(io.StringIO(csv_lines([written]).decode(), newline=""))

    assert not any(cell.startswith(start) for cell in cells if cell)


def test_whoever_is_no_admin_is_told_of_own_jobs_only() -> None:
    def asked(query: dict[str, str]) -> str | None:
        return asked_of(CIMultiDict(query), is_page=True, only_client="shop").wanted.client

    assert (asked({}), asked({"client": "shop"})) == ("shop", "shop")
    with pytest.raises(ScopeMissing):
        asked({"client": "another"})
    with pytest.raises(BadRequest):
        asked({"name": "\ud800"})


async def test_an_export_of_many_is_whole_and_costs_the_server_no_memory(
    start_server: StartServer, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    records = Records(open_database("", data_dir), query_timeout_s=10)
    await records.prepare()
    usual = row("x", batch="batch-x")
    await records.write(
        [usual | {"id": f"{one:024}", "created": 1_700_000_000_000 + one} for one in range(32_000)]
    )
    await records.close()
    server = start_server(data_dir=data_dir, SAFELIGHT_RECORDS__KEEP_DAYS="0")
    process = psutil.Process(server.pid)
    async with ClientSession(server.url) as client, client.get("/jobs.ndjson") as response:
        rss = []
        lines = 0
        async for _ in response.content:
            lines += 1
            if lines % 1000 == 0:
                rss.append(process.memory_info().rss)

    assert lines == 32_000  # 32 MiB, of which the second half costs nothing more
    assert rss[-1] - rss[len(rss) // 2] < 4 * MIB


async def test_what_is_older_than_it_is_kept_is_forgotten(
    start_server: StartServer, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    records = Records(open_database("", data_dir), query_timeout_s=10)
    await records.prepare()
    await records.write([*many(1200), row("young", created="4000000000000")])
    await records.close()
    server = start_server(data_dir=data_dir, SAFELIGHT_RECORDS__KEEP_DAYS="30")
    async with ClientSession(server.url) as client:

        async def is_forgotten() -> bool:
            return [one["jobId"] for one in (await jobs(client))["jobs"]] == ["young"]

        await until(is_forgotten)


async def test_without_records_only_failed_jobs_that_redis_knows_are_told(
    start_server: StartServer,
) -> None:
    server = start_server(SAFELIGHT_RECORDS__ENABLED="false")
    async with ClientSession(server.url) as client:
        await upload(client, jpeg(20, 20))
        assert await jobs(client, status="failed") == {"jobs": [], "nextCursor": None}
        for path in ("/jobs", "/jobs.csv", "/jobs.ndjson?status=failed"):
            async with client.get(path) as response:
                assert (await problem(response))["code"] == "records_off"
        async with client.get("/health") as response:
            assert (await response.json())["records"] is None

    assert not (server.data_dir / "records.sqlite3").exists()


async def test_a_server_refuses_tables_of_a_newer_one_with_one_line(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    with sqlite3.connect(data_dir / "records.sqlite3") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()
    command = [sys.executable, "-m", "server", "serve", "--port", "0", "--data-dir", str(data_dir)]
    ended = await asyncio.to_thread(
        subprocess.run, command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE_S
    )

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(
        "safelight: records: a newer Safelight has changed the database to version 9999"
    )


async def test_the_command_line_lists_and_exports(client: ClientSession, live_server: str) -> None:
    batch_id = await batch_of(client, jpeg(52, 33), jpeg(53, 33))
    environment = {**os.environ, "COLUMNS": "250"}

    async def safelight(*arguments: str) -> str:
        command = [sys.executable, "-m", "server", "jobs", *arguments, "--url", live_server]
        ended = await asyncio.to_thread(
            subprocess.run,
            *(command,),
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    listed = await safelight("list", "--batch", batch_id, "--limit", "1")
    exported = await safelight("export", "--batch", batch_id, "--format", "csv")

    assert listed.count("completed") == 1
    assert "more" in listed
    assert len(exported.splitlines()) == 3
