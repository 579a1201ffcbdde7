"""A ZIP of pictures to POST /upload: taken apart, in order, and bombs are not."""

import io
import json
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.config.sections import ArchiveSettings
from server.intake.archive.entries import opened
from server.refusals import ArchiveBroken, ArchiveUnsafe, EntryRefused
from tests import server_process
from tests.edge.forms import end_of, form
from tests.edge.pictures import jpeg, png
from tests.edge.problem import problem
from tests.edge.traces import Traces, eventually, files_of, is_idle, traces
from tests.edge.wire import head, wire
from tests.edge.zips import (
    central,
    deflated,
    directory,
    link,
    local,
    overlapping,
    quoted_overlap,
    streamed,
    zipped,
)
from tests.server_process import ServerProcess

MIB = 1024 * 1024
ONE, TWO, THREE = jpeg(40, 30), png(20, 10), jpeg(30, 40)
ZIP = {"Content-Type": "application/zip"}
MOST_ENTRIES, MOST_FILES, MOST_UNPACKED = 40, 20, 24 * MIB


@pytest.fixture(scope="module")
def zip_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Takes 1 MiB a picture, and small archives."""
    server = server_process.start(
        tmp_path_factory.mktemp("zip-server") / "data",
        environment={
            "SAFELIGHT_UPLOAD__MAX_UPLOAD_BYTES": str(MIB),
            "SAFELIGHT_UPLOAD__MAX_REQUEST_BYTES": str(8 * MIB),
            "SAFELIGHT_UPLOAD__MAX_FILES": str(MOST_FILES),
            "SAFELIGHT_ARCHIVE__MAX_ENTRIES": str(MOST_ENTRIES),
            "SAFELIGHT_ARCHIVE__MAX_UNPACKED_BYTES": str(MOST_UNPACKED),
            "SAFELIGHT_ARCHIVE__MAX_RATIO": "20",
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def client(zip_server: ServerProcess) -> AsyncIterator[ClientSession]:
    async with ClientSession(zip_server.url) as session:
        yield session


@pytest_asyncio.fixture
async def leaves_nothing(zip_server: ServerProcess) -> AsyncIterator[None]:
    """After the test the server must have kept no more than before; the janitor may remove."""
    await eventually(lambda: is_idle(zip_server))
    before: Traces = traces(zip_server)
    yield
    after = traces(zip_server)
    assert after.files <= before.files
    assert after.keys <= before.keys
    assert after.counters == before.counters


async def taken(client: ClientSession, archive: bytes, **query: str) -> dict[str, Any]:
    """The answer to an archive that is taken."""
    async with client.post(
        "/upload", data=io.BytesIO(archive), headers=ZIP, params=query
    ) as response:
        answer: dict[str, Any] = await response.json()
    assert response.status == 202, answer
    return answer


async def refused(client: ClientSession, archive: bytes) -> dict[str, Any]:
    """The problem with an archive that is not."""
    async with client.post("/upload", data=io.BytesIO(archive), headers=ZIP) as response:
        return await problem(response)


async def test_an_archive_becomes_a_batch_in_its_order(client: ClientSession) -> None:
    archive = zipped(("z/one.jpg", ONE), ("a/two.png", TWO), ("three.jpg", THREE))
    answer = await taken(client, archive, options='{"format":"png"}')
    batch = await end_of(client, answer["jobId"])

    assert [image["name"] for image in answer["images"]] == ["one.jpg", "two.png", "three.jpg"]
    assert answer["refused"] == []
    assert batch["status"] == "completed"
    shapes = [
        (image["variants"][0]["width"], image["variants"][0]["height"]) for image in batch["images"]
    ]
    assert shapes == [(40, 30), (20, 10), (30, 40)]


async def test_an_archive_may_be_a_part_beside_pictures(client: ClientSession) -> None:
    data = form(("a.jpg", ONE), ("b.zip", zipped(("two.png", TWO))), ("c.jpg", THREE))
    async with client.post("/upload", data=data) as response:
        answer = await response.json()

    assert response.status == 202
    assert [image["name"] for image in answer["images"]] == ["a.jpg", "two.png", "c.jpg"]


async def test_an_archive_is_known_by_its_bytes_whatever_its_name(client: ClientSession) -> None:
    async with client.post("/upload", data=form(("a.jpg", zipped(("b.jpg", ONE))))) as response:
        answer = await response.json()

    assert [image["name"] for image in answer["images"]] == ["b.jpg"]


async def test_an_archive_of_one_picture_is_a_batch_too(client: ClientSession) -> None:
    answer = await taken(client, zipped(("one.jpg", ONE)))

    assert answer["jobId"].startswith("batch-")


async def test_stored_streamed_and_zip64_archives_are_read(client: ClientSession) -> None:
    for archive in (
        zipped(("one.jpg", ONE), method=zipfile.ZIP_STORED),
        streamed(("one.jpg", ONE), ("two.png", TWO)),
        b"#!/bin/sh a program in front\n" + zipped(("one.jpg", ONE)),
    ):
        answer = await taken(client, archive)
        batch = await end_of(client, answer["jobId"])
        assert batch["counts"]["completed"] == batch["total"] == len(answer["images"])


async def test_what_is_beside_the_point_is_passed_over(client: ClientSession) -> None:
    archive = zipped(
        ("folder/", b""),
        ("__MACOSX/._one.jpg", b"resource fork"),
        ("folder/.DS_Store", b"view settings"),
        link("link.jpg", "/etc/passwd"),
        ("folder/one.jpg", ONE),
    )
    answer = await taken(client, archive)

    assert [image["name"] for image in answer["images"]] == ["one.jpg"]
    assert answer["refused"] == []


async def test_what_cannot_be_taken_is_told_and_costs_only_itself(client: ClientSession) -> None:
    archive = zipped(
        ("good.jpg", ONE),
        ("notes.txt", b"no picture"),
        ("inner.zip", zipped(("deep.jpg", ONE))),
        ("empty.jpg", b""),
        ("large.png", png(700, 700)),
        method=zipfile.ZIP_STORED,
    )
    answer = await taken(client, archive)

    assert [image["name"] for image in answer["images"]] == ["good.jpg"]
    found = {one["name"]: one["problem"]["type"] for one in answer["refused"]}
    assert found == {
        "notes.txt": "/problems/not_an_image",
        "inner.zip": "/problems/entry_refused",
        "empty.jpg": "/problems/empty_body",
        "large.png": "/problems/too_large",
    }


async def test_encrypted_damaged_and_oddly_packed_files_are_told(client: ClientSession) -> None:
    packed, crc = deflated(TWO), zlib.crc32(TWO)
    files = b"".join(
        local(name, packed, size=len(TWO), crc=crc) for name in (b"1", b"2", b"3", b"4")
    )
    step = len(files) // 4
    sizes = {"packed": len(packed), "size": len(TWO)}
    archive = files + directory(
        len(files),
        [
            central(b"1", **sizes, crc=crc, offset=0),
            central(b"2", **sizes, crc=crc, offset=step, flags=1),
            central(b"3", **sizes, crc=crc ^ 1, offset=2 * step),
            central(b"4", **sizes, crc=crc, offset=3 * step, method=14),
        ],
    )
    answer = await taken(client, archive)

    assert [image["name"] for image in answer["images"]] == ["1"]
    assert {one["name"] for one in answer["refused"]} == {"2", "3", "4"}
    assert {one["problem"]["type"] for one in answer["refused"]} == {"/problems/entry_refused"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.jpg", "passwd.jpg"),
        ("/absolute.jpg", "absolute.jpg"),
        ("C:\\temp\\win.jpg", "win.jpg"),
        ("a\x01b\x7f.jpg", "ab.jpg"),
        ("żółw/猫.jpg", "猫.jpg"),
    ],
)
async def test_a_name_is_never_a_path(client: ClientSession, name: str, kept: str) -> None:
    answer = await taken(client, zipped((name, ONE)))

    assert [image["name"] for image in answer["images"]] == [kept]


async def test_the_same_name_twice_is_two_pictures(client: ClientSession) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = zipped(("a.jpg", ONE), ("a.jpg", THREE))
    answer = await taken(client, archive)
    batch = await end_of(client, answer["jobId"])

    assert [image["original"]["height"] for image in batch["images"]] == [30, 40]


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize(
    ("archive", "code"),
    [
        (zipped(), "no_file"),
        (zipped(("folder/", b"")), "no_file"),
        (zipped(("one.jpg", ONE))[:-30], "archive_broken"),
        (zipped(("one.jpg", ONE))[100:], "archive_broken"),
        (b"PK\x03\x04", "archive_broken"),
        (b"", "archive_broken"),
        (ONE, "archive_broken"),
        (overlapping(10, TWO), "archive_unsafe"),
        (quoted_overlap(TWO), "archive_unsafe"),
        (zipped(("a.jpg", bytes(MOST_UNPACKED + 1))), "archive_unsafe"),
        (zipped(*((f"{n}/", b"") for n in range(MOST_ENTRIES + 1))), "archive_unsafe"),
        (zipped(*((f"{n}.jpg", ONE) for n in range(MOST_FILES + 1))), "too_many_files"),
        (zipped(("notes.txt", b"no picture")), "not_an_image"),
    ],
)
async def test_an_archive_is_refused_whole(
    client: ClientSession, archive: bytes, code: str
) -> None:
    assert (await refused(client, archive))["code"] == code


@pytest.mark.usefixtures("leaves_nothing")
async def test_archives_of_one_request_share_their_limit(client: ClientSession) -> None:
    archive = zipped(*((f"{n}.png", bytes(3 * MIB // 2)) for n in range(6)))
    data = form(("a.zip", archive), ("b.zip", archive), ("c.zip", archive))
    async with client.post("/upload", data=data) as response:
        found = await problem(response)

    assert (found["code"], found["limit"], found["actual"]) == (
        "archive_unsafe",
        MOST_UNPACKED,
        27 * MIB,
    )


@pytest.mark.usefixtures("leaves_nothing")
async def test_an_archive_that_swells_too_much_is_refused(client: ClientSession) -> None:
    archive = zipped(*((f"{n}.jpg", bytes(MIB)) for n in range(17)))
    found = await refused(client, archive)

    assert (found["code"], found["limit"]) == ("archive_unsafe", 20 * len(archive))


@pytest.mark.usefixtures("leaves_nothing")
async def test_a_directory_of_any_length_is_not_read(client: ClientSession) -> None:
    entry = central(b"a.png", packed=0, size=0, crc=0, offset=0)
    archive = directory(0, [entry] * 60_000, count=1)
    found = await refused(client, archive)

    assert found["code"] == "archive_unsafe"
    assert found["actual"] > found["limit"]


@pytest.mark.usefixtures("leaves_nothing")
async def test_a_wrong_recipe_is_refused_as_for_pictures(client: ClientSession) -> None:
    query = {"options": json.dumps({"resize": {"width": 0}})}
    archive = zipped(("one.jpg", ONE))
    async with client.post(
        "/upload", data=io.BytesIO(archive), headers=ZIP, params=query
    ) as response:
        assert (await problem(response))["code"] == "bad_options"


@pytest.mark.usefixtures("leaves_nothing")
async def test_an_archive_that_is_cut_leaves_nothing(zip_server: ServerProcess) -> None:
    archive = zipped(("noise.jpg", jpeg(1500, 1000)), method=zipfile.ZIP_STORED)
    lines = ("Content-Type: application/zip", f"Content-Length: {len(archive)}")
    async with wire(zip_server.url) as connection:
        await connection.send(head("POST", "/upload", *lines), archive[:-100])
        await eventually(lambda: any("/archive" in one for one in files_of(zip_server)))
        connection.cut()
    await eventually(lambda: is_idle(zip_server))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_damage_is_told_in_our_own_words(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(streamed(("one.jpg", ONE[:300]), ("two.png", TWO[:200])))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    limits = ArchiveSettings(max_entries=10, max_unpacked_bytes=MIB)
    try:
        with opened(path, limits) as archive:
            for entry in archive.entries:
                _read_all(archive.open(entry), entry.bytes)
    except (ArchiveBroken, ArchiveUnsafe, EntryRefused):
        pass


def _read_all(file: Any, announced: int) -> None:
    try:
        with file:
            assert len(file.read()) <= announced
    except (zipfile.BadZipFile, zlib.error, EOFError):
        pass  # what server.intake.archive.unpack turns into a refusal while it reads
