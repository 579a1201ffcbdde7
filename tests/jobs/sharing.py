"""Jobs that may share bytes and results: admitted with real files, carried by hand."""

import hashlib
from pathlib import Path

import orjson
from redis.asyncio import Redis

from server.config.sections import QueueSettings
from server.jobs.arrival import Arrival
from server.jobs.job import Job, JobState, new_job_id
from server.jobs.queue import JobQueue, Room
from server.storage.disk import DiskStorage
from server.storage.storage import original_key, result_key


class Site:
    """One node's queue, and a storage that all nodes share."""

    def __init__(self, redis: Redis, folder: Path, node: str, **times: int) -> None:
        self.folder = folder
        self.redis = redis
        settings = QueueSettings(max_depth=60, bulk_share=3)
        keep_s, keep_original_s = times.get("keep_s", 60), times.get("keep_original_s", 60)
        self.queue = JobQueue(
            redis, settings, node=node, keep_s=keep_s, keep_original_s=keep_original_s
        )
        self.storage = DiskStorage(folder, min_free_bytes=0)

    async def store(self, content: str) -> str:
        """The bytes of a picture that is about to be admitted; returns its id."""
        job_id = new_job_id()
        spooled = self.folder / "spool" / job_id
        spooled.parent.mkdir(parents=True, exist_ok=True)
        spooled.write_text(content)
        await self.storage.put(original_key(job_id), spooled)
        spooled.unlink()
        return job_id

    async def upload(
        self,
        content: str,
        *,
        recipe: str = "{}",
        client: str = "me",
        queue_class: str = "interactive",
        private: bool = False,
        shares: bool = True,
    ) -> str:
        """One picture by content; returns its id."""
        job_id = await self.store(content)
        scope = client if private else ""
        arrival = arrival_of(job_id, content, recipe, scope if shares else None, private=private)
        await self.queue.admit([arrival], client=client, queue_class=queue_class, batch_id=None)
        return job_id

    async def upload_batch(self, *contents: str, batch_id: str) -> None:
        """Pictures by content, admitted together."""
        arrivals = [
            arrival_of(await self.store(content), content, "{}", "", private=False)
            for content in contents
        ]
        await self.queue.admit(arrivals, client="me", queue_class="bulk", batch_id=batch_id)

    async def claim(self, wanted: int = 1) -> list[Job]:
        """The next jobs in line, leased to this node."""
        claimed = await self.queue.claim(Room(wanted, 10**9, is_idle=True))
        return [job for group in claimed.groups for job in group]

    async def store_result(self, job: Job) -> dict[str, str]:
        """What a worker makes of it, stored; returns the fields to settle with."""
        key = result_key(job.job_id, "default.webp")
        made = self.folder / "spool" / f"{job.job_id}.{job.token}"
        made.write_text(f"made by {job.job_id}")
        await self.storage.put(key, made)
        made.unlink()
        variant = {"name": "default", "key": key, "format": "webp", "width": 1, "height": 1}
        return {"variants": orjson.dumps([variant | {"bytes": 1, "digest": "d"}]).decode()}

    async def complete(self, job: Job) -> bool:
        """Store a result and settle; False: it was no longer this node's."""
        return await self.queue.settle(job, JobState.COMPLETED, await self.store_result(job))

    async def job(self, job_id: str) -> Job:
        """As it stands."""
        found = await self.queue.look(job_id)
        assert isinstance(found, Job), job_id
        return found

    async def status(self, job_id: str) -> str:
        """Its state as a word."""
        return (await self.job(job_id)).status.value

    async def counter(self, name: str) -> int:
        """One of the queue's."""
        return int((await self.queue.counters()).get(name, 0))

    def files(self, top: str = "") -> set[str]:
        """Keys of what lies in the storage."""
        return {
            path.relative_to(self.folder).as_posix()
            for part in ([top] if top else ["originals", "results"])
            for path in (self.folder / part).rglob("*")
            if path.is_file()
        }


def arrival_of(
    job_id: str, content: str, recipe: str, scope: str | None, *, private: bool
) -> Arrival:
    """A picture by content, about to be admitted; scope None: it shares no result."""
    return Arrival(
        job_id=job_id,
        name=f"{content}.jpg",
        recipe=recipe,
        original_key=original_key(job_id),
        original_bytes=len(content),
        original_format="jpeg",
        width=1,
        height=1,
        cost_bytes=1,
        group="",
        digest=hashlib.sha256(content.encode()).hexdigest(),
        dedup="" if scope is None else f"{content}/{recipe}/{scope}",
        private=private,
    )
