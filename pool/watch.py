"""Looks at a working child every few hundredths of a second: its memory and its time."""

import asyncio
import os
from collections.abc import Callable

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def rss_bytes(pid: int) -> int:
    """Memory a process holds; 0 when it is gone."""
    # Asked all the time, and a Path with a file object costs five times as much.
    try:
        descriptor = os.open(f"/proc/{pid}/statm", os.O_RDONLY)
    except FileNotFoundError:
        return 0
    try:
        return int(os.read(descriptor, 128).split()[1]) * PAGE_BYTES
    except ProcessLookupError:
        return 0
    finally:
        os.close(descriptor)


class Watch:
    """Calls `look` again and again while there is something to look at."""

    def __init__(self, look: Callable[[], None], every_s: float) -> None:
        self._look = look
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        if self._next is None:
            self._next = self._loop.call_later(self._every_s, self._turn)

    def end(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _turn(self) -> None:
        self._next = None
        self.begin()
        self._look()
