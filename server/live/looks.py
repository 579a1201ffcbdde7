"""How a job stands, asked of Redis once for all who begin to watch it at one moment.

After a restart ten thousand browsers come back within seconds, most of them for a few batches.
"""

import asyncio

from server.jobs.links import Links
from server.jobs.queue import JobQueue
from server.live.mailbox import Event


class Looks:
    """At most one question about a job or batch is under way; who comes meanwhile shares the next.

    Never the one under way: its answer may be older than an event that was told before they came.
    """

    def __init__(self, queue: JobQueue, links: Links) -> None:
        self._queue = queue
        self._links = links
        self._next: dict[str, asyncio.Task[Event | None]] = {}
        self._last: dict[str, asyncio.Task[Event | None]] = {}

    async def look(self, watched_id: str) -> Event | None:
        """As it stands now or a moment later; None: there is no such job or batch.

        Raises RedisError, OSError.
        """
        looking = self._next.get(watched_id)
        if looking is None:
            before = self._last.get(watched_id)
            looking = asyncio.create_task(self._look_after(before, watched_id))
            self._next[watched_id] = self._last[watched_id] = looking
            looking.add_done_callback(lambda task: self._end(watched_id, task))
        return await asyncio.shield(looking)

    async def _look_after(
        self, before: "asyncio.Task[Event | None] | None", watched_id: str
    ) -> Event | None:
        if before is not None:
            await asyncio.wait([before])
        del self._next[watched_id]  # whoever comes from now on needs a newer answer
        subject = await self._queue.look(watched_id)
        return None if subject is None else Event.of(subject, self._links)

    def _end(self, watched_id: str, task: "asyncio.Task[Event | None]") -> None:
        if self._last.get(watched_id) is task:
            del self._last[watched_id]
        if not task.cancelled():
            task.exception()  # told to all who wait; there may be none any more
