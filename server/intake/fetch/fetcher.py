"""Claims URL jobs for as long as this node has room, and keeps every fetch's task.

All other waiting happens in Redis, so that every node sees the same line.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog
from redis.exceptions import RedisError

from server.config.sections import FetchSettings
from server.intake.fetch.job import JobFetcher
from server.jobs import names
from server.jobs.job import Job, JobState
from server.jobs.queue import JobQueue
from server.jobs.running.claiming import Claiming
from server.jobs.urls import UrlQueue
from server.refusals import DiskFull

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Fetcher:
    """The part of this node that fetches."""

    def __init__(
        self,
        urls: UrlQueue,
        queue: JobQueue,
        jobs: JobFetcher,
        settings: FetchSettings,
        *,
        beat_s: float,
    ) -> None:
        self._urls = urls
        self._queue = queue
        self._jobs = jobs
        self._settings = settings
        self._beat_s = beat_s
        self.outcomes = jobs.outcomes
        """What has become of the URLs that this node fetched."""
        self._stoppables: dict[str, asyncio.Task[Any]] = {}  # of a turn or a download
        self._unwanted: set[str] = set()
        self._stopping: set[str] = set()
        self._hosts = _Hosts(settings.host_concurrency)
        self._claiming = Claiming[Job](asyncio.Event())
        # The rest is for single pictures, for which somebody waits.
        self._most_of_batches = max(1, settings.concurrency * 3 // 4)

    @property
    def held(self) -> list[Job]:
        """The jobs whose leases this node must renew."""
        return list(self._claiming.held.values())

    def wake(self) -> None:
        """There may be URLs."""
        self._claiming.wake()

    def cancel(self, job_id: str) -> None:
        """Stop a job that waits or downloads; one past that notices when it is sent on."""
        if any(job.job_id == job_id for job in self.held):
            self._unwanted.add(job_id)
        if job_id in self._stoppables:
            self._stoppables[job_id].cancel()

    async def run(self) -> None:
        """Claim and fetch until drained, and give up batches whose reader died."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._claiming.run(self._claim_some))
            group.create_task(self._beat_for_ever(group))

    async def drain(self, grace_s: float) -> None:
        """Claim no more and let the fetches end for a while."""
        await self._claiming.drain(grace_s)

    async def stop(self) -> list[Job]:
        """Let go of what is still being fetched; returns it."""
        unfinished = self.held
        await self._claiming.stop()
        return unfinished

    async def _claim_some(self) -> bool:
        held = self.held
        room = self._settings.concurrency - len(held)
        if room <= 0 or not self._claiming.is_due:
            return False
        self._claiming.ask()
        classes = Counter(job.queue_class for job in held)
        of_batches = self._most_of_batches - classes[names.FETCH_CLASSES[1]]
        try:
            self._jobs.refuse_if_low()
            jobs = await self._urls.claim(room, of_batches=of_batches)
        except DiskFull as error:
            log.warning("nothing is fetched", error=error.detail)
            return False
        except (RedisError, OSError) as error:
            log.warning("cannot claim URLs", error=str(error))
            return False
        self._claiming.note_left(self._urls.left_waiting)
        for job in jobs:
            self._claiming.begin(self._carry(job), [job], job, let_go=self._let_go)
        return bool(jobs)

    async def _carry(self, job: Job) -> None:
        host = urlsplit(job.source_url or "").netloc
        try:
            await self._stoppable(job, self._hosts.enter(host))
            try:
                await self._jobs.carry(job, self._stoppable)
            finally:
                self._hosts.leave(host)
        except _Stopped:
            await self._end_stopped(job)

    async def _stoppable(self, job: Job, work: Coroutine[Any, Any, T]) -> T:
        """Await what cancel() may stop at any moment: waiting for a turn, and the download."""
        task = asyncio.create_task(work)
        self._stoppables[job.job_id] = task
        if job.job_id in self._unwanted:
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            if job.job_id in self._unwanted:
                raise _Stopped from None
            task.cancel()
            await asyncio.wait([task])
            raise
        finally:
            del self._stoppables[job.job_id]

    async def _end_stopped(self, job: Job) -> None:
        """Cancelled as somebody asked; where nobody did, its lease was lost and it is another's."""
        if await self._queue.settle(job, JobState.CANCELLED, {}):
            log.info("job settled", job_id=job.job_id, to="cancelled")

    def _let_go(self, job: Job) -> None:
        self._unwanted.discard(job.job_id)

    async def _beat_for_ever(self, group: asyncio.TaskGroup) -> None:
        while True:
            await asyncio.sleep(self._beat_s)
            try:
                for batch_id in await self._urls.beat():
                    if batch_id not in self._stopping:  # a long one takes several beats
                        self._stopping.add(batch_id)
                        group.create_task(self._stop_batch(batch_id))
            except (RedisError, OSError) as error:
                log.warning("batches are not looked after", error=str(error))

    async def _stop_batch(self, batch_id: str) -> None:
        log.info("stopping what is left of a batch", batch_id=batch_id)
        try:
            await self._queue.cancel_batch(batch_id)
        except (RedisError, OSError) as error:
            log.warning("a batch is stopped later", batch_id=batch_id, error=str(error))
        finally:
            self._stopping.discard(batch_id)


class _Stopped(Exception):
    """A turn or a download was stopped by cancel()."""


class _Hosts:
    """Turns at a host, a few at a time; a host that nobody asks is forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._doors: dict[str, asyncio.Semaphore] = {}
        self._visitors: Counter[str] = Counter()

    async def enter(self, host: str) -> None:
        """Wait for a turn at the host, which ends with leave()."""
        if not host:  # nobody is asked: the picture is here
            return
        door = self._doors.setdefault(host, asyncio.Semaphore(self._most))
        self._visitors[host] += 1
        try:
            await door.acquire()
        except BaseException:
            self._go(host)
            raise

    def leave(self, host: str) -> None:
        """The next one may enter."""
        if host:
            self._doors[host].release()
            self._go(host)

    def _go(self, host: str) -> None:
        self._visitors[host] -= 1
        if not self._visitors[host]:
            del self._doors[host], self._visitors[host]
