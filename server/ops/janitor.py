"""Removes what has expired: files first, then the job becomes `expired`."""

import asyncio

import structlog
from redis.exceptions import RedisError

from server.jobs.queue import JobQueue
from server.storage.storage import Storage, original_key

log = structlog.get_logger(__name__)

_INTERVAL_S = 10.0
_AT_ONCE = 100


class Janitor:
    """Looks for due jobs every few seconds."""

    def __init__(self, queue: JobQueue, storage: Storage) -> None:
        self._queue = queue
        self._storage = storage

    async def run(self) -> None:
        """Clean for as long as the process lives."""
        while True:
            try:
                await self.clean()
            except (RedisError, OSError) as error:
                log.warning("cannot clean up", error=str(error))
            await asyncio.sleep(_INTERVAL_S)

    async def clean(self) -> int:
        """Remove all that is due; returns how many jobs' files went."""
        removed = 0
        while due := await self._queue.due(_AT_ONCE):
            for job_id in due:
                await self._remove(job_id)
            removed += len(due)
        if removed:
            log.info("removed expired pictures", jobs=removed)
        return removed

    async def _remove(self, job_id: str) -> None:
        """By the id alone: the hash may be forgotten, or not know what a killed server left."""
        await self._storage.delete(original_key(job_id))
        await self._storage.delete_results(job_id)
        await self._queue.expire(job_id)
