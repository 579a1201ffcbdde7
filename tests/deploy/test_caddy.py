"""Behind a real Caddy with the sample of deploy/: pictures, events and sockets pass as they are."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from tests.edge.forms import upload
from tests.edge.pictures import jpeg, png
from tests.patience import PATIENCE_S
from tests.ports import free_port
from tests.server_process import PROJECT, ServerProcess

SAMPLE = PROJECT / "deploy" / "caddy" / "Caddyfile"
READY_TIMEOUT_S = 60.0
TO_WEBP = {"resize": {"width": 32}, "format": "webp"}
SAME = ("ETag", "Content-Type", "Content-Length", "Cache-Control", "Accept-Ranges", "Vary")
JOB_EVENT = "data: "


@pytest.fixture(scope="module")
def caddy(shared_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Caddy in front of the shared server."""
    folder = tmp_path_factory.mktemp("caddy")
    port = free_port()
    config = folder / "Caddyfile"
    config.write_text("{\n\tadmin off\n\tauto_https off\n}\n" + sample(shared_server.url, port))
    process = start(folder, config, port)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


def sample(server_url: str, port: int) -> str:
    """deploy/caddy/Caddyfile with the two things changed that it asks to be changed."""
    text = SAMPLE.read_text()
    for was, now in (
        ("pictures.example {", f"http://127.0.0.1:{port} {{"),
        ("reverse_proxy 127.0.0.1:8080", f"reverse_proxy {urlsplit(server_url).netloc}"),
    ):
        assert text.count(was) == 1, was
        text = text.replace(was, now)
    return text


def start(folder: Path, config: Path, port: int) -> "subprocess.Popen[bytes]":
    """Return when it takes connections."""
    program = Path(sys.executable).with_name("caddy")
    own = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    log = folder / "log"
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [program, "run", "--adapter", "caddyfile", "--config", config],
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            stderr=stderr,
        )
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            time.sleep(0.02)
    process.kill()
    process.wait(10)
    raise AssertionError(f"Caddy did not answer in time:\n{log.read_text()}")


@pytest_asyncio.fixture
async def client(caddy: str) -> AsyncIterator[ClientSession]:
    """A client that goes through Caddy."""
    async with ClientSession(caddy) as session:
        yield session


async def test_a_picture_is_the_same_through_caddy(
    client: ClientSession, shared_server: ServerProcess
) -> None:
    made = await upload(client, jpeg(64, 48), options=TO_WEBP)
    async with client.get(made["url"]) as through:
        body = await through.read()
    async with ClientSession(shared_server.url) as plain, plain.get(made["url"]) as straight:
        wanted = await straight.read()
    known = {"If-None-Match": through.headers["ETag"]}
    async with client.get(made["url"], headers=known) as again:
        pass
    async with client.get(made["url"], headers={"Range": "bytes=2-5"}) as part:
        middle = await part.read()

    assert body == wanted
    assert {name: through.headers.get(name) for name in SAME} == {
        name: straight.headers.get(name) for name in SAME
    }
    assert again.status == 304
    assert (part.status, middle) == (206, wanted[2:6])


async def test_words_are_packed_and_pictures_are_not(client: ClientSession) -> None:
    made = await upload(client, png(64, 64), options={"format": "png"})
    async with client.get("/openapi.json", headers={"Accept-Encoding": "gzip"}) as words:
        contract = await words.json()
    async with client.get(made["url"], headers={"Accept-Encoding": "gzip"}) as picture:
        pass

    assert words.headers["Content-Encoding"] == "gzip"
    assert contract["openapi"].startswith("3.1")
    assert "Content-Encoding" not in picture.headers


async def test_a_socket_is_told_through_caddy(client: ClientSession) -> None:
    async with client.ws_connect("/ws") as ws, asyncio.timeout(PATIENCE_S):
        made = await upload(client, jpeg(40, 40), options=TO_WEBP, at_once=True)
        await ws.send_json({"type": "subscribe", "jobId": made["jobId"]})
        told = await ws.receive_json()
        while told.get("status") != "completed":
            told = await ws.receive_json()

    assert told["jobId"] == made["jobId"]


async def test_events_leave_caddy_when_they_happen(client: ClientSession) -> None:
    made = await upload(client, jpeg(48, 40), options=TO_WEBP, at_once=True)
    packed = {"Accept-Encoding": "gzip, zstd"}  # what a browser says; a packed stream would wait
    async with client.get(f"/events/{made['jobId']}", headers=packed) as response:
        status = ""
        async with asyncio.timeout(PATIENCE_S):
            while status != "completed":
                line = (await response.content.readline()).decode()
                if line.startswith(JOB_EVENT):
                    status = json.loads(line.removeprefix(JOB_EVENT))["status"]

    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert "Content-Encoding" not in response.headers
