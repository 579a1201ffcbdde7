"""How long a storage's operations take and how often they fail: what both storages share."""

import functools
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from server.counting import QUICK_S, Counts, Durations

P = ParamSpec("P")
T = TypeVar("T")

_OPERATIONS = ("put", "fetch", "read", "head", "delete")


class Operations:
    """Of one storage. A key that is not there is an answer, and no failure."""

    def __init__(self) -> None:
        self.durations = Durations("operation", bounds=QUICK_S, known=_OPERATIONS)
        """Until the answer; of `read` until its first bytes, since the rest waits for a client."""
        self.failures = Counts("operation", known=_OPERATIONS)

    def failed(self, operation: str, error: OSError) -> None:
        """It ended with an error."""
        if not isinstance(error, FileNotFoundError):
            self.failures.add(operation)


class Timed(Protocol):
    """Whoever has operations."""

    @property
    def operations(self) -> Operations:
        """Its own."""


S = TypeVar("S", bound=Timed)
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]  # Any: what no coroutine of ours takes
Reading = Callable[Concatenate[S, P], AsyncGenerator[bytes]]


def timed(operation: str) -> Callable[[Method[S, P, T]], Method[S, P, T]]:
    """For a method whose calls count as this operation."""

    def decorate(method: Method[S, P, T]) -> Method[S, P, T]:
        @functools.wraps(method)
        async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            began = time.perf_counter()
            try:
                return await method(self, *args, **kwargs)
            except OSError as error:
                self.operations.failed(operation, error)
                raise
            finally:
                self.operations.durations.add(time.perf_counter() - began, operation)

        return run

    return decorate


def timed_to_first(operation: str) -> Callable[[Reading[S, P]], Reading[S, P]]:
    """For a method that gives pieces: what counts is how soon the first is there."""

    def decorate(method: Reading[S, P]) -> Reading[S, P]:
        @functools.wraps(method)
        async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[bytes]:
            began, has_begun = time.perf_counter(), False
            pieces = method(self, *args, **kwargs)
            try:
                async for piece in pieces:
                    if not has_begun:
                        has_begun = True
                        self.operations.durations.add(time.perf_counter() - began, operation)
                    yield piece
            except OSError as error:
                self.operations.failed(operation, error)
                raise
            finally:
                await pieces.aclose()

        return run

    return decorate
