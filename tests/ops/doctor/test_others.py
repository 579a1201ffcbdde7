"""The doctor on limits, access, workers, a disk as storage and SQLite."""

import resource
import socket
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from server.ops.doctor import access, machine, records, storage, workers
from server.ops.doctor.finding import State
from server.ops.lock import data_dir_lock
from server.ops.machine import memory_bytes
from server.records.database import open_database
from server.records.schema import HEAD, migrate
from tests.ops.doctor.places import found, only, settings_for, states


@pytest.mark.parametrize(("soft", "state"), [(600, State.WRONG), (1500, State.WARNING)])
async def test_too_few_open_files_are_told_with_the_number_needed(
    tmp_path: Path, soft: int, state: State
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        findings = await found(machine.check, settings_for(tmp_path), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    told = next(one for one in findings if f"{soft} open files" in one.says)
    assert told.state is state
    assert "ulimit -n 20512" in told.advice


async def test_a_budget_beyond_the_memory_is_wrong(tmp_path: Path) -> None:
    pool = {"memory_budget_bytes": 2 * memory_bytes(), "memory_kill_bytes": 2 * memory_bytes()}

    findings = await found(machine.check, settings_for(tmp_path, pool=pool), tmp_path)

    assert "pool.memory_budget_bytes" in only(findings, State.WRONG).advice
    assert any("pool.memory_kill_bytes" in one.advice for one in findings)


@pytest.mark.parametrize(
    ("server", "state", "advice"),
    [
        ({"host": "127.0.0.1"}, State.GOOD, ""),
        ({"host": "0.0.0.0"}, State.WRONG, "safelight key new"),
        ({"host": "0.0.0.0", "open": True}, State.WARNING, "safelight key new"),
    ],
)
async def test_an_address_that_strangers_reach_wants_keys(
    tmp_path: Path, server: dict[str, Any], state: State, advice: str
) -> None:
    settings = settings_for(tmp_path)
    settings = settings.model_copy(update={"server": settings.server.model_copy(update=server)})

    findings = await found(access.check, settings, tmp_path)

    assert findings[0].state is state
    assert advice in findings[0].advice


async def test_secrets_that_nodes_must_share_are_missed(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, redis={"url": "redis://redis"})

    findings = await found(access.check, settings, tmp_path)

    assert "the same signing.keys on all nodes" in only(findings, State.WARNING).advice


async def test_a_port_that_is_taken_or_not_ours_is_wrong(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = {"data_dir": tmp_path, "port": port}
        told = await found(access.check, settings_for(tmp_path, server=server), tmp_path)
    nowhere = {"data_dir": tmp_path, "port": 8080, "host": "192.0.2.1", "open": True}
    foreign = await found(access.check, settings_for(tmp_path, server=nowhere), tmp_path)

    assert "ss -ltnp" in only(told, State.WRONG).advice
    assert "no such address" in only(foreign, State.WRONG).says


class Unwell(BaseHTTPRequestHandler):
    """Answers as a server does whose bucket is away."""

    def do_GET(self) -> None:
        """GET /health."""
        body = b'{"status":"unavailable","checks":{"redis":true,"storage":false}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


async def test_a_running_server_is_asked_how_it_stands(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Unwell) as listener, data_dir_lock(tmp_path / "data"):
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        server = {"data_dir": tmp_path / "data", "port": listener.server_port}
        told = await found(access.check, settings_for(tmp_path, server=server), tmp_path)
        listener.shutdown()
        thread.join()
        listener.server_close()
        silent = await found(access.check, settings_for(tmp_path, server=server), tmp_path)

    assert "storage do not work" in only(told, State.WRONG).says
    assert "does not answer" in only(silent, State.WARNING).says


async def test_a_worker_is_started_and_makes_every_format(tmp_path: Path) -> None:
    findings = await found(workers.check, settings_for(tmp_path), tmp_path)

    assert State.WRONG not in states(findings)
    assert "writes and reads jpeg, png, webp, avif, gif, tiff" in findings[-1].says


async def test_a_network_that_is_none_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    house = tmp_path / "house.onnx"
    house.write_bytes(b"no network")

    settings = settings_for(tmp_path, ai={"models": {"house": {"path": house}}})
    findings = await found(workers.check_networks, settings, tmp_path)

    assert "house" in only(findings, State.WRONG).says


async def test_an_object_goes_in_and_out_of_the_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()

    [told] = await found(storage.check, settings_for(data), tmp_path)

    assert told.state is State.GOOD
    assert list(data.iterdir()) == []


async def test_a_sqlite_file_of_this_version_is_good(tmp_path: Path) -> None:
    engine = open_database("", tmp_path)
    await migrate(engine)
    await engine.dispose()

    [told] = await found(records.check, settings_for(tmp_path), tmp_path)

    assert told.state is State.GOOD
    assert f"version {HEAD}" in told.says


async def test_a_sqlite_file_of_a_newer_version_is_wrong(tmp_path: Path) -> None:
    engine = open_database("", tmp_path)
    await migrate(engine)
    await engine.dispose()
    connection = sqlite3.connect(tmp_path / "records.sqlite3")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    [told] = await found(records.check, settings_for(tmp_path), tmp_path)

    assert told.state is State.WRONG
    assert "start the newer one" in told.advice


async def test_a_file_that_is_no_database_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "records.sqlite3").write_bytes(b"not a database at all" * 100)

    [told] = await found(records.check, settings_for(tmp_path), tmp_path)

    assert told.state is State.WRONG
    assert "put it aside" in told.advice
