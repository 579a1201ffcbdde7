"""The four pipes between a lane and its child: tasks and answers, news, orders to stop.

News and orders are fixed records below PIPE_BUF, so that each is written whole or not at all.
Tasks and answers do not go by the executor's queues: those wake two threads of the server for each
way, which took ten times the CPU of the pipes.
"""

import os
import select
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from pool.letters import wait_for_letter, write_letter
from pool.records import Stage

NEWS = struct.Struct("=IBB")  # number of the task, index in WHAT, percent
ORDER = struct.Struct("=I")  # number of the task to cancel
NEWS_AT_ONCE, ORDERS_AT_ONCE = NEWS.size * 4096, ORDER.size * 64
WHAT = (
    None,
    Stage.DECODING,
    Stage.PROCESSING,
    Stage.ENCODING,
    Stage.ENHANCING,
    Stage.UPSCALING,
)
BEGAN = 0


@dataclass(frozen=True, slots=True)
class News:
    """Of one task: it began (no stage), or got this far."""

    number: int
    stage: Stage | None
    percent: int


@dataclass(frozen=True, slots=True)
class ChildEnds:
    """What the child holds; it travels by the arguments of its start."""

    news: Connection
    orders: Connection
    tasks: Connection
    answers: Connection

    def next_task(self) -> bytes | None:
        """Waits for one; None when the parent is gone."""
        return wait_for_letter(self.tasks.fileno())

    def answer(self, content: bytes) -> None:
        """Waits until the parent has room for it."""
        write_letter(self.answers.fileno(), content)

    def say_began(self, number: int) -> None:
        """Waits for room if it must: without it the parent would blame the wrong task."""
        record = NEWS.pack(number, BEGAN, 0)
        while not _wrote(self.news.fileno(), record):
            select.select([], [self.news], [])

    def say_progress(self, number: int, stage: Stage, percent: int) -> None:
        """Dropped when the pipe is full: the next one says more, and work never waits for news."""
        _wrote(self.news.fileno(), NEWS.pack(number, WHAT.index(stage), percent))

    def hear_orders(self) -> list[int] | None:
        """Numbers of tasks to cancel; None when the parent is gone."""
        heard = os.read(self.orders.fileno(), ORDERS_AT_ONCE)
        return [number for (number,) in ORDER.iter_unpack(heard)] if heard else None

    def close(self) -> None:
        for end in (self.news, self.orders, self.tasks, self.answers):
            end.close()


@dataclass(frozen=True, slots=True)
class ParentEnds:
    """What the parent holds; none of them ever blocks."""

    news: Connection
    orders: Connection
    tasks: Connection
    answers: Connection

    def hear(self) -> list[News] | None:
        """What came; None when the child is gone."""
        try:
            heard = os.read(self.news.fileno(), NEWS_AT_ONCE)
        except BlockingIOError:
            return []
        return list(_read(heard)) if heard else None

    def cancel(self, number: int) -> None:
        """A child that reads no orders is killed after its grace, so a full pipe is no loss."""
        _wrote(self.orders.fileno(), ORDER.pack(number))

    def close(self) -> None:
        for end in (self.news, self.orders, self.tasks, self.answers):
            end.close()


def pipes() -> tuple[ParentEnds, ChildEnds]:
    news_out, news_in = Pipe(duplex=False)
    orders_out, orders_in = Pipe(duplex=False)
    tasks_out, tasks_in = Pipe(duplex=False)
    answers_out, answers_in = Pipe(duplex=False)
    # All but the ends at which the child waits; the flag travels with the open file.
    for end in (news_out, news_in, orders_in, tasks_in, answers_out):
        os.set_blocking(end.fileno(), False)
    parent = ParentEnds(news_out, orders_in, tasks_in, answers_out)
    return parent, ChildEnds(news_in, orders_out, tasks_out, answers_in)


def _wrote(end: int, record: bytes) -> bool:
    try:
        os.write(end, record)
    except BlockingIOError:
        return False
    except BrokenPipeError:
        return True  # the other side is gone, and its end is noticed elsewhere
    return True


def _read(heard: bytes) -> Iterator[News]:
    """What a child says is not trusted: records that make no sense are left out."""
    whole = len(heard) - len(heard) % NEWS.size
    for number, what, percent in NEWS.iter_unpack(heard[:whole]):
        if what < len(WHAT) and percent <= 100:
            yield News(number, WHAT[what], percent)
