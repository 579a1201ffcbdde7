"""The whole way of one task inside the child: open, scale, finish, save; failures become faults."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import pyvips

from pool.ai.bench import Bench
from pool.ai.costs import pixels_given
from pool.ai.engines import needs_network
from pool.border import trimmed
from pool.desk import Desk
from pool.fault import Fault, Refused
from pool.kill import Kill
from pool.look import LOOKED_AT, look
from pool.open import Opening, opening
from pool.plan import Known, Plan, frames_used, plan_outputs, refusal
from pool.prints import Print, printed
from pool.probe import read_header
from pool.progress import Reporter
from pool.records import Look, Outcome, Output, ProbeTask, Progress, Stage, Task
from pool.save import copy, save
from pool.vips import OUT_OF_MEMORY, decoding_fault, encoding_fault


def develop(task: Task, report: Callable[[Progress], None], kill: Kill) -> Outcome:
    """Make every output of a task, or none and the fault."""
    if pyvips.concurrency_get() != task.threads:
        pyvips.concurrency_set(task.threads)
    reporter = Reporter(task.job_id, task.attempt, report, kill)
    if needs_network(task.recipe, task.limits.engines):
        reporter.expect_networks()
    desk = Desk(task, reporter, Bench(task.limits.engines, reporter.worked))
    try:
        outputs, found, fault = _guarded(desk)
    finally:
        desk.reporter.rest()
    # A pressed kill shows as some error of libvips, or not at all if the saver was nearly done.
    fault = kill.fault or fault
    if fault:
        outputs, found = (), None
        desk.lap("fault")
        _clear(Path(task.workdir))
    return Outcome(
        job_id=task.job_id,
        attempt=task.attempt,
        outputs=outputs,
        fault=fault,
        timings_ms=desk.timings_ms,
        peak_rss_bytes=getrusage(RUSAGE_SELF).ru_maxrss * 1024,
        look=found,
        engines=tuple(desk.bench.notes.used),
        began_s=desk.began_s,
        laps=tuple(desk.laps),
    )


def _guarded(desk: Desk) -> tuple[tuple[Output, ...], Look | None, Fault | None]:
    try:
        return *_outputs(desk), None
    except Refused as refused:
        return (), None, refused.fault
    except pyvips.Error as error:
        return (), None, decoding_fault(error)
    except MemoryError:
        return (), None, OUT_OF_MEMORY
    except OSError:
        fault = Fault("internal_error", "a file of this job could not be read or written")
        return (), None, fault


def _outputs(desk: Desk) -> tuple[tuple[Output, ...], Look | None]:
    plans, way = _planned(desk)
    desk.lap("open")
    prints = printed(desk, way, plans)
    with desk.stage(Stage.ENCODING):
        found = _look(prints)
        desk.lap("look")
        return tuple(_saved(desk, prints)), found


def _planned(desk: Desk) -> tuple[tuple[Plan, ...], Opening]:
    """Look at the file again: what the server was told of it may be of another day."""
    task = desk.task
    page = task.recipe.page or 0
    header = read_header(ProbeTask(task.source, task.limits, page))
    if isinstance(header, Fault):
        raise Refused(header)
    known = Known(trimmed(desk, header), task.assets, desk.bench)
    if fault := refusal(header, task.recipe, task.limits, known):
        raise Refused(fault)
    plans = plan_outputs(header, task.recipe, known)
    desk.bench.notes.pixels = pixels_given(plans, task.limits.engines)
    frames = frames_used(header, task.recipe)
    least = 1.0 if frames > 1 else min(plan.reduction for plan in plans)
    way = opening(task.source, header, least, is_cropped=bool(plans[0].shared))
    if all(plan.frames == 1 for plan in plans):
        frames = 1
    return plans, replace(way, page=page, frames=frames)


def _look(prints: list[Print]) -> Look | None:
    """Of the smallest print that is enough for it; none of one that never stands in memory."""
    held = [one for one in prints if one.is_held]
    enough = [one for one in held if max(one.plan.size.width, one.plan.size.height) >= LOOKED_AT]
    if not held:
        return None
    least = min(enough or held, key=lambda one: (not one.plan.shows_whole, one.plan.size.pixels))
    return look(least.image, least.plan)


def _saved(desk: Desk, prints: list[Print]) -> Iterator[Output]:
    task = desk.task
    made: dict[object, Output] = {}
    done, whole = 0, sum(one.plan.pixels for one in prints)
    for one in prints:
        desk.reporter.watch(one.image, done=done / whole, share=one.plan.pixels / whole)
        twin = made.get(_written(one.plan))
        output = copy(twin, one.plan.variant, task.workdir) if twin else _encoded(desk, one)
        made[_written(one.plan)] = output
        desk.lap(f"save {output.variant}")
        yield output
        desk.reporter.check()
        done += one.plan.pixels


def _written(plan: Plan) -> object:
    """Equal for plans that give the same file."""
    manner = replace(plan.variant, name="", resize=None)
    return manner, plan.size, None if plan.shows_whole else plan.variant.resize


def _encoded(desk: Desk, one: Print) -> Output:
    task = desk.task
    try:
        return save(one.image, one.plan, task.recipe, task.workdir, desk.reporter.check)
    except pyvips.Error as error:
        fault = encoding_fault(error) if one.is_held else decoding_fault(error)
        raise Refused(fault) from error


def _clear(workdir: Path) -> None:
    for path in workdir.glob("*"):
        path.unlink(missing_ok=True)
