"""What a recipe will give, told from a header alone: the moves to each output, and its size."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pool.fault import Fault, Refused
from pool.formats import FORMATS
from pool.recipe import Recipe, WrittenVariant
from pool.records import Header, Limits
from pool.steps import STEPS, Frame, Resize, Size, Step
from pool.steps.resize import reduction, scaled


@dataclass(frozen=True, slots=True)
class Move:
    """One step of one output, with its settings and the sizes around it."""

    name: str
    step: Step
    settings: Any  # Any: of the step's own type
    frame: Frame


@dataclass(frozen=True, slots=True)
class Plan:
    """One output: the moves all outputs share, its own resize, and the moves after it."""

    variant: WrittenVariant
    shared: tuple[Move, ...]
    resize: Move | None
    finish: tuple[Move, ...]
    base: Size  # after the shared moves
    size: Size  # after all
    background: tuple[int, int, int]

    @property
    def reduction(self) -> float:
        """How many times smaller than the source the picture may be decoded."""
        if self.resize is None or not all(move.step.scales for move in self.shared):
            return 1.0
        return reduction(self.resize.frame.before, self.resize.settings)

    @property
    def scaled(self) -> Size:
        """The size of the whole picture when scaled, before anything is cut off or padded."""
        if self.resize is None:
            return self.base
        return scaled(self.resize.frame.before, self.resize.settings)

    @property
    def shows_whole(self) -> bool:
        """Whether its resize keeps the whole picture in its own ratio."""
        if self.resize is None:
            return True
        is_uncut = self.scaled == self.resize.frame.after
        return is_uncut and self.resize.settings.fit != "fill"


def announce(header: Header, recipe: Recipe) -> tuple[Size, ...]:
    """The exact size of each of recipe.outputs(); a crop outside the picture raises Refused."""
    return tuple(plan.size for plan in plan_outputs(header, recipe))


def refusal(header: Header, recipe: Recipe, limits: Limits) -> Fault | None:
    """Why this recipe cannot be done with this picture, told before any work."""
    try:
        plans = plan_outputs(header, recipe)
    except Refused as refused:
        return refused.fault
    return next((fault for plan in plans if (fault := _too_large(plan, limits))), None)


def plan_outputs(header: Header, recipe: Recipe) -> tuple[Plan, ...]:
    """One plan for each of recipe.outputs(); a crop outside the picture raises Refused."""
    source = Size(header.width, header.height)
    return tuple(_plan(source, recipe, variant) for variant in recipe.outputs())


def _plan(source: Size, recipe: Recipe, variant: WrittenVariant) -> Plan:
    moves = tuple(_moves(source, recipe, variant.resize))
    order = list(STEPS)
    place = order.index("resize")
    shared = tuple(move for move in moves if order.index(move.name) < place)
    return Plan(
        variant=variant,
        shared=shared,
        resize=next((move for move in moves if move.name == "resize"), None),
        finish=tuple(move for move in moves if order.index(move.name) > place),
        base=shared[-1].frame.after if shared else source,
        size=moves[-1].frame.after if moves else source,
        background=recipe.background_colour(),
    )


def _moves(size: Size, recipe: Recipe, resize: Resize | None) -> Iterator[Move]:
    for name, step in STEPS.items():
        settings = resize if name == "resize" else getattr(recipe, name)
        if settings is None or settings is False:
            continue
        after = step.size(size, settings)
        yield Move(name, step, settings, Frame(size, after, recipe.background_colour()))
        size = after


def _too_large(plan: Plan, limits: Limits) -> Fault | None:
    name, size, kind = plan.variant.name, plan.size, plan.variant.format
    side, most = max(size.width, size.height), FORMATS[kind].max_side
    if size.pixels > limits.max_output_pixels:
        detail = (
            f"variant {name} would have {size.width} x {size.height} pixels, "
            f"{size.pixels} in all; at most {limits.max_output_pixels} are made"
        )
        return Fault("output_too_large", detail, limits.max_output_pixels, size.pixels)
    if side > most:
        detail = f"variant {name} would be {side} pixels long; {kind} holds at most {most}"
        return Fault("output_too_large", detail, most, side)
    return None
