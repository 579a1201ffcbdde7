"""Progress of the running jobs, newest only, published for all of them together."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import RedisError

from pool import Progress, Stage
from server.jobs.queue import JobQueue

log = structlog.get_logger(__name__)


class ProgressBoard:
    """Workers tell often; Redis hears of it once an interval, in one call.

    It hears nothing of what has not been at work for an interval: most small pictures are done by
    then, and telling of their middle would cost as much as telling of their end.
    """

    def __init__(
        self, queue: JobQueue, *, interval_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._interval_s = interval_s
        self._tokens: dict[str, int] = {}
        self._since: dict[str, float] = {}  # the first report of the open ones
        self._newest: dict[str, tuple[str, int, str, int]] = {}
        self._last: dict[str, tuple[str, int]] = {}  # of the open ones

    @contextmanager
    def open(self, job_id: str, token: int) -> Iterator[None]:
        """Take reports of this attempt of a job; after its end they are of no interest."""
        self._tokens[job_id] = token
        try:
            yield
        finally:
            if self._tokens.get(job_id) == token:  # else a later attempt is under way here
                del self._tokens[job_id]
                self._since.pop(job_id, None)
                self._newest.pop(job_id, None)
                self._last.pop(job_id, None)

    def receive(self, progress: Progress) -> None:
        """A worker's report."""
        if self._tokens.get(progress.job_id) == progress.attempt:
            self.note(progress.job_id, progress.stage, progress.percent)

    def note(self, job_id: str, stage: Stage, percent: int) -> None:
        """How far an open job is."""
        if job_id in self._tokens:
            self._since.setdefault(job_id, self._clock())
            self._newest[job_id] = (job_id, self._tokens[job_id], stage.value, percent)
            self._last[job_id] = (stage.value, percent)

    def of(self, job_id: str) -> tuple[str, int] | None:
        """Stage and percent of an open job; None where nothing was told yet."""
        return self._last.get(job_id)

    async def run(self) -> None:
        """Publish for as long as the process lives."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.publish()
            except (RedisError, OSError) as error:
                log.debug("progress is not published", error=str(error))  # newer will follow

    async def publish(self) -> None:
        """Tell what is new of those that have been at work for long enough."""
        begun_before = self._clock() - self._interval_s
        due = [job_id for job_id in self._newest if self._since[job_id] <= begun_before]
        reports = [self._newest.pop(job_id) for job_id in due]
        if reports:
            await self._queue.report(reports)
