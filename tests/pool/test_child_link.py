"""The four pipes between a lane and its child, both ends in one process."""

import os
import threading
from collections.abc import Iterator

import pytest

from pool import link
from pool.link import ChildEnds, News, ParentEnds
from pool.records import Stage


@pytest.fixture
def ends() -> Iterator[tuple[ParentEnds, ChildEnds]]:
    parent, child = link.pipes()
    yield parent, child
    parent.close()
    child.close()


def fill(child: ChildEnds) -> None:
    for _ in range(20_000):  # more than a pipe holds
        child.say_progress(1, Stage.ENCODING, 50)


def test_news_arrive_in_order(ends: tuple[ParentEnds, ChildEnds]) -> None:
    parent, child = ends

    child.say_began(7)
    child.say_progress(7, Stage.DECODING, 30)

    assert parent.hear() == [News(7, None, 0), News(7, Stage.DECODING, 30)]
    assert parent.hear() == []


def test_progress_is_dropped_when_the_pipe_is_full_and_what_came_is_whole(
    ends: tuple[ParentEnds, ChildEnds],
) -> None:
    parent, child = ends
    fill(child)

    heard: list[News] = []
    while more := parent.hear():
        heard += more

    assert 100 < len(heard) < 20_000
    assert set(heard) == {News(1, Stage.ENCODING, 50)}


def test_that_a_task_began_is_never_dropped(ends: tuple[ParentEnds, ChildEnds]) -> None:
    parent, child = ends
    fill(child)
    saying = threading.Thread(target=child.say_began, args=(9,))
    saying.start()

    heard: list[News] = []
    while News(9, None, 0) not in heard:
        heard += parent.hear() or []
    saying.join()

    assert heard[-1] == News(9, None, 0)


def test_news_that_make_no_sense_are_left_out(ends: tuple[ParentEnds, ChildEnds]) -> None:
    parent, child = ends

    os.write(child.news.fileno(), link.NEWS.pack(1, 99, 5) + link.NEWS.pack(1, 1, 200) + b"torn")

    assert parent.hear() == []


def test_each_side_hears_that_the_other_is_gone() -> None:
    parent, child = link.pipes()
    parent.cancel(3)
    parent.cancel(4)
    parent.close()

    assert child.hear_orders() == [3, 4]
    assert child.hear_orders() is None
    child.say_progress(1, Stage.ENCODING, 1)  # and telling a dead parent does no harm

    parent, child = link.pipes()
    child.close()
    assert parent.hear() is None
    parent.cancel(1)
    parent.close()
