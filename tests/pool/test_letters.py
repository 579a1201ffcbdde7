"""Messages of any length between a lane and its child, both ends in one process."""

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from pool.letters import LENGTH, Inbox, LetterTooLong, Outbox, wait_for_letter, write_letter

LONG = os.urandom(3_000_000)  # many times what a pipe holds


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


async def test_a_letter_longer_than_the_pipe_goes_without_blocking_the_loop(
    pipe: tuple[int, int],
) -> None:
    out, into = pipe
    os.set_blocking(into, False)
    outbox = Outbox(into, asyncio.get_running_loop())

    outbox.send(LONG)
    outbox.send(b"after it")
    read = [await asyncio.to_thread(wait_for_letter, out) for _ in range(2)]

    assert read == [LONG, b"after it"]


async def test_letters_to_a_child_that_is_gone_are_lost_without_an_error() -> None:
    out, into = os.pipe()
    os.set_blocking(into, False)
    outbox = Outbox(into, asyncio.get_running_loop())
    os.close(out)

    outbox.send(b"nobody reads this")

    outbox.close()
    os.close(into)


def test_answers_come_whole_however_they_were_cut(pipe: tuple[int, int]) -> None:
    out, into = pipe
    os.set_blocking(out, False)
    inbox = Inbox(out, longest_bytes=len(LONG))
    writing = threading.Thread(target=lambda: [write_letter(into, one) for one in (b"1", LONG)])
    writing.start()

    read: list[bytes] = []
    while len(read) < 2:
        read += inbox.take() or []
    writing.join()

    assert read == [b"1", LONG]


def test_a_child_that_announces_too_much_is_not_waited_for(pipe: tuple[int, int]) -> None:
    out, into = pipe
    inbox = Inbox(out, longest_bytes=10)
    os.write(into, LENGTH.pack(4_000_000_000))

    with pytest.raises(LetterTooLong, match="4000000000 bytes announced, 10 are allowed"):
        inbox.take()


def test_each_side_reads_the_end_of_the_other() -> None:
    out, into = os.pipe()
    os.write(into, LENGTH.pack(8) + b"half")
    os.close(into)

    assert wait_for_letter(out) is None
    assert Inbox(out, longest_bytes=10).take() is None
    os.close(out)
