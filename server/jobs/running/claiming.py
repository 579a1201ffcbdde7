"""Claims while there is news and room, and keeps the task of all that is in hand.

Most claims would bring nothing otherwise: one after each job that ends, one for each wake that was
meant for others.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

import structlog
from redis.exceptions import RedisError

from server.jobs.job import Job

log = structlog.get_logger(__name__)

Held = TypeVar("Held")

POLL_S = 1.0
"""Asked so often in any case, for what is delayed and for a wake that was lost."""


class Claiming(Generic[Held]):
    """One claimer's loop. Held: what is noted of each task in hand."""

    def __init__(self, changed: asyncio.Event) -> None:
        """changed: set when there is news or room; the loop clears it."""
        self.held: dict[asyncio.Task[None], Held] = {}
        self.turn = asyncio.Lock()
        """Whoever claims has it, so that nobody else fills the same room."""
        self.is_draining = False
        self._changed = changed
        self._has_come = True
        self._asked_at = -POLL_S

    @property
    def is_due(self) -> bool:
        """Whether a claim may bring something: some came, some was left, or a while has passed."""
        return self._has_come or time.monotonic() >= self._asked_at + POLL_S

    def ask(self) -> None:
        """A claim begins: what comes from now on may be too late for it."""
        self._has_come = False
        self._asked_at = time.monotonic()

    def note_left(self, left: int) -> None:
        """So many were left by a claim."""
        self._has_come = self._has_come or left > 0

    def wake(self) -> None:
        """There may be work."""
        self._has_come = True
        self._changed.set()

    async def run(
        self, claim: Callable[[], Awaitable[bool]], *, wait_s: Callable[[], float] = lambda: POLL_S
    ) -> None:
        """Claim until drained. claim: whether it took any; wait_s: how long to wait for news."""
        while not self.is_draining:
            self._changed.clear()
            async with self.turn:
                has_claimed = await claim()
            if not has_claimed:
                await self._wait_for_news(wait_s())
        await asyncio.Event().wait()  # a part ends only when it is told to

    def begin(
        self,
        work: Coroutine[Any, Any, None],
        jobs: Sequence[Job],
        held: Held,
        *,
        let_go: Callable[[Held], None],
    ) -> None:
        """Have jobs in hand until their work ends; then `let_go`."""

        def ended(task: asyncio.Task[None]) -> None:
            let_go(self.held.pop(task))
            if not task.cancelled() and (error := task.exception()) is not None:
                # The leases run out, and another attempt follows.
                log.error(
                    "jobs could not be carried",
                    job_ids=[job.job_id for job in jobs],
                    error=str(error),
                    exc_info=None if isinstance(error, RedisError) else error,
                )
            self._changed.set()

        task = asyncio.create_task(work, name=f"job {jobs[0].job_id}")
        self.held[task] = held
        task.add_done_callback(ended)

    async def drain(self, grace_s: float) -> None:
        """Claim no more and let what is in hand end for a while."""
        self.is_draining = True
        self.wake()
        async with self.turn:  # what a claim under way still brings is ours to end
            pass
        if self.held:
            await asyncio.wait(self.held, timeout=grace_s)

    async def stop(self) -> None:
        """Let go of what is still in hand."""
        tasks = list(self.held)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait_for_news(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        except TimeoutError:
            return
