"""Files that nobody holds: thrown away by a script, deleted from the storage by any node.

They stay in the trash until they are deleted, so that a node that dies in between loses nothing.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from redis.asyncio import Redis

from server.counting import Counts
from server.jobs import names
from server.jobs.scripts import Scripts

_RESULTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Discarded:
    """An original by its key, or all results of a job by its id."""

    kind: Literal["original", "results"]
    what: str

    @classmethod
    def from_member(cls, member: str) -> "Discarded":
        """As the scripts write it."""
        kind, _, what = member.partition(" ")
        return cls(cast(Literal["original", "results"], kind), what)

    @property
    def member(self) -> str:
        """As it stands in the sorted set."""
        return f"{self.kind} {self.what}"


class Trash:
    """What is to be deleted, and what may not be."""

    def __init__(self, redis: Redis, scripts: Scripts) -> None:
        self._redis = redis
        self._scripts = scripts
        self.removed = Counts("what", known=("expired", "file", "orphan"))
        """What this node has cleaned away: jobs and originals whose time has ended, files that
        nobody held, orphans."""

    async def due(self, most: int) -> list[Discarded]:
        """What to delete from the storage now, the oldest first."""
        now = int(time.time() * 1000)
        members = await self._redis.zrangebyscore(names.TRASH, "-inf", now, start=0, num=most)
        return [Discarded.from_member(str(member)) for member in members]

    async def coming(self) -> tuple[set[str], set[str]]:
        """Ids of the jobs whose time is over, and of those whose originals' time is."""
        now = int(time.time() * 1000)
        jobs, originals = [
            {str(one) for one in await self._redis.zrangebyscore(name, "-inf", now)}
            for name in (names.EXPIRY, names.ORIGINALS)
        ]
        return jobs, originals

    async def holders(self, files: Discarded, digest: str) -> set[str]:
        """The jobs that hold the original of a digest, or show what a job has made."""
        is_original = files.kind == "original"
        name = names.blob(digest) if is_original else names.made(files.what)
        members: Any = self._redis.smembers(name)
        return {str(one) for one in await members}

    async def forget(self, deleted: Sequence[Discarded]) -> None:
        """These are gone from the storage."""
        if deleted:
            await self._redis.zrem(names.TRASH, *(one.member for one in deleted))

    async def put_off(self, one: Discarded, delay_s: float) -> None:
        """The storage would not delete it; try again later, and others before it."""
        due = int((time.time() + delay_s) * 1000)
        await self._redis.zadd(names.TRASH, {one.member: due}, xx=True)

    async def originals_held(self) -> set[str]:
        """The keys of all originals that a job holds. Looks at every one of them, a part a time.

        One that is held from before the call until after it is in the answer.
        """
        held: set[str] = set()
        cursor = "0"
        while True:
            cursor, originals, _ = await self._scripts.held(args=[cursor])
            held.update(originals)
            if cursor == "0":
                return held

    async def results_held(self, job_ids: Sequence[str]) -> set[str]:
        """Those of the jobs whose results a job shows, or that may store some yet."""
        held: set[str] = set()
        for start in range(0, len(job_ids), _RESULTS_AT_ONCE):
            some = job_ids[start : start + _RESULTS_AT_ONCE]
            _, _, results = await self._scripts.held(args=["0", *some])
            held.update(results)
        return held

    async def begin_sweep(self, interval_s: float) -> bool:
        """Whether no node has swept within the interval; the asking one does it then."""
        return bool(await self._redis.set(names.SWEEP, 1, nx=True, px=int(interval_s * 1000)))
