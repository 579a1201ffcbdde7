"""GET /batch/{id}/zip: the results of a batch as one ZIP that every program can read."""

import asyncio
import io
import json
import shutil
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from server.edge.archive.names import ZipNames
from server.edge.archive.zip_file import ZipFile
from tests.edge.busy import busy_lane
from tests.edge.forms import AT_ONCE, end_of, form, status_of, upload
from tests.edge.pictures import jpeg, png
from tests.edge.problem import problem
from tests.server_process import ServerProcess

GIB = 1024**3
NEW_YEAR_MS = 1_767_225_600_000  # 2026-01-01


async def batch_of(client: ClientSession, *files: tuple[str, bytes], options: object = None) -> str:
    """The id of a batch that has ended."""
    data = form(*files, options=json.dumps(options or {}))
    async with client.post("/upload", data=data) as response:
        assert response.status == 202
        batch_id: str = (await response.json())["jobId"]
    assert (await end_of(client, batch_id))["status"] == "completed"
    return batch_id


async def packed(client: ClientSession, batch_id: str, **query: str) -> bytes:
    """The ZIP of a batch."""
    async with client.get(f"/batch/{batch_id}/zip", params=query) as response:
        assert response.status == 200, await response.text()
        return await response.read()


def content(archive: bytes) -> dict[str, bytes]:
    """Files by name, in order; every CRC is checked."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {info.filename: opened.read(info) for info in opened.infolist()}


async def test_all_results_come_in_the_clients_order(client: ClientSession) -> None:
    files = (("b.jpg", jpeg(40, 30)), ("a.png", png(20, 10)), ("b.jpg", jpeg(30, 40)))
    batch_id = await batch_of(client, *files, options={"format": "png"})
    found = content(await packed(client, batch_id))

    assert list(found) == ["b.png", "a.png", "b (2).png"]
    sizes = [Image.open(io.BytesIO(one)).size for one in found.values()]
    assert sizes == [(40, 30), (20, 10), (30, 40)]


async def test_variants_stand_beside_each_other(client: ClientSession) -> None:
    options = {
        "format": "webp",
        "variants": [
            {"name": "small", "resize": {"width": 16}},
            {"name": "large", "resize": {"width": 48}, "format": "jpeg"},
        ],
    }
    files = (("one.jpg", jpeg(64, 48)), ("two.jpg", jpeg(60, 40)))
    batch_id = await batch_of(client, *files, options=options)
    found = content(await packed(client, batch_id))

    assert list(found) == [*("one-small.webp", "one-large.jpg", "two-small.webp", "two-large.jpg")]


async def test_it_is_the_same_bytes_as_the_images(client: ClientSession) -> None:
    # The second is larger than what is read whole.
    files = (("small.jpg", jpeg(64, 48)), ("large.png", png(900, 700)))
    batch_id = await batch_of(client, *files, options={"format": "png"})
    found = content(await packed(client, batch_id))
    images = (await status_of(client, batch_id))["images"]

    assert len(found["large.png"]) > 1024 * 1024
    for name, image in zip(found, images, strict=True):
        async with client.get(image["url"]) as response:
            assert found[name] == await response.read()


async def test_unzip_agrees_and_a_pipe_can_be_read_as_it_comes(
    client: ClientSession, tmp_path: Path
) -> None:
    batch_id = await batch_of(client, ("ü b.jpg", jpeg(64, 48)), ("large.png", png(900, 700)))
    archive = await packed(client, batch_id)
    path = tmp_path / "batch.zip"
    path.write_bytes(archive)

    if shutil.which("unzip") is not None:
        told = await asyncio.to_thread(_unzip, "-t", path)
        assert "No errors detected" in told
    names = []
    for name, size, crc, data in read_as_it_comes(archive):
        names.append(name)
        assert (len(data), zlib.crc32(data)) == (size, crc)
    assert names == list(content(archive))


async def test_its_head_names_a_file(client: ClientSession) -> None:
    batch_id = await batch_of(client, ("a.jpg", jpeg()), ("b.jpg", jpeg()))
    for method in ("HEAD", "GET"):
        async with client.request(method, f"/batch/{batch_id}/zip") as response:
            assert response.status == 200
            assert bool(await response.read()) is (method == "GET")
        assert response.headers["Content-Type"] == "application/zip"
        disposition = f'attachment; filename="{batch_id}.zip"'
        assert response.headers["Content-Disposition"] == disposition
        assert response.headers["Cache-Control"] == "no-store"


async def test_what_is_gone_or_failed_is_told_in_missing_txt(
    client: ClientSession, shared_server: ServerProcess
) -> None:
    broken = png(64, 64)[:300]  # its header is whole, so that it is taken
    files = (("kept.jpg", jpeg(41, 31)), ("gone.jpg", jpeg(42, 32)), ("broken.png", broken))
    batch_id = await batch_of(client, *files, options={"format": "png"})
    images = (await status_of(client, batch_id))["images"]
    for path in (shared_server.data_dir / "results").rglob(f"*/{images[1]['jobId']}/*"):
        path.unlink()
    found = content(await packed(client, batch_id))

    assert list(found) == ["kept.png", "missing.txt"]
    lines = found["missing.txt"].decode().splitlines()
    assert lines[0].startswith("gone.jpg: ")
    assert lines[1] == "broken.png: failed, corrupt_image"


async def test_a_batch_in_work_needs_patience_or_partial(
    lane: ClientSession, lane_server: ServerProcess
) -> None:
    async with busy_lane(lane, lane_server):
        data = form(("a.jpg", jpeg(33, 22)), ("b.jpg", jpeg(22, 33)))
        async with lane.post("/upload", data=data, headers=AT_ONCE) as response:
            batch_id = (await response.json())["jobId"]
        async with lane.get(f"/batch/{batch_id}/zip") as response:
            refused = await problem(response)
        found = content(await packed(lane, batch_id, partial="1"))

    assert (response.status, refused["code"]) == (409, "not_ready")
    assert found["missing.txt"].decode().splitlines() == ["a.jpg: queued", "b.jpg: queued"]


async def test_only_a_batch_has_a_zip(client: ClientSession) -> None:
    job_id = (await upload(client, jpeg()))["jobId"]
    for some_id in (job_id, "batch-none", "none"):
        async with client.get(f"/batch/{some_id}/zip") as response:
            assert response.status == 404
            assert (await problem(response))["code"] == "not_found"


@pytest.mark.parametrize("query", [{"partial": "yes"}, {"partail": "1"}])
async def test_a_wrong_parameter_is_refused(client: ClientSession, query: dict[str, str]) -> None:
    async with client.get("/batch/batch-none/zip", params=query) as response:
        assert response.status == 400


@given(
    names=st.lists(st.text(max_size=60), max_size=20),
    variant=st.sampled_from([None, "small", "a/b", "2x"]),
)
@settings(deadline=None)
def test_names_are_unique_and_safe_everywhere(names: list[str], variant: str | None) -> None:
    giver = ZipNames("missing.txt")
    given_names = [giver.name(name, variant, "jpeg") for name in names]

    assert len({name.casefold() for name in given_names} | {"missing.txt"}) == len(names) + 1
    for name in given_names:
        assert not set(name) & set('<>:"/\\|?*') and name.isprintable()
        assert name.endswith(".jpg") and not name.startswith((".", " "))
        assert len(name.encode()) <= 255


@pytest.mark.parametrize(
    ("client_name", "expected"),
    [
        ("IMG_1.JPG", "IMG_1.webp"),
        ("archive.tar.gz", "archive.tar.webp"),
        ("../x.png", "_x.webp"),
        ("con.png", "picture-con.webp"),
        ("NUL.a.png", "picture-NUL.a.webp"),
        (".hidden", "hidden.webp"),
        ("...", "picture.webp"),
        ("", "picture.webp"),
        ("ü" * 200, "ü" * 90 + ".webp"),
    ],
)
def test_a_name_is_made_of_the_clients(client_name: str, expected: str) -> None:
    assert ZipNames().name(client_name, None, "webp") == expected


def test_more_files_than_16_bits_can_count(tmp_path: Path) -> None:
    path, packed_file = tmp_path / "many.zip", ZipFile()
    with path.open("wb") as file:
        for number in range(70_000):
            file.write(packed_file.begin(f"{number}", size=0, crc=0, written_ms=NEW_YEAR_MS))
        file.write(packed_file.end())

    with zipfile.ZipFile(path) as opened:
        assert len(opened.infolist()) == 70_000
        assert opened.read("69999") == b""


def test_more_bytes_than_32_bits_can_count(tmp_path: Path) -> None:
    path, packed_file, small = tmp_path / "long.zip", ZipFile(), b"behind 5 GiB"
    with path.open("wb") as file:
        file.write(packed_file.begin("large", size=5 * GIB, crc=0, written_ms=NEW_YEAR_MS))
        file.seek(5 * GIB, io.SEEK_CUR)  # a hole: costs no disk
        crc = zlib.crc32(small)
        file.write(packed_file.begin("small", size=len(small), crc=crc, written_ms=NEW_YEAR_MS))
        file.write(small)
        file.write(packed_file.end())

    with zipfile.ZipFile(path) as opened:
        assert opened.getinfo("large").file_size == 5 * GIB
        assert opened.getinfo("small").header_offset > 5 * GIB
        assert opened.getinfo("small").date_time == (2026, 1, 1, 0, 0, 0)
        assert opened.read("small") == small
    assert shutil.which("unzip") is None or str(5 * GIB) in _unzip("-l", path)


def read_as_it_comes(archive: bytes) -> list[tuple[str, int, int, bytes]]:
    """Name, size, CRC and bytes by the local headers alone, as from a pipe."""
    found: list[tuple[str, int, int, bytes]] = []
    file = io.BytesIO(archive)
    while (header := file.read(30)).startswith(b"PK\x03\x04"):
        crc, _, size, name_length, extra_length = _local(header)
        name = file.read(name_length).decode()
        file.read(extra_length)
        found.append((name, size, crc, file.read(size)))
    return found


def _unzip(flag: str, path: Path) -> str:
    """Info-ZIP's words on an archive; it raises when there is anything wrong with it."""
    command = ["unzip", flag, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _local(header: bytes) -> tuple[Any, ...]:
    return struct.unpack("<14xIIIHH", header)
