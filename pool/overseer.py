"""The second thread of a child: stops the task in hand when the parent or the clock says so."""

import os
import select
import threading
import time
from dataclasses import dataclass
from math import inf

from pool.kill import Kill
from pool.link import ChildEnds


@dataclass(slots=True)
class InHand:
    """The task that runs, and when its time is over."""

    number: int
    kill: Kill
    ends_at: float


class Overseer(threading.Thread):
    """Waits on the pipe of orders, with the deadline as its timeout."""

    def __init__(self, ends: ChildEnds) -> None:
        super().__init__(name="overseer", daemon=True)
        self._ends = ends
        self._lock = threading.Lock()
        self._in_hand: InHand | None = None
        self._cancelled: set[int] = set()  # tasks that wait behind the one in hand
        self._wakes_at = inf
        self._wake_out, self._wake_in = os.pipe()

    def begin(self, number: int, deadline_s: float) -> Kill | None:
        """The stop button of a task that begins now; None if it was cancelled while it waited."""
        kill = Kill()
        with self._lock:
            is_cancelled = number in self._cancelled
            self._cancelled = {later for later in self._cancelled if later > number}
            if is_cancelled:
                return None
            self._in_hand = InHand(number, kill, time.monotonic() + deadline_s)
            # Most deadlines are alike, so the clock of the task before wakes it early enough:
            # one wake-up each deadline_s, not one each task.
            must_wake = self._in_hand.ends_at < self._wakes_at
        if must_wake:
            os.write(self._wake_in, b"w")
        return kill

    def finish(self) -> None:
        with self._lock:
            self._in_hand = None

    def run(self) -> None:
        orders = self._ends.orders.fileno()
        while True:
            timeout = None if self._wakes_at == inf else max(0, self._wakes_at - time.monotonic())
            ready, _, _ = select.select([orders, self._wake_out], [], [], timeout)
            if self._wake_out in ready:
                os.read(self._wake_out, 64)
            if orders in ready:
                self._obey()
            self._look_at_the_clock()

    def _obey(self) -> None:
        numbers = self._ends.hear_orders()
        if numbers is None:
            os._exit(1)  # the server is gone, and nobody wants the answer
        with self._lock:
            for number in numbers:
                if self._in_hand is not None and self._in_hand.number == number:
                    self._in_hand.kill.now("cancelled")
                else:
                    self._cancelled.add(number)  # one that is over is dropped by the next `begin`

    def _look_at_the_clock(self) -> None:
        with self._lock:
            task = self._in_hand
            if task is not None and time.monotonic() >= task.ends_at:
                task.kill.now("deadline_exceeded")
                task.ends_at = inf
            self._wakes_at = inf if task is None else task.ends_at
