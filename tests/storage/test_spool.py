"""Bytes on their way into the spool."""

import asyncio
import threading
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from server.storage.spool import Spool
from server.storage.threads import in_thread, to_its_end

MIB = 1024 * 1024


async def test_a_cancelled_receive_waits_for_the_write_under_way() -> None:
    """Else it would touch a file, or the number of one, that is another's by then."""
    may_end, has_ended = threading.Event(), threading.Event()

    def write() -> None:
        may_end.wait(5)
        has_ended.set()

    receiving = asyncio.create_task(to_its_end(in_thread(write)))
    await asyncio.sleep(0)
    receiving.cancel()
    done, _ = await asyncio.wait([receiving], timeout=0.1)
    assert not done
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert has_ended.is_set()


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 3 * MIB])
async def test_what_comes_is_on_disk_with_its_digest(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    made = Spool(tmp_path, max_upload_bytes=10 * MIB, refuse_if_low=lambda: None)
    made.prepare()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 100_000):
            yield content[start : start + 100_000]

    spooled = await made.receive("a", "a.jpg", chunks())

    assert spooled.path.read_bytes() == content
    assert (spooled.bytes, spooled.digest) == (size, sha256(content).hexdigest())
