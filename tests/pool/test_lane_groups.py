"""Several tasks in one go to a child: each has its own ending."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from pool.fault import Fault
from pool.lane import ChildDied, Lane, LaneSettings, NotStarted
from pool.worker import Answer, Work, Worker
from tests.pool import deeds


@pytest_asyncio.fixture
async def lane() -> AsyncIterator[Lane]:
    lane = Lane("test", on_progress=lambda _: None, settings=LaneSettings(watch_every_s=0.01))
    await lane.start()
    yield lane
    await lane.close()


def worker_of(lane: Lane) -> Worker:
    assert lane._worker is not None
    return lane._worker


def works(*gates: Path) -> list[Work]:
    return [Work(str(gate), deadline_s=60, job_id=gate.name) for gate in gates]


async def until_running(lane: Lane, job_id: str) -> None:
    while lane.running != (job_id,):  # noqa: ASYNC110  # the child's doing sets no event here
        await asyncio.sleep(0.002)


async def start_group(lane: Lane, *gates: Path) -> "asyncio.Task[list[Answer]]":
    group = asyncio.create_task(worker_of(lane).run(deeds.wait_for, works(*gates)))
    gates[0].touch()
    await until_running(lane, gates[1].name)
    return group


async def test_answers_come_in_the_order_of_the_tasks(lane: Lane) -> None:
    answers = await worker_of(lane).run(deeds.echo, [Work(number, 9) for number in range(5)])

    assert answers == [0, 1, 2, 3, 4]
    assert lane.tasks_done == 5


async def test_death_in_a_group_is_blamed_on_the_task_that_ran(lane: Lane, tmp_path: Path) -> None:
    done, running, waiting = (tmp_path / name for name in ("done", "running", "waiting"))
    group = await start_group(lane, done, running, waiting)

    assert lane.pid is not None
    os.kill(lane.pid, signal.SIGKILL)
    endings = await group

    assert [type(ending) for ending in endings] == [NotStarted, ChildDied, NotStarted]


async def test_one_of_a_group_is_cancelled_while_it_waits(lane: Lane, tmp_path: Path) -> None:
    done, running, unwanted = (tmp_path / name for name in ("done", "running", "unwanted"))
    group = await start_group(lane, done, running, unwanted)

    lane.cancel("unwanted")
    running.touch()
    first, second, third = await group

    assert (first, second) == ("passed", "passed")
    assert isinstance(third, Fault)
    assert third.code == "cancelled"
