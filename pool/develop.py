"""The whole way of one task inside the child: open, scale, finish, save; failures become faults."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter

import pyvips

from pool.fault import Fault, Refused
from pool.kill import Kill
from pool.open import Opening, load, opening, upright
from pool.plan import Move, Plan, plan_outputs, refusal
from pool.probe import read_header
from pool.progress import Reporter
from pool.records import Outcome, Output, ProbeTask, Progress, Stage, Task
from pool.save import fitted, save
from pool.vips import OUT_OF_MEMORY, decoding_fault, encoding_fault

# What several outputs are made from is decoded once and held, unless it is larger than this: then
# the file is decoded again for each.
MOST_HELD_BYTES = 256 * 1024 * 1024
# A single output is held before it is encoded, for a percent that is true and a saver that can be
# stopped, unless it is larger than this: then it streams from file to file.
MOST_HELD_FOR_PROGRESS_BYTES = 64 * 1024 * 1024
# A smaller output is made from a larger one that is at least this many times its size: as sharp to
# the eye as from the source, and several times less work.
LEFT_BETWEEN_OUTPUTS = 2.0


@dataclass(slots=True)
class Desk:
    """What one task works with."""

    task: Task
    reporter: Reporter
    timings_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        self.reporter.enter(stage)
        began = perf_counter()
        try:
            yield
        finally:
            taken_ms = (perf_counter() - began) * 1000
            self.timings_ms[stage.value] = taken_ms


@dataclass(frozen=True, slots=True)
class Print:
    """A picture on its way to one output."""

    plan: Plan
    image: pyvips.Image
    is_held: bool  # in memory: no more decoding to come


def develop(task: Task, report: Callable[[Progress], None], kill: Kill) -> Outcome:
    """Make every output of a task, or none and the fault."""
    desk = Desk(task, Reporter(task.job_id, task.attempt, report, kill))
    try:
        outputs, fault = _guarded(desk)
    finally:
        desk.reporter.rest()
    # A pressed kill shows as some error of libvips, or not at all if the saver was nearly done.
    fault = kill.fault or fault
    if fault:
        outputs = ()
        _clear(Path(task.workdir))
    return Outcome(
        job_id=task.job_id,
        attempt=task.attempt,
        outputs=outputs,
        fault=fault,
        timings_ms=desk.timings_ms,
        peak_rss_bytes=getrusage(RUSAGE_SELF).ru_maxrss * 1024,
    )


def _guarded(desk: Desk) -> tuple[tuple[Output, ...], Fault | None]:
    try:
        return _outputs(desk), None
    except Refused as refused:
        return (), refused.fault
    except pyvips.Error as error:
        return (), decoding_fault(error)
    except MemoryError:
        return (), OUT_OF_MEMORY
    except OSError:
        return (), Fault("internal_error", "a file of this job could not be read or written")


def _outputs(desk: Desk) -> tuple[Output, ...]:
    plans, way = _planned(desk.task)
    base: pyvips.Image | None = None
    with desk.stage(Stage.DECODING):
        if len(plans) == 1:
            prints = [_streamed(desk, way, plans[0])]
        else:
            base = _held_base(desk, way, plans[0])
    with desk.stage(Stage.PROCESSING):
        if len(plans) > 1:
            prints = _resized(desk, way, base, plans)
        finished = [_finished(one) for one in prints]
    with desk.stage(Stage.ENCODING):
        return tuple(_saved(desk, finished))


def _planned(task: Task) -> tuple[tuple[Plan, ...], Opening]:
    """Look at the file again: what the server was told of it may be of another day."""
    header = read_header(ProbeTask(task.source, task.limits))
    if isinstance(header, Fault):
        raise Refused(header)
    if fault := refusal(header, task.recipe, task.limits):
        raise Refused(fault)
    plans = plan_outputs(header, task.recipe)
    least = min(plan.reduction for plan in plans)
    return plans, opening(task.source, header, least, is_cropped=bool(plans[0].shared))


def _opened(desk: Desk, way: Opening) -> pyvips.Image:
    image = load(way)
    desk.reporter.watch(image)
    image = upright(image, way)
    if way.needs_copy:  # what is made of a copy is an evaluation of its own
        desk.reporter.watch(image, done=1.0, share=0.0)
    return image


def _streamed(desk: Desk, way: Opening, plan: Plan) -> Print:
    """One output scaled while it is decoded: the picture is never held larger than it will be."""
    moves = plan.shared + ((plan.resize,) if plan.resize else ())
    image = _moved(_opened(desk, way), moves)
    is_read_across = not all(move.step.streams for move in plan.finish)
    if is_read_across or _bytes(image) <= MOST_HELD_FOR_PROGRESS_BYTES:
        return Print(plan, image.copy_memory(), is_held=True)
    return Print(plan, image, is_held=False)


def _held_base(desk: Desk, way: Opening, plan: Plan) -> pyvips.Image | None:
    """What all outputs are made from, decoded once; None if it is too large to hold."""
    image = _moved(_opened(desk, way), plan.shared)
    return image.copy_memory() if _bytes(image) <= MOST_HELD_BYTES else None


def _resized(
    desk: Desk, way: Opening, base: pyvips.Image | None, plans: tuple[Plan, ...]
) -> list[Print]:
    """Every output scaled, the largest first, in the order of the plans."""
    if base is None:
        return [_streamed(desk, way, plan) for plan in plans]
    prints: dict[str, Print] = {}
    for place, plan in enumerate(sorted(plans, key=_scaled_pixels, reverse=True)):
        source = _source(plan, base, list(prints.values())).copy()
        desk.reporter.watch(source, done=place / len(plans), share=1 / len(plans))
        image = _moved(source, (plan.resize,)).copy_memory() if plan.resize else source
        prints[plan.variant.name] = Print(plan, image, is_held=True)
    return [prints[plan.variant.name] for plan in plans]


def _source(plan: Plan, base: pyvips.Image, prints: list[Print]) -> pyvips.Image:
    """The smallest picture made so far that is large enough to make this one from."""
    if plan.resize is None:
        return base
    wanted = plan.scaled
    enough = [
        one.image
        for one in prints
        if one.plan.shows_whole
        and one.image.width >= wanted.width * LEFT_BETWEEN_OUTPUTS
        and one.image.height >= wanted.height * LEFT_BETWEEN_OUTPUTS
    ]
    return min([base, *enough], key=lambda image: image.width * image.height)


def _finished(one: Print) -> Print:
    """The moves after resize, done when the picture is saved; fitted to its format."""
    image = _moved(one.image, one.plan.finish)
    background = one.plan.background
    return Print(one.plan, fitted(image, one.plan.variant, background), is_held=one.is_held)


def _saved(desk: Desk, prints: list[Print]) -> Iterator[Output]:
    task = desk.task
    done, whole = 0, sum(one.plan.size.pixels for one in prints)
    for one in prints:
        share = one.plan.size.pixels / whole
        desk.reporter.watch(one.image, done=done / whole, share=share)
        try:
            yield save(one.image, one.plan.variant, task.workdir, metadata=task.recipe.metadata)
        except pyvips.Error as error:
            fault = encoding_fault(error) if one.is_held else decoding_fault(error)
            raise Refused(fault) from error
        desk.reporter.check()
        done += one.plan.size.pixels


def _moved(image: pyvips.Image, moves: tuple[Move, ...]) -> pyvips.Image:
    for move in moves:
        image = move.step.apply(image, move.settings, move.frame)
    return image


def _scaled_pixels(plan: Plan) -> int:
    return plan.scaled.pixels


def _bytes(image: pyvips.Image) -> int:
    return int(image.width * image.height * image.bands)  # eight bits a sample since to_srgb


def _clear(workdir: Path) -> None:
    for path in workdir.glob("*"):
        path.unlink(missing_ok=True)
