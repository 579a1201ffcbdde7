"""Completed public pictures as they stood a moment ago, so that a hot one costs Redis nothing.

What was read stays for `fresh_s` and no longer, counted from before it was asked for. Mostly it
goes sooner: when a picture's files go, the script that lets go of them says so to every node, and
what was read over a subscription that has broken since is believed no more. So `fresh_s` is the
bound for a message that is lost or late, and not the usual case.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from server.jobs.job import Batch, Job, JobState
from server.jobs.queue import JobQueue


@dataclass(frozen=True, slots=True)
class Head:
    """A job as it was read at a moment (monotonic seconds), and over which subscription.

    answers: whatever else is true for as long as this is.
    """

    job: Job
    asked_at: float
    era: int
    answers: dict[Hashable, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is asked for (monotonic seconds), over which subscription, after what went."""

    asked_at: float
    era: int
    forgotten: int


class Heads:
    """Looks pictures up, and remembers those that everybody may see.

    era: number of the present subscription to what goes (names.GONE), 0 while there is none.
    """

    def __init__(
        self,
        queue: JobQueue,
        *,
        most: int,
        fresh_s: float,
        era: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._most = most
        self._fresh_s = fresh_s
        self._era = era
        self._clock = clock
        self._known: OrderedDict[str, Head] = OrderedDict()
        self._looking: dict[str, asyncio.Task[Job | Batch | None]] = {}
        self._forgotten = 0  # how many times

    def head(self, image_id: str) -> Head | None:
        """The completed public picture, where it need not be asked for."""
        head = self._known.get(image_id)
        if head is None:
            return None
        if head.era != self._era() or self._clock() - head.asked_at >= self._fresh_s:
            del self._known[image_id]
            return None
        self._known.move_to_end(image_id)
        return head

    def moment(self) -> Moment:
        """To be taken before what `note` shall remember is asked for."""
        return Moment(time.monotonic(), self._era(), self._forgotten)

    def note(self, job: Job, moment: Moment) -> None:
        """Remember a job that was read elsewhere, unless something has gone since the moment."""
        is_shown = job.status is JobState.COMPLETED and not job.private
        if is_shown and moment.era and moment.forgotten == self._forgotten:
            self._keep(Head(job, moment.asked_at, moment.era))

    async def look(self, some_id: str) -> Job | Batch | None:
        """A job or a batch; of many who ask at one moment for the same, one asks Redis."""
        head = self.head(some_id)
        if head is not None:
            return head.job
        looking = self._looking.get(some_id)
        if looking is None:
            looking = asyncio.create_task(self._look(some_id))
            self._looking[some_id] = looking
            looking.add_done_callback(lambda task: self._end(some_id, task))
        return await asyncio.shield(looking)

    def forget(self, image_id: str) -> Job | None:
        """Its files go: whoever asks from now on asks Redis. Returns what was known."""
        self._forgotten += 1
        self._looking.pop(image_id, None)  # what it brings was true before, and is not kept
        head = self._known.pop(image_id, None)
        return None if head is None else head.job

    async def _look(self, some_id: str) -> Job | Batch | None:
        me, era, asked_at = asyncio.current_task(), self._era(), self._clock()
        found = await self._queue.look(some_id)
        is_whole = isinstance(found, Job) and found.status is JobState.COMPLETED
        if era and is_whole and self._looking.get(some_id) is me:
            assert isinstance(found, Job)
            if not found.private:
                self._keep(Head(found, asked_at, era))
        return found

    def _keep(self, head: Head) -> None:
        self._known[head.job.job_id] = head
        self._known.move_to_end(head.job.job_id)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def _end(self, some_id: str, task: "asyncio.Task[Job | Batch | None]") -> None:
        if self._looking.get(some_id) is task:
            del self._looking[some_id]
        if not task.cancelled():
            task.exception()  # whoever asked was told; if all of them have left, nobody need be
