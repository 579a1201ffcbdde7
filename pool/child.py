"""The child side of a lane: its start and its edge. Its state is set only by `start`."""

import ctypes
import json
import os
import pickle
import signal
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.forkserver import _forkserver
from pathlib import Path
from typing import Any

from pool import sandbox
from pool.ai.engines import Engines
from pool.fault import Fault
from pool.kill import Kill
from pool.link import ChildEnds
from pool.overseer import Overseer
from pool.records import Header, Outcome, ProbeTask, Progress, Task
from pool.sandbox import Sandbox
from pool.settings import MEBIBYTE, LaneSettings
from pool.watch import rss_bytes

DATA_SLACK_BYTES = 512 * MEBIBYTE  # taken but never touched, such as the stacks of threads
# Of resident memory. Photographs leave 80 to 200 MiB; to give that back each time costs 15 % of the
# CPU, since the next picture faults it in again.
KEPT_BYTES = 192 * MEBIBYTE
IMPORTED_BY = os.getpid()  # the fork server, in a child that started warm


@dataclass(frozen=True, slots=True)
class Greeting:
    """The first answer of a child."""

    pid: int
    is_warm: bool  # it found everything imported
    sandbox: Sandbox


@dataclass(frozen=True, slots=True)
class Order:
    """One task as it goes to the child."""

    number: int
    deadline_s: float
    task: Any  # whatever the function takes


@dataclass(slots=True)
class _InHand:
    number: int
    kill: Kill


@dataclass(slots=True)
class _Child:
    overseer: Overseer
    ends: ChildEnds
    sandbox: Sandbox
    in_hand: _InHand | None = None


_child: _Child


def start(ends: ChildEnds, settings: LaneSettings) -> None:
    """Make a forked process one of ours. The order matters: a sandbox holds only later threads."""
    global _child
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_with_the_server()
    state = _shut_in(settings)
    from pool.vips import prepare  # loads libvips, which the server must not when it imports us

    prepare(settings.concurrency)
    overseer = Overseer(ends)
    overseer.start()
    _child = _Child(overseer, ends, state)


def greet() -> Greeting:
    return Greeting(os.getpid(), os.getpid() != IMPORTED_BY, _child.sandbox)


def serve() -> None:
    """Take groups of tasks from the pipe and answer each group there, for the whole of a life."""
    while (letter := _child.ends.next_task()) is not None:
        answers = run(*pickle.loads(letter))
        _child.ends.answer(pickle.dumps(answers, pickle.HIGHEST_PROTOCOL))


def run(orders: Sequence[Order], function: Callable[[Any], object]) -> tuple[object, ...]:
    """One task after the other, and one answer for each."""
    answers = tuple(_run_one(order, function) for order in orders)
    _give_memory_back()
    return answers


def _run_one(order: Order, function: Callable[[Any], object]) -> object:
    """The child's edge: whatever happens, an answer and never an exception goes back."""
    kill = _child.overseer.begin(order.number, order.deadline_s)
    if kill is None:
        return Fault("cancelled", "the job was cancelled")
    _child.in_hand = _InHand(order.number, kill)
    try:
        _child.ends.say_began(order.number)
        return function(order.task)
    except MemoryError:
        return Fault("out_of_memory", "there was not enough memory for this picture")
    except Exception:
        _log_failure(order.task)
        return Fault("internal_error", "the picture could not be processed")
    finally:
        _child.overseer.finish()
        _child.in_hand = None


def develop(task: Task) -> Outcome:
    from pool.develop import develop  # loads libvips

    return develop(task, report, in_hand().kill)


def probe(task: ProbeTask) -> Header | Fault:
    from pool.probe import read_header  # loads libvips

    return read_header(task)


def measure_networks(engines: Engines) -> dict[str, float | str]:
    """Seconds a megapixel of each network, or what is wrong with it."""
    from pool.ai.session import ModelUnfit, checked  # loads onnxruntime

    told: dict[str, float | str] = {}
    for model in engines.fit:
        try:
            told[model.name] = checked(model, engines)
        except ModelUnfit as unfit:
            told[model.name] = str(unfit)
    return told


def report(progress: Progress) -> None:
    """Tell the parent how far the task in hand is; never waits."""
    _child.ends.say_progress(in_hand().number, progress.stage, progress.percent)


def in_hand() -> _InHand:
    if _child.in_hand is None:
        raise RuntimeError("no task is in hand")
    return _child.in_hand


def _give_memory_back() -> None:
    """What a very large picture leaves in malloc's lists would count against the next one."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it; 0.5 to 8 ms
    if trim is not None and rss_bytes(os.getpid()) > KEPT_BYTES:
        trim(0)


def _end_with_the_server() -> None:
    """Each child would keep the fork server alive by its copy of this pipe; the server shall."""
    alive = _forkserver._forkserver_alive_fd  # type: ignore[attr-defined]  # typeshed leaves it out
    if alive is not None:
        os.close(alive)
        _forkserver._forkserver_alive_fd = None  # type: ignore[attr-defined]
    sandbox.die_with_parent()


def _shut_in(settings: LaneSettings) -> Sandbox:
    sandbox.first_to_die()
    sandbox.limit(
        data_bytes=2 * settings.memory_kill_bytes + DATA_SLACK_BYTES,
        file_bytes=settings.max_file_bytes,
    )
    if settings.spool is None:
        return Sandbox("off", "off", "no spool folder was given")
    # libvips unpacks large pictures into temporary files, and /tmp is out of reach.
    os.environ["TMPDIR"] = tempfile.tempdir = settings.spool
    return sandbox.enter(Path(settings.spool), [Path(path) for path in settings.read_only])


def _log_failure(task: object) -> None:
    """One line of JSON, as the server logs; in one write, so that lines of children never mix."""
    line = {
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "level": "error",
        "event": "task raised",
        "logger": __name__,
        **getattr(task, "log_ids", {}),
        "pid": os.getpid(),
        "exception": traceback.format_exc(),
    }
    os.write(2, json.dumps(line, separators=(",", ":")).encode() + b"\n")
