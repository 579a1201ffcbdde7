"""The pictures of a task between decoder and encoder: decoded once, scaled, fit to be saved."""

from dataclasses import dataclass, replace

import pyvips

from pool.content import decided
from pool.desk import Desk
from pool.frames import each_frame, first_frame, still
from pool.open import Opening, load, upright
from pool.plan import Move, Plan
from pool.records import Stage
from pool.save import fitted

# What several outputs are made from is decoded once and held, unless it is larger than this: then
# the file is decoded again for each.
MOST_HELD_BYTES = 256 * 1024 * 1024
# A single output is held before it is encoded, for a percent that is true and a saver that can be
# stopped, unless it is larger than this: then it streams from file to file.
MOST_HELD_FOR_PROGRESS_BYTES = 64 * 1024 * 1024
# A smaller output is made from a larger one that is at least this many times its size: as sharp to
# the eye as from the source, and several times less work.
LEFT_BETWEEN_OUTPUTS = 1.5


@dataclass(frozen=True, slots=True)
class Print:
    """A picture on its way to one output."""

    plan: Plan
    image: pyvips.Image
    is_held: bool  # in memory: no more decoding to come


def printed(desk: Desk, way: Opening, plans: tuple[Plan, ...]) -> list[Print]:
    """Every output ready to be saved, in the order of the plans."""
    if way.frames > 1:
        prints = _filmed(desk, way, plans)
    elif len(plans) == 1:
        with desk.stage(Stage.DECODING):
            prints = [_streamed(desk, way, plans[0])]
    else:
        prints = _shared(desk, way, plans)
    with desk.stage(Stage.PROCESSING):
        return [_finished(desk, one) for one in prints]


def _filmed(desk: Desk, way: Opening, plans: tuple[Plan, ...]) -> list[Print]:
    """Every step on every frame; formats without frames get the first."""
    with desk.stage(Stage.DECODING):
        roll = _opened(desk, way).copy_memory()
    with desk.stage(Stage.PROCESSING):
        return [_filmed_one(desk, roll, way.frames, plan) for plan in plans]


def _filmed_one(desk: Desk, roll: pyvips.Image, frames: int, plan: Plan) -> Print:
    desk.reporter.check()
    moves = plan.shared + ((plan.resize,) if plan.resize else ()) + plan.finish
    plan = replace(plan, finish=())
    if plan.frames == 1:
        return Print(plan, _moved(still(first_frame(roll, frames)), moves), is_held=True)
    made = each_frame(roll, frames, lambda frame: _moved(still(frame), moves))
    return Print(plan, made.copy_memory(), is_held=True)


def _shared(desk: Desk, way: Opening, plans: tuple[Plan, ...]) -> list[Print]:
    """Several outputs from one decode."""
    ordered = sorted(plans, key=_scaled_pixels, reverse=True)
    largest = ordered[0]
    comes_first = largest.resize and all(_can_make(largest, plan) for plan in ordered[1:])
    with desk.stage(Stage.DECODING):
        if comes_first and _output_bytes(largest) <= MOST_HELD_BYTES:
            base = _streamed(desk, way, largest, must_hold=True).image
            prints = {largest.variant.name: Print(largest, base, is_held=True)}
            ordered = ordered[1:]
        else:
            base, prints = _held_base(desk, way, largest), {}
    with desk.stage(Stage.PROCESSING):
        if base is None:
            return [_streamed(desk, way, plan) for plan in plans]
        for place, plan in enumerate(ordered):
            source = _source(plan, base, list(prints.values())).copy()
            desk.reporter.watch(source, done=place / len(ordered), share=1 / len(ordered))
            image = _moved(source, (plan.resize,)).copy_memory() if plan.resize else source
            prints[plan.variant.name] = Print(plan, image, is_held=True)
    return [prints[plan.variant.name] for plan in plans]


def _opened(desk: Desk, way: Opening) -> pyvips.Image:
    image = load(way)
    desk.reporter.watch(image)
    image = upright(image, way, desk.task.recipe.color)
    if way.needs_copy:  # what is made of a copy is an evaluation of its own
        desk.reporter.watch(image, done=1.0, share=0.0)
    return image


def _streamed(desk: Desk, way: Opening, plan: Plan, *, must_hold: bool = False) -> Print:
    """One output scaled while it is decoded: the picture is never held larger than it will be."""
    moves = plan.shared + ((plan.resize,) if plan.resize else ())
    image = _moved(_opened(desk, way), moves)
    is_read_across = not all(move.step.streams for move in plan.finish)
    is_small = _bytes(image) <= MOST_HELD_FOR_PROGRESS_BYTES
    if must_hold or _is_read_again(plan) or is_read_across or is_small:
        return Print(plan, image.copy_memory(), is_held=True)
    return Print(plan, image, is_held=False)


def _held_base(desk: Desk, way: Opening, plan: Plan) -> pyvips.Image | None:
    """What all outputs are made from, decoded once; None if it is too large to hold."""
    image = _moved(_opened(desk, way), plan.shared)
    if any(move.name == "upscale" for move in plan.shared):
        return image  # its result stands in memory or in a file, and is not made twice
    return image.copy_memory() if _bytes(image) <= MOST_HELD_BYTES else None


def _source(plan: Plan, base: pyvips.Image, prints: list[Print]) -> pyvips.Image:
    """The smallest picture made so far that is large enough to make this one from."""
    if plan.resize is None:
        return base
    enough = [one.image for one in prints if _can_make(one.plan, plan)]
    return min([base, *enough], key=lambda image: image.width * image.height)


def _can_make(one: Plan, other: Plan) -> bool:
    if not one.shows_whole or other.resize is None:
        return False
    wanted, there = other.scaled, one.scaled
    return (
        there.width >= wanted.width * LEFT_BETWEEN_OUTPUTS
        and there.height >= wanted.height * LEFT_BETWEEN_OUTPUTS
    )


def _finished(desk: Desk, one: Print) -> Print:
    """The moves after resize, and fitted to its format."""
    if one.plan.finish:
        desk.reporter.watch(one.image, share=0.0)  # so that a kill reaches what steps look at
    image = _moved(one.image, one.plan.finish)
    is_held = one.is_held
    if is_held and one.plan.finish:  # it is read more than once; a large one is not, but streams
        is_held = _is_read_again(one.plan) or _bytes(image) <= MOST_HELD_FOR_PROGRESS_BYTES
    if is_held and one.plan.finish:
        image = image.copy_memory()
    plan = decided(image, one.plan) if is_held else one.plan
    return Print(plan, fitted(image, plan, desk.task.recipe), is_held)


def _is_read_again(plan: Plan) -> bool:
    """Whether the saver writes it several times."""
    return plan.variant.quality == "auto" or plan.variant.max_bytes is not None


def _moved(image: pyvips.Image, moves: tuple[Move, ...]) -> pyvips.Image:
    for move in moves:
        image = move.step.apply(image, move.settings, move.frame)
    return image


def _scaled_pixels(plan: Plan) -> int:
    return plan.scaled.pixels


def _output_bytes(plan: Plan) -> int:
    return plan.scaled.pixels * 4


def _bytes(image: pyvips.Image) -> int:
    return int(image.width * image.height * image.bands)  # eight bits a sample since to_space
