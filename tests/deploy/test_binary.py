"""The single-file program, in a root folder that has nothing but the C library."""

import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from PIL import Image

from tests import server_process
from tests.deploy.bare_root import BareRoot, can_compile
from tests.edge.forms import status_of, upload
from tests.edge.pictures import jpeg
from tests.server_process import PROJECT

# It is built once, which takes both cores half a minute, and more beside other tests.
pytestmark = pytest.mark.timeout(600)

CACHE = {"XDG_CACHE_HOME": "/cache"}
TO_WEBP = {"resize": {"width": 32}, "format": "webp"}
BY_NETWORK = {"upscale": {"factor": 2, "engine": "ai"}, "format": "png"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make binary` makes."""
    if not can_compile():
        pytest.skip("no C compiler with zlib: make compiler")
    target = tmp_path_factory.mktemp("binary") / "safelight"
    command = [sys.executable, "-m", "deploy.binary.build", str(target)]
    subprocess.run(command, check=True, cwd=PROJECT)
    return target


@pytest.fixture(scope="module")
def root(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareRoot]:
    """A bare root with the program and a picture; it keeps what the program has unpacked."""
    root = BareRoot(tmp_path_factory.mktemp("bare") / "root")
    if not root.can_be_entered():
        pytest.skip("namespaces cannot be made here")
    root.add(program, "/safelight")
    (root.top / "picture.jpg").write_bytes(jpeg())
    yield root
    shutil.rmtree(root.top)  # half a gigabyte


async def test_it_serves_on_a_machine_with_nothing_but_the_c_library(
    root: BareRoot, live_server: str, tmp_path: Path
) -> None:
    server = server_process.start(
        tmp_path / "data",
        program=("/safelight",),
        through=root.through,
        arguments=("--data-dir", "/data"),
        environment=CACHE | server_process.WITH_NETWORKS,
    )
    try:
        async with ClientSession(server.url) as client:
            made = await upload(client, jpeg(64, 48), options=TO_WEBP)
            assert made["status"] == "completed", made
            async with client.get(made["url"]) as response:
                picture = Image.open(io.BytesIO(await response.read()))
            enlarged = await upload(client, jpeg(20, 10), options=BY_NETWORK, at_once=True)
            ended = await status_of(client, enlarged["jobId"], wait_s=60)
            health = await health_of(server.url)
            async with client.get("/") as response:
                page = await response.text()
        code = server.stop()
    finally:
        server.close()

    assert (picture.format, picture.size) == ("WEBP", (32, 24))
    assert ended["status"] == "completed", ended
    assert [one["width"] for one in ended["variants"]] == [40]
    assert "Darkroom" in page
    assert health["sandbox"] == (await health_of(live_server))["sandbox"]
    assert health["versions"]["redis"].startswith("valkey")
    assert code == 0
    assert server.errors_logged() == ""


async def health_of(url: str) -> dict[str, Any]:
    async with ClientSession(url) as client, client.get("/health") as response:
        health: dict[str, Any] = await response.json()
    return health


def test_commands_work(root: BareRoot) -> None:
    told = root.run("/safelight", "--version", **CACHE)
    made = root.run(
        *("/safelight", "convert", "/picture.jpg", "--width", "16", "--format", "avif"),
        *("--out", "/made", "--jobs", "1"),
        **CACHE,
    )

    assert told.stdout.startswith("safelight "), told
    assert made.returncode == 0, made.stderr
    with Image.open(root.top / "made" / "picture.avif") as picture:
        assert picture.size == (16, 12)


def test_it_is_unpacked_once(root: BareRoot) -> None:
    root.run("/safelight", "--version", **CACHE)
    cache = root.top / "cache" / "safelight"
    [before] = cache.iterdir()
    number = before.stat().st_ino

    root.run("/safelight", "--version", **CACHE)

    assert [path.stat().st_ino for path in cache.iterdir()] == [number]
