"""A lane: one child at a time, always replaced; a death costs the task that caused it alone."""

import asyncio
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pool import child
from pool.fault import Fault
from pool.link import News
from pool.records import Header, Outcome, ProbeTask, Progress, Task
from pool.sandbox import Sandbox
from pool.settings import LaneSettings
from pool.watch import rss_bytes
from pool.worker import CLOSED, UNREADABLE, Answer, ChildDied, NotStarted, Work, Worker

__all__ = ["ChildDied", "Lane", "LaneSettings", "NotStarted"]

GivenTask = TypeVar("GivenTask")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


class Lane:
    """Takes up to two tasks at once: one runs, one waits in the child so that it never idles."""

    def __init__(
        self, name: str, *, on_progress: Callable[[Progress], None], settings: LaneSettings
    ) -> None:
        self.name = name
        self.restarts: Counter[str] = Counter()
        self._on_progress = on_progress
        self._settings = settings
        self._worker: Worker | None = None
        self._lives: dict[Worker, asyncio.Task[None]] = {}  # the present child and those leaving
        self._keeper: asyncio.Task[None] | None = None
        self._arrived = asyncio.Condition()
        self._is_closed = False
        self._tasks_done_before = 0

    async def start(self) -> None:
        """Return when a child is up and warm; raises ChildDied if it does not come up."""
        self._worker = await self._bring_up()
        self._keeper = asyncio.create_task(self._keep(), name=f"{self.name}: keeper")

    async def close(self) -> None:
        """Return when no child is left; tasks still in hand raise NotStarted."""
        self._is_closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        for worker in self._lives:
            worker.kill(CLOSED)
        await asyncio.gather(*self._lives.values())
        async with self._arrived:
            self._arrived.notify_all()
        if self._keeper is not None and not self._keeper.cancelled():
            self._keeper.result()  # it had died of something unforeseen: say so

    async def develop(self, tasks: Sequence[Task]) -> list[Outcome | ChildDied | NotStarted]:
        """Several tasks go to the child together and are done one after the other.

        In the place of an Outcome stands how the child died on that task, or that it never began.
        """
        works = [
            Work(task, task.deadline_s, task.job_id, functools.partial(self._tell, task))
            for task in tasks
        ]
        worker = await self._at_work()
        if worker is None:
            return [NotStarted() for _ in tasks]
        answers = await worker.run(child.develop, works)
        return [
            self._checked(worker, task, answer) for task, answer in zip(tasks, answers, strict=True)
        ]

    async def probe(self, task: ProbeTask) -> Header | Fault:
        """Raises ChildDied or NotStarted."""
        answer = await self.run(child.probe, task, deadline_s=self._settings.probe_deadline_s)
        if isinstance(answer, Header | Fault):
            return answer
        raise ChildDied(UNREADABLE)

    async def run(
        self,
        function: Callable[[GivenTask], object],
        task: GivenTask,
        *,
        deadline_s: float = 10.0,
        job_id: str | None = None,
    ) -> object:
        """Any function that a child can import; its answer must be one that pool.answers allows.

        Raises ChildDied or NotStarted.
        """
        worker = await self._at_work()
        if worker is None:
            raise NotStarted
        [answer] = await worker.run(function, [Work(task, deadline_s, job_id)])
        if isinstance(answer, ChildDied | NotStarted):
            raise answer
        return answer

    def cancel(self, job_id: str) -> None:
        """The job then ends with the fault `cancelled`, at the latest after `cancel_grace_s`."""
        for worker in self._lives:
            worker.cancel(job_id)

    @property
    def is_alive(self) -> bool:
        """Whether a child is up, and is replaced when it dies."""
        return (
            self._worker is not None
            and not self._worker.is_dead
            and not self._is_closed
            and (self._keeper is None or not self._keeper.done())
        )

    @property
    def pid(self) -> int | None:
        return self._worker.greeting.pid if self._worker and self._worker.greeting else None

    @property
    def rss_bytes(self) -> int:
        return rss_bytes(self.pid) if self.pid is not None else 0

    @property
    def sandbox(self) -> Sandbox | None:
        return self._worker.greeting.sandbox if self._worker and self._worker.greeting else None

    @property
    def running(self) -> tuple[str, ...]:
        """Ids of the jobs that have begun."""
        return tuple(job_id for worker in self._lives for job_id in worker.running)

    @property
    def tasks_done(self) -> int:
        return self._tasks_done_before + sum(worker.tasks_done for worker in self._lives)

    async def _keep(self) -> None:
        """Put a new child in the place of one that died or is worn out, again and again."""
        pause_s = 0.0
        while self._worker is not None:
            leaving = self._worker
            self.restarts[await asyncio.shield(leaving.leaving)] += 1
            if leaving.has_begun:
                pause_s = 0.0
            while True:
                await asyncio.sleep(pause_s)
                # Children that die without having worked point at the machine, not at a picture.
                pause_s = min(max(FIRST_PAUSE_S, 2 * pause_s), LONGEST_PAUSE_S)
                try:
                    self._worker = await self._bring_up()
                    break
                except ChildDied as died:
                    self.restarts[died.reason] += 1
            leaving.retire()
            async with self._arrived:
                self._arrived.notify_all()

    async def _bring_up(self) -> Worker:
        worker = Worker(self.name, self._settings)
        life = asyncio.create_task(worker.live(), name=f"{self.name}: child")
        self._lives[worker] = life
        life.add_done_callback(lambda _: self._forget(worker))
        await asyncio.shield(worker.born)
        return worker

    def _forget(self, worker: Worker) -> None:
        self._tasks_done_before += worker.tasks_done
        del self._lives[worker]

    def _tell(self, task: Task, news: News) -> None:
        if news.stage is not None:
            self._on_progress(Progress(task.job_id, task.attempt, news.stage, news.percent))

    def _checked(
        self, worker: Worker, task: Task, answer: Answer
    ) -> Outcome | ChildDied | NotStarted:
        if isinstance(answer, Fault):
            return Outcome(task.job_id, task.attempt, (), answer, {}, 0)
        if isinstance(answer, ChildDied | NotStarted):
            return answer
        if isinstance(answer, Outcome) and _belongs_to(task, answer):
            return answer
        worker.kill(UNREADABLE)
        return ChildDied(UNREADABLE)

    async def _at_work(self) -> Worker | None:
        """The child that takes tasks now; None when there is none for too long."""
        if not self.is_alive:
            try:
                async with asyncio.timeout(self._settings.start_timeout_s), self._arrived:
                    await self._arrived.wait_for(lambda: self.is_alive or self._is_closed)
            except TimeoutError:
                return None
        return None if self._is_closed else self._worker


def _belongs_to(task: Task, outcome: Outcome) -> bool:
    """A child's word on where its files lie is checked: the server opens them."""
    workdir = Path(task.workdir)
    return (outcome.job_id, outcome.attempt) == (task.job_id, task.attempt) and all(
        Path(output.path).parent == workdir for output in outcome.outputs
    )
