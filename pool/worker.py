"""One child as its parent sees it, from birth to death: what it holds, and who is to blame."""

import asyncio
import pickle
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any

from pool import child
from pool.answers import LONGEST_ANSWER_BYTES, read_answer
from pool.child import Order
from pool.fault import Fault
from pool.kill import WHY
from pool.letters import Inbox, Outbox
from pool.link import News
from pool.nursery import Birth
from pool.settings import LaneSettings
from pool.watch import Watch, rss_bytes

MAX_TASKS, MAX_RSS = "max tasks", "max rss"
CLOSED = "closed"
UNREADABLE = "unreadable answer"


class ChildDied(Exception):
    """The child died while this task was running."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the child died: {reason}")
        self.reason = reason


class NotStarted(Exception):
    """The child went away before this task began: run it again, without blame."""


# What a task ends with: what its function returned, or why there is nothing.
Answer = object | ChildDied | NotStarted


@dataclass(frozen=True, slots=True)
class Work:
    """A task with what its parent has to know about it."""

    task: object
    deadline_s: float
    job_id: str | None = None
    on_news: Callable[[News], None] | None = None


@dataclass(slots=True, eq=False)
class Held:
    """One task in the child's hands."""

    number: int
    work: Work
    answer: asyncio.Future[Answer]
    began_at: float | None = None
    has_ended: bool = False  # the next of its group has begun
    cancelled_at: float | None = None

    @property
    def is_running(self) -> bool:
        return self.began_at is not None and not self.has_ended


class Worker:
    """`live` is its life, for its owner to await; `leaving` tells that it needs a successor."""

    def __init__(self, name: str, settings: LaneSettings) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._birth = Birth(name, settings)
        self._outbox = Outbox(self._birth.ends.tasks.fileno(), self._loop)
        self._inbox = Inbox(self._birth.ends.answers.fileno(), longest_bytes=LONGEST_ANSWER_BYTES)
        self._groups: deque[Sequence[Held]] = deque()  # in the order of their answers
        self._numbers = count(1)
        self._held: dict[int, Held] = {}
        self.has_begun = False  # any task at all
        self._gone = asyncio.Event()
        self._watch = Watch(self._look, settings.watch_every_s)
        self._quiet_since = 0.0  # since when no task runs though one may wait
        self._verdict: str | None = None  # why we killed it
        self._is_retiring = False
        self.greeting: child.Greeting | None = None
        self.tasks_done = 0
        self.born: asyncio.Future[child.Greeting] = self._loop.create_future()
        self.leaving: asyncio.Future[str] = self._loop.create_future()

    @property
    def is_dead(self) -> bool:
        return self._gone.is_set()

    @property
    def running(self) -> tuple[str, ...]:
        """Ids of the jobs that have begun."""
        begun = (held.work.job_id for held in self._held.values() if held.is_running)
        return tuple(job_id for job_id in begun if job_id is not None)

    async def live(self) -> None:
        """Come up, serve until dead or dismissed, settle what is still held."""
        ends = self._birth.ends
        try:
            self._greet(await asyncio.to_thread(self._birth.bring_up))
            await self._gone.wait()
        except (BrokenExecutor, OSError, TimeoutError) as error:
            self._verdict = self._verdict or f"did not start: {type(error).__name__}"
        finally:
            self._gone.set()
            self._watch.end()
            self._loop.remove_reader(ends.news.fileno())
            self._loop.remove_reader(ends.answers.fileno())
            self._outbox.close()
            self._birth.kill()  # a dismissed one too: it is idle and has nothing to tidy
            ended = await asyncio.to_thread(self._birth.bury)
            while heard := ends.hear():  # what began last decides whom to blame
                self._take(heard)
            while self._read_answers():
                pass
            ends.close()
            self._settle(self._verdict or ended)

    async def run(self, function: Callable[[Any], object], works: Sequence[Work]) -> list[Answer]:
        """Do all of it in one go, one after the other; the answers come in the same order."""
        holds = [Held(next(self._numbers), work, self._loop.create_future()) for work in works]
        orders = tuple(Order(held.number, held.work.deadline_s, held.work.task) for held in holds)
        letter = pickle.dumps((orders, function), pickle.HIGHEST_PROTOCOL)
        if self.is_dead:
            return [NotStarted() for _ in works]
        if not self._held:
            self._quiet_since = time.monotonic()
        self._held |= {held.number: held for held in holds}
        self._groups.append(holds)
        self._watch.begin()
        self._outbox.send(letter)
        try:
            return await asyncio.gather(*(held.answer for held in holds))
        except asyncio.CancelledError:
            for held in holds:
                self._cancel(held)
            raise

    def cancel(self, job_id: str) -> None:
        for held in self._held.values():
            if held.work.job_id == job_id:
                self._cancel(held)

    def retire(self) -> None:
        """Leave when the tasks in hand are done."""
        self._is_retiring = True
        if not self._held:
            self._gone.set()

    def kill(self, verdict: str) -> None:
        """The first reason stands."""
        if not self.is_dead:
            self._verdict = verdict
            self._gone.set()
            self._birth.kill()

    def _greet(self, greeting: child.Greeting) -> None:
        self.greeting = greeting
        self._loop.add_reader(self._birth.ends.news.fileno(), self._hear)
        self._loop.add_reader(self._birth.ends.answers.fileno(), self._read_answers)
        served = self._birth.executor.submit(child.serve)
        served.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._gone.set))
        self.born.set_result(greeting)

    def _hear(self) -> None:
        heard = self._birth.ends.hear()
        if heard is None:
            self._loop.remove_reader(self._birth.ends.news.fileno())
            self._gone.set()
        else:
            self._take(heard)

    def _take(self, heard: list[News]) -> None:
        for news in heard:
            if news.stage is None:
                self._begin(news.number)
        for number, news in {news.number: news for news in heard}.items():  # the latest of each
            held = self._held.get(number)
            if held is not None and held.work.on_news and news.stage is not None:
                held.work.on_news(news)

    def _begin(self, number: int) -> None:
        for earlier in self._held.values():
            earlier.has_ended = earlier.number < number
        held = self._held.get(number)
        if held is not None and held.began_at is None:
            held.began_at = time.monotonic()
            self.has_begun = True
            self._watch.begin()

    def _look(self) -> None:
        """Kill the child if the task that runs has passed a bound the child did not keep itself."""
        now = time.monotonic()
        if self.greeting and rss_bytes(self.greeting.pid) > self._settings.memory_kill_bytes:
            self.kill("out of memory")
        is_idle = not any(held.is_running for held in self._held.values())
        if is_idle and now > self._quiet_since + self._settings.hard_grace_s:
            self.kill("did not begin")
        for held in self._held.values():
            if held.began_at is None or held.has_ended:
                continue
            if now > held.began_at + held.work.deadline_s + self._settings.hard_grace_s:
                self.kill("hard deadline")
            if held.cancelled_at is not None:
                told_at = max(held.began_at, held.cancelled_at)
                if now > told_at + self._settings.cancel_grace_s:
                    self.kill("cancelled")

    def _cancel(self, held: Held) -> None:
        if held.cancelled_at is None:
            held.cancelled_at = time.monotonic()
            self._birth.ends.cancel(held.number)
            self._loop.call_later(self._settings.cancel_grace_s, self._insist, held)

    def _insist(self, held: Held) -> None:
        """Kill a child that has not obeyed: the regular look would come up to its pause too late.

        A task that began after the cancel has its whole grace, and is left to that look.
        """
        is_late = held.began_at is not None and held.began_at <= (held.cancelled_at or 0)
        if is_late and held.is_running and held.number in self._held:
            self.kill("cancelled")

    def _read_answers(self) -> bool:
        """Whether something came that can be believed."""
        try:
            letters = self._inbox.take()
            for letter in letters or ():
                self._answered(self._groups.popleft(), read_answer(letter))
        except Exception:  # a pickle made with intent can raise anything; `restarts` counts it
            self._loop.remove_reader(self._birth.ends.answers.fileno())
            self._verdict = self._verdict or UNREADABLE
            self.kill(UNREADABLE)
            return False
        if letters is None:
            self._loop.remove_reader(self._birth.ends.answers.fileno())
            self._gone.set()
        return bool(letters)

    def _answered(self, holds: Sequence[Held], answers: object) -> None:
        if not isinstance(answers, tuple):
            raise TypeError("expected an answer for each task of the group")
        for held, answer in list(zip(holds, answers, strict=True)):
            del self._held[held.number]
            if not held.answer.done():  # else nobody waits for it any more
                held.answer.set_result(answer)
        self.has_begun = True
        self._quiet_since = time.monotonic()
        self.tasks_done += len(holds)
        self._rest()

    def _rest(self) -> None:
        """Between two tasks: is the child dismissed, or worn out?"""
        if not self._held:
            self._watch.end()
            if self._is_retiring:
                self._gone.set()
        if self.leaving.done() or self.greeting is None:
            return
        if self.tasks_done >= self._settings.max_tasks_per_child:
            self.leaving.set_result(MAX_TASKS)
        elif rss_bytes(self.greeting.pid) > self._settings.max_rss_bytes:
            self.leaving.set_result(MAX_RSS)

    def _settle(self, reason: str) -> None:
        """The child is gone: the task that ran is to blame; the others are to be run again."""
        guilty = next((held for held in self._held.values() if held.is_running), None)
        for held in self._held.values():
            if held.answer.done():
                continue  # nobody waits for it any more
            if held.cancelled_at is not None:
                held.answer.set_result(Fault("cancelled", WHY["cancelled"]))
            elif held is guilty and reason != CLOSED:
                held.answer.set_result(ChildDied(reason))
            else:
                held.answer.set_result(NotStarted())
        self._held.clear()
        if not self.born.done():
            self.born.set_exception(ChildDied(reason))
            self.born.exception()  # a lane that closes meanwhile does not wait for it
        if not self.leaving.done():
            self.leaving.set_result(reason)
