"""tus-js-client, as pages and programs use it, against our server: cuts, kills, resuming."""

import asyncio
import io
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from PIL import Image, ImageChops

from tests.conftest import StartServer
from tests.edge.cutting_proxy import cutting_proxy
from tests.edge.forms import end_of
from tests.edge.traces import files_of
from tests.ports import free_port
from tests.server_process import ServerProcess

MIB = 1024 * 1024
SCRIPT = Path(__file__).parents[1] / "js" / "tus_upload.mjs"
RETRY_DELAYS = [100, 200, 500, *[1000] * 12]
SIDE = 1500  # of a picture that no format makes small: about 6.8 MB
AS_IT_IS = {"filename": "noise.png", "options": '{"format":"png"}'}

Told = dict[str, Any]


@pytest.fixture(scope="session")
def node() -> str:
    """The program file of Node.js, with the packages of tests/js beside the script."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed: this test drives tus-js-client")
    if not (SCRIPT.parent / "node_modules" / "tus-js-client").is_dir():
        pytest.skip("tus-js-client is not installed: 'make node' does, with npm")
    return program


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of several MB whose every pixel tells whether it came through."""
    path = tmp_path_factory.mktemp("noise") / "noise.png"
    bands = [Image.effect_noise((SIDE, SIDE), 90 + 10 * band) for band in range(3)]
    Image.merge("RGB", bands).save(path, compress_level=0)
    return path


class TusClient:
    """One run of the script: what it has told so far, and what it tells next."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.told: list[Told] = []
        self.process = process

    async def until(self, event: str, **members: object) -> Told:
        """Read on until it tells of this."""
        wanted = {"event": event} | members
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            told: Told = json.loads(line)
            self.told.append(told)
            if wanted.items() <= told.items():
                return told
        raise AssertionError(f"it ended without {wanted}: {self.told[-8:]}")

    def offsets(self, method: str) -> list[int]:
        """Upload-Offset of every answer to this method that had one."""
        answers = (one for one in self.told if one["event"] == "response")
        return [int(one["offset"]) for one in answers if one["method"] == method and one["offset"]]


@asynccontextmanager
async def tus_client(
    node: str, url: str, path: Path, *, chunk_bytes: int, storage: Path | None = None
) -> AsyncIterator[TusClient]:
    """tus-js-client uploading a file; killed at the end if it has not ended."""
    settings = {
        "endpoint": f"{url}/files",
        "path": str(path),
        "chunkSize": chunk_bytes,
        "metadata": AS_IT_IS,
        "retryDelays": RETRY_DELAYS,
        "storage": None if storage is None else str(storage),
    }
    process = await asyncio.create_subprocess_exec(
        node, str(SCRIPT), json.dumps(settings), stdout=asyncio.subprocess.PIPE
    )
    client = TusClient(process)
    try:
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def assert_came_through(url: str, upload_url: str, original: Path) -> None:
    """The job of an upload is completed, and its result has every pixel of the original."""
    job_id = upload_url.rsplit("/", 1)[-1]
    async with ClientSession(url) as client:
        status = await end_of(client, job_id)
        assert status["status"] == "completed", status
        assert (status["name"], status["original"]["bytes"]) == (
            "noise.png",
            size_of(original),
        )
        async with client.get(status["url"]) as response:
            result = await response.read()
    with Image.open(io.BytesIO(result)) as made, Image.open(original) as given:
        assert ImageChops.difference(made.convert("RGB"), given).getbbox() is None


def size_of(path: Path) -> int:
    return path.stat().st_size


def nothing_unfinished(server: ServerProcess) -> bool:
    own = ("spool/tus/", "spool/incoming/")
    return not any(one.startswith(own) and "/finished/" not in one for one in files_of(server))


async def test_it_uploads_in_chunks(node: str, live_server: str, noise: Path) -> None:
    async with tus_client(node, live_server, noise, chunk_bytes=MIB) as client:
        success = await client.until("success")

    assert len(client.offsets("PATCH")) == -(-size_of(noise) // MIB)
    await assert_came_through(live_server, success["url"], noise)


async def test_it_goes_on_after_its_connection_was_reset(
    node: str, live_server: str, shared_server: ServerProcess, noise: Path
) -> None:
    def has_bytes(number: int) -> Callable[[], bool]:
        folder = shared_server.data_dir / "spool" / "tus"
        return lambda: any(path.stat().st_size >= number for path in folder.glob("[a-z2-7]*"))

    size = size_of(noise)
    cuts = (3 * MIB, has_bytes(2 * MIB)), (5 * MIB, has_bytes(3 * MIB))
    async with (
        cutting_proxy(live_server, *cuts) as proxy,
        tus_client(node, proxy.url, noise, chunk_bytes=size) as client,
    ):
        success = await client.until("success")

    resumed_at = client.offsets("HEAD")
    assert len(proxy.done) == 2
    assert len(resumed_at) >= 2
    # Each time from where it was, but for what was in flight; never from the beginning.
    assert 2 * MIB <= resumed_at[0] <= proxy.done[0]
    assert max(3 * MIB, resumed_at[0]) <= resumed_at[-1] <= proxy.done[1]
    await assert_came_through(live_server, success["url"], noise)


async def test_it_goes_on_after_the_server_was_killed(
    node: str, start_server: StartServer, noise: Path
) -> None:
    port = str(free_port())
    server = start_server("--port", port)
    async with tus_client(node, server.url, noise, chunk_bytes=MIB // 8) as client:
        for _ in range(10):
            accepted = await client.until("chunk")
        server.kill()
        again = start_server("--port", port, data_dir=server.data_dir)
        success = await client.until("success")

    assert client.offsets("HEAD")[0] >= accepted["accepted"]
    await assert_came_through(again.url, success["url"], noise)
    assert nothing_unfinished(again)


async def test_another_run_of_it_goes_on_where_the_first_was_killed(
    node: str, live_server: str, noise: Path, tmp_path: Path
) -> None:
    storage = tmp_path / "urls.json"
    async with tus_client(node, live_server, noise, chunk_bytes=MIB // 8, storage=storage) as first:
        accepted = await first.until("chunk")
    async with tus_client(node, live_server, noise, chunk_bytes=MIB, storage=storage) as second:
        previous = await second.until("previous")
        success = await second.until("success")

    assert success["url"] == previous["url"]
    assert second.offsets("HEAD")[0] >= accepted["accepted"]
    await assert_came_through(live_server, success["url"], noise)
