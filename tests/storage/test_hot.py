"""Small files in memory: bounded, read once, gone when they are told to go."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from server.storage.disk import DiskStorage
from server.storage.hot import HotFiles
from server.storage.storage import StorageFailed
from tests.patience import PATIENCE_S


class Watched(DiskStorage):
    """A disk that counts how often it is read, and can hold a reader up."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, min_free_bytes=0)
        self.reads = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def read(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes]:
        self.reads += 1
        await self.go_on.wait()
        async for piece in super().read(key, start=start, length=length):
            yield piece


@pytest.fixture
def disk(tmp_path: Path) -> Watched:
    for name in "abcd":
        (tmp_path / name).write_bytes(name.encode() * 100)
    return Watched(tmp_path)


async def test_a_file_is_read_once_however_many_ask_at_one_moment(disk: Watched) -> None:
    hot = HotFiles(disk, max_bytes=1000, max_file_bytes=100)
    found = await asyncio.gather(*(hot.read("a", 100) for _ in range(20)))
    again = await hot.read("a", 100)

    assert disk.reads == 1
    assert {*found, again} == {b"a" * 100}


async def test_it_takes_no_more_than_it_may_and_the_longest_unasked_goes(disk: Watched) -> None:
    hot = HotFiles(disk, max_bytes=300, max_file_bytes=100)
    for name in "abcad":
        await hot.read(name, 100)

    assert hot.bytes == 300
    assert [hot.get(name) is not None for name in "abcd"] == [True, False, True, True]


async def test_what_goes_is_not_here_any_more(disk: Watched) -> None:
    hot = HotFiles(disk, max_bytes=300, max_file_bytes=100)
    await hot.read("a", 100)
    hot.forget("a")
    hot.forget("never was")

    assert (hot.get("a"), hot.bytes) == (None, 0)


async def test_what_goes_while_it_is_read_is_not_kept(disk: Watched) -> None:
    hot = HotFiles(disk, max_bytes=300, max_file_bytes=100)
    disk.go_on.clear()
    reading = asyncio.create_task(hot.read("a", 100))
    async with asyncio.timeout(PATIENCE_S):
        while not disk.reads:  # noqa: ASYNC110 (it has begun when it is counted)
            await asyncio.sleep(0)
    hot.forget("a")
    disk.go_on.set()

    assert await reading == b"a" * 100
    assert (hot.get("a"), hot.bytes) == (None, 0)


async def test_a_missing_file_is_told_to_all_who_ask_and_asked_for_again(
    disk: Watched, tmp_path: Path
) -> None:
    hot = HotFiles(disk, max_bytes=300, max_file_bytes=100)
    found = await asyncio.gather(*(hot.read("x", 5) for _ in range(3)), return_exceptions=True)

    assert [type(one) for one in found] == [FileNotFoundError] * 3
    (tmp_path / "x").write_bytes(b"12345")
    assert await hot.read("x", 5) == b"12345"


async def test_a_file_that_became_shorter_is_not_kept(disk: Watched) -> None:
    hot = HotFiles(disk, max_bytes=300, max_file_bytes=200)
    with pytest.raises(StorageFailed):
        await hot.read("a", 101)

    assert hot.bytes == 0


async def test_no_bytes_means_no_files(disk: Watched) -> None:
    assert HotFiles(disk, max_bytes=0, max_file_bytes=100).max_file_bytes == 0
