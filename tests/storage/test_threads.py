"""What threads are given to do comes back to whoever waits, and to nobody else."""

import asyncio
import threading

import pytest

from server.storage.threads import in_thread


async def test_results_and_errors_come_back_off_the_loop() -> None:
    loop_thread = threading.get_ident()

    assert await in_thread(threading.get_ident) != loop_thread
    assert await in_thread(int, "11", base=2) == 3
    with pytest.raises(FileNotFoundError):
        await in_thread(open, "/nowhere/at/all")


async def test_many_at_once_all_get_their_own_answer() -> None:
    answers = await asyncio.gather(*(in_thread(divmod, number, 7) for number in range(500)))

    assert answers == [divmod(number, 7) for number in range(500)]


async def test_who_is_cancelled_stops_nothing_and_the_threads_go_on() -> None:
    began, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        may_end.wait(10)
        ended.set()

    waiting = asyncio.ensure_future(in_thread(work))
    assert await in_thread(began.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    may_end.set()

    assert await in_thread(ended.wait, 10)


def test_an_answer_to_a_loop_that_has_ended_harms_nobody() -> None:
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(10)
        ended.set()

    async def leave() -> None:
        in_thread(work)

    asyncio.run(leave())
    may_end.set()

    assert ended.wait(10)
    assert asyncio.run(asyncio.wait_for(_sum(), 10)) == 3


async def _sum() -> int:
    return await in_thread(sum, (1, 2))
