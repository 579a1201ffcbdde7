"""What networks cost a job: seconds and bytes, told from its plans. Loads no onnxruntime."""

from collections.abc import Iterable, Iterator

from pool.ai.engines import OWN, Engines, Model, chosen
from pool.fault import Refused
from pool.plan import Move, Plan, plan_outputs
from pool.recipe import Recipe
from pool.records import Header

RUNTIME_BYTES = 208 << 20
"""onnxruntime, a session and a tile of 256 px. A job that upscales 12 MP to 48 has 427 MiB at its
peak, 172 of them the picture and the result; with this 436 are counted for it.
"""


def seconds(header: Header, recipe: Recipe, engines: Engines) -> float:
    """By the seconds a megapixel of each network; 0 where none is needed or nothing can be made."""
    try:
        work = list(runs(plan_outputs(header, recipe), engines))
    except Refused:
        return 0.0
    known = engines.seconds_per_mp
    return sum(pixels / 1e6 * known.get(one.name, one.usual_s_per_mp) for one, pixels in work)


def network_bytes(plans: tuple[Plan, ...], bands: int) -> int:
    """Of onnxruntime with a network at work, and of what goes in and comes out, both whole; four
    times the side takes two passes, and what is between them is there, too.
    """
    moves = list(network_moves(plans))
    if not moves:
        return 0
    held = max(map(_held_pixels, moves))
    return RUNTIME_BYTES + held * max(3, bands)


def _held_pixels(move: Move) -> int:
    before, after = move.frame.before.pixels, move.frame.after.pixels
    scale = OWN[move.name].scale ** 2
    between = after // scale if after > before * scale else 0
    return before + between + after


def network_moves(plans: tuple[Plan, ...]) -> Iterator[Move]:
    """What a network may do; whether there is one is not asked."""
    for plan in plans:
        for move in (*plan.shared, *plan.finish):
            if move.name in OWN and move.settings.engine != "classic":
                yield move


def pixels_given(plans: Iterable[Plan], engines: Engines) -> int:
    """How many pixels all networks of a task are given together."""
    return sum(pixels for _, pixels in runs(tuple(plans), engines))


def runs(plans: tuple[Plan, ...], engines: Engines) -> Iterator[tuple[Model, int]]:
    """Each pass of each network, with the pixels it is given."""
    for move in plans[0].shared if plans else ():
        for model, pixels in _passes(move, engines):
            yield model, pixels * max(plan.frames for plan in plans)
    for plan in plans:
        for move in plan.finish:
            for model, pixels in _passes(move, engines):
                yield model, pixels * plan.frames


def _passes(move: Move, engines: Engines) -> Iterator[tuple[Model, int]]:
    model = chosen(move.name, move.settings, engines) if move.name in OWN else None
    if model is None:
        return
    pixels = move.frame.before.pixels
    yield model, pixels
    while model.scale > 1 and pixels * model.scale**2 < move.frame.after.pixels:
        pixels *= model.scale**2
        yield model, pixels
