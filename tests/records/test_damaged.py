"""A history whose SQLite file is garbage: said where an operator looks; nothing is lost by it."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from server.records.database import RECORDS_FILE, open_database
from server.records.store import Records, RecordsDamaged
from tests import server_process
from tests.edge.forms import upload
from tests.edge.pictures import jpeg
from tests.patience import PATIENCE_S
from tests.records.journaled import rows
from tests.records.rows import row

GARBAGE = b"this is no database, " * 1000
PAGE_BYTES = 4096


async def asked(client: ClientSession, path: str) -> tuple[int, dict[str, Any]]:
    async with client.get(path) as response:
        return response.status, await response.json()


async def test_it_is_told_and_mended_while_the_service_goes_on(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / RECORDS_FILE).write_bytes(GARBAGE)
    server = server_process.start(data_dir)
    try:
        async with ClientSession(server.url) as client:
            made = await upload(client, jpeg())
            status, ready = await _until(client, "degraded")
            _, health = await asked(client, "/health")
            silent, _ = await asked(client, "/jobs")
            (data_dir / RECORDS_FILE).rename(tmp_path / "aside")
            await _until(client, "ok")
            _, history = await asked(client, "/jobs")
        told = server.log.read_text()
    finally:
        server.close()

    assert (made["status"], status, silent) == ("completed", 200, 503)
    assert ready["checks"]["journal"] is True
    for said in (ready["degraded"]["journal"], health["degraded"]["journal"]):
        assert f"{RECORDS_FILE} is damaged" in said
        assert f"Move {RECORDS_FILE}* out of server.data_dir" in said
    assert health["parts"]["journal"]["state"] == "degraded"
    assert f"Move {RECORDS_FILE}* out of server.data_dir" in told
    assert [one["jobId"] for one in history["jobs"]] == [made["jobId"]]
    assert (tmp_path / "aside").read_bytes() == GARBAGE


def _write_garbage(path: Path) -> None:
    path.write_bytes(GARBAGE)


def _write_torn(path: Path) -> None:
    """It opens as it should; all but its first page is lost."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0003')")
    whole = path.read_bytes()
    path.write_bytes(whole[:PAGE_BYTES] + b"\xff" * (len(whole) - PAGE_BYTES))


def _put_aside(folder: Path) -> None:
    for file in folder.glob(f"{RECORDS_FILE}*"):
        file.rename(folder / f"aside-{file.name}")


@pytest.mark.parametrize("damage", [_write_garbage, _write_torn])
async def test_once_a_damaged_file_is_put_aside_the_next_attempt_makes_a_new_one(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    damage(tmp_path / RECORDS_FILE)
    records = Records(open_database("", tmp_path), query_timeout_s=5)

    for _ in range(2):
        with pytest.raises(RecordsDamaged):
            await records.prepare()
    _put_aside(tmp_path)

    assert await records.prepare()
    assert not await records.prepare()
    await records.write([row("one")])
    assert set(await rows(records)) == {"one"}
    await records.close()


async def _until(client: ClientSession, wanted: str) -> tuple[int, dict[str, Any]]:
    """The first answer of /readyz with this status."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            status, answer = await asked(client, "/readyz")
            if answer["status"] == wanted:
                return status, answer
            await asyncio.sleep(0.05)
