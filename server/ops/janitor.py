"""Ends the time of what is due, empties the trash, and looks now and then for orphans.

Each step stands for itself: killed anywhere, the next round or another node goes on.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from redis.exceptions import RedisError

from server.config.sections import ImageSettings
from server.jobs.queue import JobQueue
from server.jobs.trash import Discarded
from server.ops.orphans import find_orphans
from server.storage.storage import Storage

log = structlog.get_logger(__name__)

_INTERVAL_S = 2.0
_AT_ONCE = 100
_TRY_AGAIN_S = 60.0


class Janitor:
    """Looks for due jobs every few seconds. `incoming` tells whose uploads are under way here."""

    def __init__(
        self,
        queue: JobQueue,
        storage: Storage,
        settings: ImageSettings,
        *,
        incoming: Callable[[], Sequence[str]],
    ) -> None:
        self._queue = queue
        self._storage = storage
        self._settings = settings
        self._incoming = incoming
        self._removed = queue.trash.removed

    async def run(self) -> None:
        """Clean for as long as the process lives."""
        while True:
            try:
                await self.clean()
                if await self._queue.trash.begin_sweep(self._settings.sweep_every_s):
                    await self.sweep()
            except (RedisError, OSError) as error:
                log.warning("cannot clean up", error=str(error))
            await asyncio.sleep(_INTERVAL_S)

    async def clean(self) -> int:
        """Expire all that is due and delete what nobody holds; returns how many were deleted."""
        expired = 0
        while due := await self._queue.expire_due(_AT_ONCE):
            expired += due
            self._removed.add("expired", amount=due)
        removed = 0
        while discarded := await self._queue.trash.due(_AT_ONCE):
            removed += (deleted := await self._delete(discarded))
            self._removed.add("file", amount=deleted)
        if expired or removed:
            log.info("cleaned up", expired=expired, removed=removed)
        return removed

    async def sweep(self) -> int:
        """Delete orphans older than the grace time, and end puts that nobody will; how many orphans
        there were.
        """
        orphans = await find_orphans(
            self._storage,
            self._queue.trash,
            grace_s=self._settings.orphan_grace_s,
            incoming=await asyncio.to_thread(self._incoming),
        )
        for orphan in orphans:
            await delete(self._storage, orphan.files)
            self._removed.add("orphan")
        aborted = await self._storage.abort_half_puts(older_than_s=self._settings.orphan_grace_s)
        if aborted:
            log.warning("ended uploads to the bucket that nobody would", uploads=aborted)
        if orphans:
            total = sum(orphan.bytes for orphan in orphans)
            log.warning("removed orphans", orphans=len(orphans), bytes=total)
        return len(orphans)

    async def _delete(self, discarded: Sequence[Discarded]) -> int:
        deleted = []
        for one in discarded:
            try:
                await delete(self._storage, one)
            except OSError as error:
                log.warning("cannot delete", what=one.member, error=str(error))
                await self._queue.trash.put_off(one, _TRY_AGAIN_S)
            else:
                deleted.append(one)
        await self._queue.trash.forget(deleted)
        return len(deleted)


async def delete(storage: Storage, discarded: Discarded) -> None:
    """Delete files that nobody holds; those that are gone already are fine."""
    if discarded.kind == "original":
        await storage.delete(discarded.what)
    else:
        await storage.delete_results(discarded.what)
