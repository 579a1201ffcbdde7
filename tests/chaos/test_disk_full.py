"""The disk fills up in the middle of an upload, on a small file system of our own."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.chaos import evidence, numbered
from tests.chaos.parts import valkey_pid
from tests.conftest import StartServer
from tests.edge.forms import upload
from tests.edge.problem import problem
from tests.edge.traces import eventually

MIB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """48 MiB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this user may not mount a file system: a full disk cannot be made")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def endless() -> AsyncIterator[bytes]:
    """More than fits, without saying how much before: a picture in name only."""
    for _ in range(90):
        yield bytes(MIB)


async def send_too_much(client: ClientSession) -> dict[str, object]:
    headers = {"Content-Type": "image/jpeg"}
    async with client.post("/upload", data=endless(), headers=headers) as response:
        return await problem(response)


async def test_upload_stops_before_it_takes_the_room_that_must_stay_free(
    small_disk: Path, start_server: StartServer
) -> None:
    server = start_server(
        data_dir=small_disk / "data", SAFELIGHT_STORAGE__MIN_FREE_BYTES=str(16 * MIB)
    )
    before = valkey_pid(server)
    async with ClientSession(server.url) as client:
        refusal = await send_too_much(client)
        left = evidence.files_below(server.data_dir, "spool")
        later = await upload(client, numbered.picture(1))

    assert (refusal["status"], refusal["code"], refusal["limit"]) == (507, "disk_full", 16 * MIB)
    assert left == set()
    assert later["status"] == "completed"
    assert valkey_pid(server) == before


async def test_disk_that_is_full_in_the_middle_leaves_nothing_behind(
    small_disk: Path, start_server: StartServer
) -> None:
    server = start_server(data_dir=small_disk / "data", SAFELIGHT_STORAGE__MIN_FREE_BYTES="0")
    async with ClientSession(server.url) as client:
        refusal = await send_too_much(client)
        left = evidence.files_below(server.data_dir, "spool")
        await eventually(lambda: valkey_pid(server) > 0)
        later = await upload(client, numbered.picture(1))

    assert (refusal["status"], refusal["code"]) == (507, "disk_full")
    assert left == set()
    assert later["status"] == "completed"
