"""Brings children up: one fork server that has loaded libvips, one executor for each child."""

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import _children  # type: ignore[attr-defined]  # typeshed leaves it out
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from types import ModuleType
from typing import Any

from pool import child, link
from pool.answers import AnswerReader, guard
from pool.settings import LaneSettings

WARM = "pool.warm"  # imported by the fork server before it forks anything
_one_at_a_time = threading.Lock()


class Birth:
    """A new child, its executor and its pipes; `bring_up` blocks, so call it in a thread."""

    def __init__(self, name: str, settings: LaneSettings) -> None:
        self.ends, self._child_ends = link.pipes()
        self._context = _OneChild(name)
        self._settings = settings
        self.executor = ProcessPoolExecutor(
            max_workers=1,
            mp_context=self._context,
            initializer=child.start,
            initargs=(self._child_ends, settings),
        )

    def bring_up(self) -> child.Greeting:
        """Raises BrokenExecutor, OSError or TimeoutError if no child comes up."""
        try:
            _ensure_fork_server()
            with _without_main():
                greeting = self.executor.submit(child.greet)  # the first task makes the process
                # Whoever starts a process polls all in this set, which would take the exit code
                # from under the executor that waits for it; then it reads as 255.
                _children.discard(self._context.process)
        finally:
            self._child_ends.close()
            self._context.keep_no_writer()
        return greeting.result(self._settings.start_timeout_s)

    def kill(self) -> None:
        """Also a child that hangs in C and ignores SIGTERM."""
        process = self._context.process
        # Not is_alive: it would race for the exit code with the executor's own thread.
        if process is not None and process.pid is not None:
            process.kill()

    def bury(self) -> str:
        """Wait for the end of a child that was killed or died, and say how it ended. Blocks."""
        self.executor.shutdown(wait=True)
        process = self._context.process
        if process is None:
            return "not started"
        code = process.exitcode or 0
        process.close()
        if self._context.reader is not None and self._context.reader.has_refused:
            return "unreadable answer"
        return f"signal {-code}" if code < 0 else f"exit {code}"


class _OneChild(ForkServerContext):
    """Lends the executor what it makes its process from, and remembers it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._child_name = name
        self.process: ForkServerProcess | None = None
        self.reader: AnswerReader | None = None
        self._answers: SimpleQueue[Any] | None = None  # Any: the executor's own items

    def Process(self, *args: Any, **kwargs: Any) -> ForkServerProcess:  # type: ignore[override]  # a class there, a maker here
        self.process = ForkServerProcess(*args, **kwargs)
        self.process.name = self._child_name
        return self.process

    def SimpleQueue(self) -> "SimpleQueue[Any]":
        self._answers = super().SimpleQueue()
        self.reader = guard(self._answers)
        return self._answers

    def keep_no_writer(self) -> None:
        """With no writer but the child, its death within an answer ends the reading."""
        if self._answers is not None:
            self._answers._writer.close()  # type: ignore[attr-defined]  # typeshed leaves it out


def _ensure_fork_server() -> None:
    """Start it, once, so that it finds this package wherever the server was started from.

    The fork server is given no sys.path before Python 3.13 (https://github.com/python/cpython/issues/117378),
    and would quietly import nothing.
    """
    with _one_at_a_time:
        forkserver.set_forkserver_preload([WARM])
        before = os.environ.get("PYTHONPATH")
        here = str(Path(__file__).parent.parent)
        os.environ["PYTHONPATH"] = here if before is None else os.pathsep.join((here, before))
        try:
            forkserver.ensure_running()
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before


@contextmanager
def _without_main() -> Iterator[None]:
    """Multiprocessing has each child import the parent's main script, and so the whole server."""
    with _one_at_a_time:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
