"""What every storage promises, asked of the disk and of a bucket alike."""

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.config.sections import QueueSettings
from server.config.storing import StorageSettings
from server.jobs.connection import command_client
from server.jobs.queue import JobQueue
from server.ops.orphans import find_orphans
from server.storage.bucket import BucketStorage
from server.storage.disk import DiskStorage
from server.storage.storage import (
    ORIGINALS,
    Storage,
    StorageFailed,
    original_key,
    put_all,
    result_key,
    results_prefix,
)
from tests.ports import free_ports
from tests.storage.weed import KEY, SECRET, Weed

MIB = 1024 * 1024


def settings_of(weed: Weed, prefix: str = "none", **more: object) -> StorageSettings:
    return StorageSettings.model_validate(
        {
            "url": f"s3://pictures/tests/{prefix}",
            "endpoint": weed.url,
            "region": "us-east-1",
            "allow_http": True,
            "max_retries": 1,
            "timeout_s": 5.0,
        }
        | more
    )


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any, the client would ask the network what machine it is on."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest_asyncio.fixture(params=["disk", "bucket"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """An empty storage of each kind."""
    folder = tmp_path / "kept"
    folder.mkdir()
    if request.param == "disk":
        yield DiskStorage(folder, min_free_bytes=0)
        return
    weed: Weed = request.getfixturevalue("weed")
    yield BucketStorage(settings_of(weed, uuid.uuid4().hex), folder)


def a_file(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file"
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return path


async def read(storage: Storage, key: str, **part: int) -> bytes:
    return b"".join([piece async for piece in storage.read(key, **part)])


@pytest.mark.parametrize("size", [0, 1, 300_000, 20 * MIB], ids=str)
async def test_what_was_put_is_read_and_fetched_as_it_was(
    storage: Storage, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    await storage.put("originals/aa/one", a_file(tmp_path, content))

    await storage.fetch("originals/aa/one", tmp_path / "back")
    found = await storage.head("originals/aa/one")

    assert (tmp_path / "back").read_bytes() == content
    assert await read(storage, "originals/aa/one") == content
    assert found is not None
    assert (found.key, found.bytes) == ("originals/aa/one", size)
    assert found.modified_ms > 1_700_000_000_000


async def test_disk_syncs_a_file_and_every_folder_that_has_something_new_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, path = DiskStorage(tmp_path / "data", min_free_bytes=0), a_file(tmp_path, b"result")
    root, results = tmp_path / "data", tmp_path / "data" / "results" / "aa"
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_ino))

    async def of_put(key: str) -> set[int]:
        synced.clear()
        await storage.put(key, path)
        assert (root / key).exists()  # linked before: one commit serves all syncs
        return set(synced)

    def inodes(*paths: Path) -> set[int]:
        return {one.stat().st_ino for one in (path, *paths)}

    first = await of_put("results/aa/one/x")
    assert first == inodes(results / "one", results, results.parent, root)
    assert await of_put("results/aa/two/x") == inodes(results / "two", results)
    assert await of_put("results/aa/two/y") == inodes(results / "two", results)


async def test_disk_syncs_what_replaces_a_file_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, target = DiskStorage(tmp_path, min_free_bytes=0), tmp_path / "results/aa/one/x"
    await storage.put("results/aa/one/x", a_file(tmp_path, b"first"))
    path, found = a_file(tmp_path, b"second"), list[tuple[int, bytes]]()
    monkeypatch.setattr(
        os, "fsync", lambda number: found.append((os.fstat(number).st_ino, target.read_bytes()))
    )
    await storage.put("results/aa/one/x", path)

    assert found[0] == (path.stat().st_ino, b"first")
    assert target.read_bytes() == b"second"


@pytest.mark.parametrize(
    ("start", "length"), [(0, 1), (5, 700_000), (999_999, 1), (0, 1_000_000), (300_000, 262_144)]
)
async def test_a_part_is_read_alone(
    storage: Storage, tmp_path: Path, start: int, length: int
) -> None:
    content = os.urandom(1_000_000)
    await storage.put("results/aa/part", a_file(tmp_path, content))

    found = await read(storage, "results/aa/part", start=start, length=length)

    assert found == content[start : start + length]
    assert await read(storage, "results/aa/part", start=start) == content[start:]


async def test_a_second_put_replaces_the_first(storage: Storage, tmp_path: Path) -> None:
    await storage.put("results/aa/twice", a_file(tmp_path, b"first"))
    before = await storage.head("results/aa/twice")
    await storage.put("results/aa/twice", a_file(tmp_path, b"second one"))
    after = await storage.head("results/aa/twice")

    assert await read(storage, "results/aa/twice") == b"second one"
    assert before is not None and after is not None
    assert before.etag != after.etag


async def test_what_is_not_there_is_told_apart_from_a_failure(
    storage: Storage, tmp_path: Path
) -> None:
    assert await storage.head("originals/aa/none") is None
    await storage.delete("originals/aa/none")
    with pytest.raises(FileNotFoundError):
        await storage.fetch("originals/aa/none", tmp_path / "back")
    with pytest.raises(FileNotFoundError):
        await read(storage, "originals/aa/none")
    with pytest.raises(FileNotFoundError):
        await read(storage, "originals/aa/none", start=0, length=5)


async def test_more_than_there_is_cannot_be_read(storage: Storage, tmp_path: Path) -> None:
    await storage.put("results/aa/short", a_file(tmp_path, b"short"))

    with pytest.raises(StorageFailed):
        await read(storage, "results/aa/short", start=0, length=6)


async def test_a_jobs_results_go_together_and_nobody_elses(
    storage: Storage, tmp_path: Path
) -> None:
    file = a_file(tmp_path, b"bytes")
    mine, other = "abjob", "abjob2"
    for key in (result_key(mine, "a.webp"), result_key(mine, "b.png"), result_key(other, "a.webp")):
        await storage.put(key, file)

    await storage.delete_results(mine)
    await storage.delete_results("abnone")

    left = [one.key async for one in storage.objects("results/")]
    assert left == [result_key(other, "a.webp")]


async def test_objects_below_a_prefix_are_listed_with_their_sizes(
    storage: Storage, tmp_path: Path
) -> None:
    for number in range(3):
        await storage.put(original_key(f"aa{number}"), a_file(tmp_path, bytes(number + 1)))
    await storage.put(result_key("aajob", "x.png"), a_file(tmp_path, b"x"))

    found = {one.key: one.bytes async for one in storage.objects(ORIGINALS)}

    assert found == {original_key(f"aa{number}"): number + 1 for number in range(3)}
    assert [one async for one in storage.objects("nothing/")] == []
    assert results_prefix("aajob") == "results/aa/aajob/"


async def test_files_that_no_job_knows_are_found(
    storage: Storage, tmp_path: Path, valkey_url: str
) -> None:
    for key in (original_key("aajob"), result_key("aajob", "x.png"), "originals/foreign"):
        await storage.put(key, a_file(tmp_path, b"bytes"))
    async with command_client(valkey_url, timeout_s=30) as redis:
        trash = JobQueue(redis, QueueSettings(), node="here", keep_s=60).trash
        later = await find_orphans(storage, trash, grace_s=3600, incoming=())
        coming = await find_orphans(storage, trash, grace_s=-60, incoming=("aajob",))
        orphans = await find_orphans(storage, trash, grace_s=-60, incoming=())

    assert later == []
    assert [one.files.kind for one in coming] == ["results"]
    assert {(one.files.kind, one.files.what) for one in orphans} == {
        ("original", original_key("aajob")),
        ("results", "aajob"),
    }


async def test_many_files_are_put_and_a_failure_comes_when_all_have_ended(
    storage: Storage, tmp_path: Path
) -> None:
    files = [(f"results/aa/job/{number}", tmp_path / str(number)) for number in range(9)]
    for number, (_, path) in enumerate(files):
        if number != 4:
            path.write_bytes(bytes(number))
    with pytest.raises(OSError):
        await put_all(storage, files)
    kept = {one.key async for one in storage.objects("results/")}

    assert kept == {key for number, (key, _) in enumerate(files) if number != 4}


async def test_a_working_storage_says_so(storage: Storage) -> None:
    await storage.check()
    await storage.check()


async def test_a_bucket_that_is_away_fails_as_a_storage_and_soon(
    tmp_path: Path, weed: Weed
) -> None:
    nowhere = f"http://127.0.0.1:{free_ports(('none',))['none']}"
    away = BucketStorage(settings_of(weed, endpoint=nowhere), tmp_path)
    deeds = (
        away.put("k", a_file(tmp_path, b"1")),
        away.fetch("k", tmp_path / "back"),
        away.head("k"),
        away.delete("k"),
        away.delete_results("k"),
        away.check(),
    )

    for deed in deeds:
        with pytest.raises(StorageFailed):
            await deed


@pytest.mark.parametrize("wrong", ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"])
async def test_a_bucket_that_denies_us_fails_as_a_storage(
    tmp_path: Path, weed: Weed, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv(f"AWS_{wrong}", "another")
    denied = BucketStorage(settings_of(weed), tmp_path)

    with pytest.raises(StorageFailed):
        await denied.put("k", a_file(tmp_path, b"1"))
    with pytest.raises(StorageFailed):
        await denied.check()


@pytest.mark.parametrize("key", ["a//b", "../x", "a\x00b", "./x", "a\udc80"])
async def test_a_name_that_no_object_can_have_is_not_there(
    tmp_path: Path, weed: Weed, key: str
) -> None:
    assert await BucketStorage(settings_of(weed), tmp_path).head(key) is None


@pytest.mark.parametrize(
    ("endpoint", "path_style", "address"),
    [
        ("", True, "https://s3.eu-west-1.amazonaws.com/box/in/a"),
        ("", False, "https://box.s3.eu-west-1.amazonaws.com/in/a"),
        ("https://s3.example:9000", True, "https://s3.example:9000/box/in/a"),
        ("https://s3.example:9000", False, "https://box.s3.example:9000/in/a"),
    ],
)
async def test_the_bucket_is_in_the_path_or_before_the_host_as_it_is_set(
    tmp_path: Path, endpoint: str, path_style: bool, address: str
) -> None:
    settings = StorageSettings(
        url="s3://box/in", endpoint=endpoint, region="eu-west-1", path_style=path_style
    )

    signed = await BucketStorage(settings, tmp_path).sign("GET", "a", 60)

    assert signed.partition("?")[0] == address
