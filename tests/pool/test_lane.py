"""Lanes with real children that die, hang, swell and answer nonsense."""

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

from pool.fault import Fault
from pool.lane import ChildDied, Lane, LaneSettings, NotStarted
from pool.letters import LENGTH
from pool.records import Progress
from pool.watch import rss_bytes
from tests.pool import deeds
from tests.processes import wait_until_gone

StartLane = Callable[..., Awaitable[Lane]]
SETTINGS = LaneSettings(start_timeout_s=60, watch_every_s=0.01)
MEBIBYTE = 1 << 20
TOP = Path(__file__).parents[2]
READABLE = (str(TOP),)  # a child in the sandbox imports tests.pool.deeds


@pytest_asyncio.fixture
async def start_lane() -> AsyncIterator[StartLane]:
    """Start lanes; settings by name. All end with the test."""
    async with AsyncExitStack() as stack:

        async def start(
            *, on_progress: Callable[[Progress], None] = lambda _: None, **changes: object
        ) -> Lane:
            settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]  # names of its fields
            lane = Lane("test", on_progress=on_progress, settings=settings)
            stack.push_async_callback(lane.close)
            await lane.start()
            return lane

        yield start


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a state; the timeout of the test bounds it."""
    while not is_so():  # noqa: ASYNC110  # what other processes do sets no event here
        await asyncio.sleep(0.002)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def loaded_by(module: str) -> str:
    """The names of all modules that an import brings in."""
    program = f"import sys, {module}; print(*sys.modules)"
    return subprocess.check_output([sys.executable, "-c", program], cwd=TOP, text=True)


async def begun(lane: Lane, function: Callable[..., object], task: object) -> asyncio.Task[object]:
    """A task that the child has begun."""
    work = asyncio.create_task(lane.run(function, task, job_id="begun", deadline_s=60))
    await until(lambda: "begun" in lane.running)
    return work


async def test_a_child_comes_up_warm_and_the_parent_never_loads_libvips(
    start_lane: StartLane,
) -> None:
    lane = await start_lane()

    assert lane.is_alive
    assert lane._worker is not None and lane._worker.greeting is not None
    assert lane._worker.greeting.is_warm
    assert await lane.run(deeds.process_id, None) == lane.pid
    assert await lane.run(deeds.thread_count, None) == 2  # its work and its overseer
    assert lane.rss_bytes > 10 * MEBIBYTE
    assert "pyvips" not in await asyncio.to_thread(loaded_by, "pool.lane")


async def test_a_killed_child_costs_the_running_task_and_hands_back_the_waiting_one(
    start_lane: StartLane,
) -> None:
    lane = await start_lane()
    first_pid = lane.pid
    running = await begun(lane, deeds.sleep, 60)
    waiting = asyncio.create_task(lane.run(deeds.echo, "waits"))
    await asyncio.sleep(0)

    assert lane.pid is not None
    os.kill(lane.pid, signal.SIGKILL)

    with pytest.raises(ChildDied) as died:
        await running
    assert died.value.reason == "signal 9"
    with pytest.raises(NotStarted):
        await waiting
    assert await lane.run(deeds.echo, "again") == "again"
    assert lane.pid != first_pid
    assert lane.restarts == {"signal 9": 1}


async def test_an_idle_child_that_dies_is_replaced_without_a_call(start_lane: StartLane) -> None:
    lane = await start_lane()
    first_pid = lane.pid
    assert first_pid is not None

    os.kill(first_pid, signal.SIGKILL)
    await until(lambda: lane.is_alive and lane.pid != first_pid)

    assert await lane.run(deeds.echo, 1) == 1


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_meant_for_the_server_leave_a_child_and_its_fork_server_working(
    start_lane: StartLane, signal_number: signal.Signals
) -> None:
    lane = await start_lane()
    first_pid = lane.pid
    assert first_pid is not None
    fork_server = await lane.run(deeds.parent_id, None)
    assert isinstance(fork_server, int)

    os.kill(first_pid, signal_number)
    os.kill(fork_server, signal_number)

    assert await lane.run(deeds.process_id, None) == first_pid
    assert await lane.run(deeds.parent_id, None) == fork_server


async def test_a_fork_server_that_dies_takes_its_children_along_and_is_started_again(
    start_lane: StartLane,
) -> None:
    lane = await start_lane()
    first_pid = lane.pid
    fork_server = await lane.run(deeds.parent_id, None)
    assert isinstance(fork_server, int)

    os.kill(fork_server, signal.SIGKILL)
    await until(lambda: lane.is_alive and lane.pid != first_pid)

    assert await lane.run(deeds.parent_id, None) != fork_server


async def test_a_segmentation_fault_is_told_by_its_signal(
    start_lane: StartLane, tmp_path: Path
) -> None:
    lane = await start_lane()
    gate = tmp_path / "gate"
    running = await begun(lane, deeds.crash_after, str(gate))
    waiting = asyncio.create_task(lane.run(deeds.echo, "waits"))

    gate.touch()

    with pytest.raises(ChildDied, match="signal 11"):
        await running
    with pytest.raises(NotStarted):
        await waiting


async def test_a_child_that_leaves_is_told_by_its_exit_code(start_lane: StartLane) -> None:
    lane = await start_lane()

    with pytest.raises(ChildDied, match="exit 7"):
        await lane.run(deeds.leave, 7)


@pytest.mark.parametrize("deed", [deeds.sleep, deeds.hold_the_interpreter])
async def test_a_task_that_never_ends_is_killed_after_its_deadline_and_grace(
    start_lane: StartLane, deed: Callable[..., object]
) -> None:
    lane = await start_lane(hard_grace_s=0.1)

    with pytest.raises(ChildDied, match="hard deadline"):
        await lane.run(deed, 60, deadline_s=0.1)

    assert await lane.run(deeds.echo, "well") == "well"


async def test_the_hard_deadline_counts_from_the_start_of_the_task_not_from_its_wait(
    start_lane: StartLane,
) -> None:
    lane = await start_lane(hard_grace_s=1)
    first = asyncio.create_task(lane.run(deeds.sleep, 3, deadline_s=60))

    assert await lane.run(deeds.sleep, 0.01, deadline_s=1) == "slept"
    assert await first == "slept"


async def test_a_child_that_swells_is_killed_and_says_out_of_memory(start_lane: StartLane) -> None:
    lane = await start_lane(memory_kill_bytes=300 * MEBIBYTE)

    with pytest.raises(ChildDied, match="out of memory"):
        await lane.run(deeds.fill_memory, None)

    await until(lambda: lane.restarts == {"out of memory": 1})


async def test_more_memory_than_the_limit_at_one_stroke_is_a_fault_and_no_death(
    start_lane: StartLane,
) -> None:
    lane = await start_lane()
    first_pid = lane.pid

    fault = await lane.run(deeds.ask_for_memory, 100 << 30)

    assert isinstance(fault, Fault)
    assert fault.code == "out_of_memory"
    assert lane.pid == first_pid


async def test_an_exception_that_cannot_travel_becomes_a_fault(start_lane: StartLane) -> None:
    lane = await start_lane()

    fault = await lane.run(deeds.raise_what_cannot_travel, None)

    assert fault == Fault("internal_error", "the picture could not be processed")
    assert lane.restarts == {}


async def test_an_answer_that_would_run_code_in_the_parent_is_refused(
    start_lane: StartLane, tmp_path: Path
) -> None:
    lane = await start_lane()
    trace = tmp_path / "trace"

    with pytest.raises(ChildDied, match="unreadable answer"):
        await lane.run(deeds.answer_with_malice, f"touch {trace}")

    assert not trace.exists()
    assert await lane.run(deeds.echo, "well") == "well"


async def test_an_exit_raised_in_a_task_does_not_reach_the_parent(start_lane: StartLane) -> None:
    lane = await start_lane()

    with pytest.raises(ChildDied, match="unreadable answer"):
        await lane.run(deeds.leave_by_system_exit, None)


@pytest.mark.parametrize("answer", [b"no pickle", b"", LENGTH.pack(1 << 31)])
async def test_an_answer_that_is_none_costs_its_task_alone(
    start_lane: StartLane, answer: bytes
) -> None:
    lane = await start_lane()
    waiting = asyncio.create_task(lane.run(deeds.answer_by_hand, answer))
    behind = asyncio.create_task(lane.run(deeds.echo, "waits"))

    with pytest.raises(ChildDied, match="unreadable answer"):
        await waiting
    with pytest.raises(NotStarted):
        await behind
    assert await lane.run(deeds.echo, "well") == "well"


async def test_cancel_stops_an_evaluation_of_libvips(start_lane: StartLane) -> None:
    lane = await start_lane(cancel_grace_s=30)
    first_pid = lane.pid
    work = await begun(lane, deeds.stopped_fault, None)

    lane.cancel("begun")

    assert await work == Fault("cancelled", "the job was cancelled")
    assert lane.pid == first_pid
    assert lane.restarts == {}


async def test_the_soft_deadline_stops_an_evaluation_of_libvips_and_keeps_the_child(
    start_lane: StartLane,
) -> None:
    lane = await start_lane(hard_grace_s=30)

    fault = await lane.run(deeds.stopped_fault, None, deadline_s=0.2)

    assert isinstance(fault, Fault)
    assert fault.code == "deadline_exceeded"
    assert lane.restarts == {}


async def test_a_task_that_does_not_heed_its_cancel_is_killed_and_ends_as_cancelled(
    start_lane: StartLane,
) -> None:
    lane = await start_lane(cancel_grace_s=0.1)
    work = await begun(lane, deeds.ignore_every_stop, 60)
    waiting = asyncio.create_task(lane.run(deeds.echo, "waits"))

    lane.cancel("begun")

    assert await work == Fault("cancelled", "the job was cancelled")
    with pytest.raises(NotStarted):
        await waiting
    await until(lambda: lane.restarts == {"cancelled": 1})


async def test_a_deaf_task_is_killed_after_its_grace_though_the_lane_looks_rarely(
    start_lane: StartLane,
) -> None:
    lane = await start_lane(cancel_grace_s=0.1, watch_every_s=3600)
    work = await begun(lane, deeds.ignore_every_stop, 60)

    lane.cancel("begun")

    assert await work == Fault("cancelled", "the job was cancelled")


async def test_a_waiting_task_that_is_cancelled_never_begins(
    start_lane: StartLane, tmp_path: Path
) -> None:
    lane = await start_lane()
    gate = tmp_path / "gate"
    running = await begun(lane, deeds.wait_for, str(gate))
    waiting = asyncio.create_task(lane.run(deeds.wait_for, "/never", job_id="waits"))
    await asyncio.sleep(0)

    lane.cancel("waits")
    gate.touch()

    assert await running == "passed"
    assert await waiting == Fault("cancelled", "the job was cancelled")


async def test_a_caller_that_goes_away_stops_its_task(start_lane: StartLane) -> None:
    lane = await start_lane(cancel_grace_s=30)
    work = await begun(lane, deeds.stopped_fault, None)

    work.cancel()

    with pytest.raises(asyncio.CancelledError):
        await work
    assert await lane.run(deeds.echo, "free") == "free"
    assert lane.restarts == {}


async def test_a_child_is_renewed_after_its_tasks_and_none_is_lost(start_lane: StartLane) -> None:
    lane = await start_lane(max_tasks_per_child=10)
    values: list[int] = []
    answers: list[object] = []

    while lane.restarts["max tasks"] < 3:
        pair = [len(values), len(values) + 1]
        values += pair
        answers += await asyncio.gather(*(lane.run(deeds.echo, value) for value in pair))

    assert answers == values
    assert lane.tasks_done == len(values) >= 30
    assert set(lane.restarts) == {"max tasks"}


async def test_a_child_that_keeps_too_much_memory_is_renewed_after_the_task(
    start_lane: StartLane,
) -> None:
    lane = await start_lane(max_rss_bytes=150 * MEBIBYTE)

    first_pid = await lane.run(deeds.keep_memory, 200 * MEBIBYTE)
    await until(lambda: lane.pid != first_pid)

    await until(lambda: lane.restarts == {"max rss": 1})


async def test_a_death_in_one_lane_does_not_disturb_the_other(
    start_lane: StartLane, tmp_path: Path
) -> None:
    hit, other = await start_lane(), await start_lane()
    other_pid = other.pid
    gate = tmp_path / "gate"
    untouched = await begun(other, deeds.wait_for, str(gate))

    with pytest.raises(ChildDied):
        await hit.run(deeds.leave, 1)
    gate.touch()

    assert await untouched == "passed"
    assert other.pid == other_pid
    assert other.restarts == {}


async def test_a_lane_whose_first_child_cannot_start_raises(tmp_path: Path) -> None:
    settings = replace(SETTINGS, spool=str(tmp_path / "missing"))
    lane = Lane("test", on_progress=lambda _: None, settings=settings)

    with pytest.raises(ChildDied, match="did not start"):
        await lane.start()
    await lane.close()

    assert not lane.is_alive


async def test_a_lane_tries_ever_slower_while_children_cannot_start_and_recovers(
    start_lane: StartLane, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    lane = await start_lane(spool=str(spool), read_only=READABLE)
    assert lane.pid is not None

    spool.rename(tmp_path / "away")
    os.kill(lane.pid, signal.SIGKILL)
    await until(lambda: lane.restarts.total() == 3)

    assert not lane.is_alive
    assert lane.restarts["did not start: BrokenProcessPool"] == 2

    (tmp_path / "away").rename(spool)
    assert await lane.run(deeds.echo, "back") == "back"


async def test_close_ends_a_busy_child_and_hands_its_tasks_back(start_lane: StartLane) -> None:
    lane = await start_lane()
    pid = lane.pid
    running = await begun(lane, deeds.hold_the_interpreter, 60)
    waiting = asyncio.create_task(lane.run(deeds.echo, "waits"))
    await asyncio.sleep(0)

    await lane.close()

    for task in (running, waiting):
        with pytest.raises(NotStarted):
            await task
    assert pid is not None
    assert rss_bytes(pid) == 0
    with pytest.raises(NotStarted):
        await lane.run(deeds.echo, "too late")


async def test_a_lane_leaves_no_descriptor_and_no_thread_behind(start_lane: StartLane) -> None:
    warm = await start_lane()
    await warm.close()
    before = open_descriptors()

    for _ in range(3):
        lane = await start_lane()
        with pytest.raises(ChildDied):
            await lane.run(deeds.leave, 1)
        await until(lambda lane=lane: lane.is_alive)  # type: ignore[misc]  # bound at once
        await lane.close()

    assert open_descriptors() <= before


SERVER = """
import asyncio, sys
from pool.lane import Lane, LaneSettings
from tests.pool import deeds

async def main() -> None:
    lanes = [Lane(name, on_progress=print, settings=LaneSettings()) for name in "abc"]
    for lane in lanes:
        await lane.start()
    work = [
        asyncio.create_task(lane.run(deed, 600, deadline_s=600, job_id="busy"))
        for lane, deed in zip(lanes, (deeds.hold_the_interpreter, deeds.blur_until_stopped))
    ]
    while len(lanes[0].running) + len(lanes[1].running) < 2:
        await asyncio.sleep(0.01)
    print("busy", flush=True)
    await asyncio.gather(*work)

asyncio.run(main())
"""


def descendants(pid: int) -> set[int]:
    """All processes below one."""
    children: dict[int, set[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        children.setdefault(int(fields[1]), set()).add(int(status.parent.name))
    found: set[int] = set()
    above = [pid]
    while above:
        below = children.get(above.pop(), set())
        found |= below
        above += below
    return found


async def test_a_killed_server_leaves_no_process_behind() -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, cwd=TOP, stdout=PIPE, stderr=DEVNULL
    )
    assert server.stdout is not None
    assert await server.stdout.readline() == b"busy\n"
    below = descendants(server.pid)

    server.kill()
    await server.wait()

    assert len(below) == 5  # three children, the fork server, the tracker of semaphores
    assert all(wait_until_gone(pid) for pid in below)


def test_a_lane_works_on_uvloop(tmp_path: Path) -> None:
    async def main() -> list[object]:
        lane = Lane("test", on_progress=lambda _: None, settings=SETTINGS)
        await lane.start()
        work = await begun(lane, deeds.stopped_fault, None)
        lane.cancel("begun")
        answers = [await work]
        with pytest.raises(ChildDied):
            await lane.run(deeds.leave, 1)
        answers.append(await lane.run(deeds.echo, "well"))
        await lane.close()
        return answers

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answers = runner.run(main())

    assert answers == [Fault("cancelled", "the job was cancelled"), "well"]
