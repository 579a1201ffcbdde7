"""Work on the disk, done off the loop by threads that wait for it.

asyncio.to_thread makes a context, two futures and a handful of locks for each call, which is twice
the CPU of this; a picture takes four.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import cache, partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar  # Any: whatever is done, and what comes of it

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = min(32, (os.cpu_count() or 1) + 4)  # they mostly wait, and a disk does much at once

_Order = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "asyncio.Future[T]":
    """What it returns or raises. Whoever is cancelled does not stop what has begun."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    _orders().put((loop, answer, partial(function, *args, **kwargs)))
    return answer


async def to_its_end(work: Awaitable[T]) -> T:
    """Whoever is cancelled waits for it, so that nothing goes on unseen after him."""
    going_on = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(going_on)
    except asyncio.CancelledError:
        await asyncio.wait([going_on])
        raise


@cache
def _orders() -> "SimpleQueue[_Order]":
    """Of this process: its threads begin with the first order and end with the process."""
    orders: SimpleQueue[_Order] = SimpleQueue()
    for number in range(_THREADS):
        Thread(target=_work, args=(orders,), name=f"disk-{number}", daemon=True).start()
    return orders


def _work(orders: "SimpleQueue[_Order]") -> None:
    while True:
        _do(*orders.get())


def _do(
    loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[Any]", work: Callable[[], Any]
) -> None:
    if answer.cancelled():  # before it began
        return
    result, error = None, None
    try:
        result = work()
    except BaseException as raised:  # whoever waits is told, and the thread goes on
        error = raised
    try:
        loop.call_soon_threadsafe(_settle, answer, result, error)
    except RuntimeError:  # that loop has ended, and with it whoever waited
        return


def _settle(answer: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if answer.cancelled():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
