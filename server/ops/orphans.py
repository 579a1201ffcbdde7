"""Finds files that no job knows: what was written before a crash, and what Redis has lost.

What jobs let go of goes by the trash and is no orphan. A file that is younger than the grace time
may belong to a job that is just about to exist.
"""

import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from server.jobs.trash import Discarded, Trash
from server.storage.storage import ORIGINALS, RESULTS, Storage, Stored


@dataclass(frozen=True, slots=True)
class Orphan:
    """Files to delete together, and how many bytes they have."""

    files: Discarded
    bytes: int


async def find_orphans(
    storage: Storage, trash: Trash, *, grace_s: float, incoming: Collection[str]
) -> list[Orphan]:
    """Originals and results that nobody holds; not those whose uploads are still `incoming`."""
    written_before_ms = int((time.time() - grace_s) * 1000)
    originals = [
        one
        async for one in _older(storage.objects(ORIGINALS), written_before_ms)
        if _owner(one.key) not in incoming
    ]
    results: dict[str, int] = {}
    async for one in _older(storage.objects(RESULTS), written_before_ms):
        maker = _owner(one.key)
        results[maker] = results.get(maker, 0) + one.bytes
    # Listed first, asked then: what was let go of in between is in the trash as well.
    held = await trash.originals_held() if originals else set()
    makers = await trash.results_held(list(results)) if results else set()
    return [
        *(
            Orphan(Discarded("original", one.key), one.bytes)
            for one in originals
            if one.key not in held
        ),
        *(
            Orphan(Discarded("results", maker), total)
            for maker, total in results.items()
            if maker not in makers
        ),
    ]


async def _older(objects: AsyncIterator[Stored], than_ms: int) -> AsyncIterator[Stored]:
    async for one in objects:
        # A bucket may have others' files: what is not named as ours are is left alone.
        if one.modified_ms <= than_ms and one.key.count("/") >= 2:
            yield one


def _owner(key: str) -> str:
    """The job in whose name a file was written: top/xx/{id} or top/xx/{id}/file."""
    return key.split("/")[2]
