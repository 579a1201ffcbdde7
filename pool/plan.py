"""What a recipe will give, told from a header alone: the moves to each output, and its size."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from pool.ai.bench import PLAIN, Bench
from pool.ai.engines import refuse_missing
from pool.fault import Fault, Refused
from pool.formats import ANIMATED, FORMATS, chosen
from pool.recipe import Recipe, WrittenVariant
from pool.records import Header, Limits
from pool.steps import STEPS, Crop, Frame, Resize, Size, Step
from pool.steps.resize import reduction, scaled


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a picture beside its header."""

    trimmed: Crop | None = None  # the box inside its border, once that was looked for
    assets: Mapping[str, str] = field(default_factory=dict)
    bench: Bench = PLAIN


NOTHING_KNOWN = Known()


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
    frames: int = 1

    @property
    def pixels(self) -> int:
        """Of all frames together."""
        return self.size.pixels * self.frames

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
    """The exact size of each output to come; a crop outside the picture raises Refused.

    Not exact with trim: the sizes are then those of a picture that has no border.
    """
    return tuple(plan.size for plan in plan_outputs(header, recipe))


def refusal(
    header: Header, recipe: Recipe, limits: Limits, known: Known = NOTHING_KNOWN
) -> Fault | None:
    """Why this recipe cannot be done with this picture, told before any work."""
    try:
        refuse_missing(recipe, limits.engines)
        plans = plan_outputs(header, recipe, known)
    except Refused as refused:
        return refused.fault
    if recipe.trim is not None and known.trimmed is None:
        return None  # no size is known yet; the worker asks again when it has found the box
    return next((fault for plan in plans if (fault := _too_large(plan, limits))), None)


def plan_outputs(header: Header, recipe: Recipe, known: Known = NOTHING_KNOWN) -> tuple[Plan, ...]:
    """One plan for each of recipe.outputs(); a crop outside the picture raises Refused.

    Of several formats to negotiate those are left out that cannot hold what another can, and
    those that are made when they are asked for.
    """
    return _usual(header, recipe) if known is NOTHING_KNOWN else _outputs(header, recipe, known)


def _outputs(header: Header, recipe: Recipe, known: Known) -> tuple[Plan, ...]:
    if recipe.page is not None and recipe.page >= header.frames:
        raise Refused(page_outside(header.frames, recipe.page))
    plans = tuple(_plan(header, recipe, variant, known) for variant in recipe.outputs())
    frames = frames_used(header, recipe)
    whole = {plan.variant.choice_of for plan in plans if _holds_all(plan, frames)} - {None}
    plans = tuple(
        plan for plan in plans if plan.variant.choice_of not in whole or _holds_all(plan, frames)
    )
    return _last_choices(plans) if recipe.negotiate_on_ask else plans


@lru_cache(maxsize=64)
def _usual(header: Header, recipe: Recipe) -> tuple[Plan, ...]:
    """With nothing known but the header: asked for again and again on a picture's way in."""
    return _outputs(header, recipe, NOTHING_KNOWN)


def _last_choices(plans: tuple[Plan, ...]) -> tuple[Plan, ...]:
    """Of each variant in several formats the last one, which is for all who ask."""
    last = {plan.variant.choice_of: plan.variant.name for plan in plans}
    return tuple(
        plan
        for plan in plans
        if plan.variant.choice_of is None or last[plan.variant.choice_of] == plan.variant.name
    )


def page_outside(pages: int, page: int) -> Fault:
    """A page is wanted that the file does not have."""
    detail = f"page {page} is wanted, counted from 0; the file has {pages}"
    return Fault("page_outside", detail, limit=pages - 1, actual=page)


def frames_used(header: Header, recipe: Recipe) -> int:
    """How many frames of the source are developed: all of an animation unless one is named."""
    return header.frames if header.format in ANIMATED and recipe.page is None else 1


def _plan(header: Header, recipe: Recipe, variant: WrittenVariant, known: Known) -> Plan:
    source = Size(header.width, header.height)
    moves = tuple(_moves(source, recipe, variant.resize, known))
    order = list(STEPS)
    place = order.index("resize")
    shared = tuple(move for move in moves if order.index(move.name) < place)
    size = moves[-1].frame.after if moves else source
    if variant.is_auto:
        kind = chosen(max(size.width, size.height), has_alpha=header.has_alpha)
        variant = replace(variant, format=kind)
    return Plan(
        variant=variant,
        shared=shared,
        resize=next((move for move in moves if move.name == "resize"), None),
        finish=tuple(move for move in moves if order.index(move.name) > place),
        base=shared[-1].frame.after if shared else source,
        size=size,
        background=recipe.background_colour(),
        frames=frames_used(header, recipe) if FORMATS[variant.format].has_frames else 1,
    )


def _moves(size: Size, recipe: Recipe, resize: Resize | None, known: Known) -> Iterator[Move]:
    background = recipe.background_colour()
    for name, step in STEPS.items():
        settings = resize if name == "resize" else getattr(recipe, name)
        if settings is None or settings is False:
            continue
        if name == "trim" and known.trimmed is not None:
            settings = known.trimmed
        after = step.size(size, settings)
        yield Move(name, step, settings, Frame(size, after, background, known.assets, known.bench))
        size = after


def _holds_all(plan: Plan, frames: int) -> bool:
    """Whether the format holds every frame, and every pixel."""
    kind = FORMATS[plan.variant.format]
    has_frames = frames == 1 or kind.has_frames
    return has_frames and max(plan.size.width, plan.size.height) <= kind.max_side


def _too_large(plan: Plan, limits: Limits) -> Fault | None:
    name, size, kind = plan.variant.name, plan.size, plan.variant.format
    for move in plan.shared:
        if move.frame.after.pixels > max(limits.max_output_pixels, move.frame.before.pixels):
            made = move.frame.after
            detail = (
                f"{move.name} would make {made.width} x {made.height} pixels; "
                f"at most {limits.max_output_pixels} are made"
            )
            return Fault("output_too_large", detail, limits.max_output_pixels, made.pixels)
    side, most = max(size.width, size.height), FORMATS[kind].max_side
    if plan.pixels > limits.max_output_pixels:
        frames = f" in {plan.frames} frames" if plan.frames > 1 else ""
        detail = (
            f"variant {name} would have {size.width} x {size.height} pixels{frames}, "
            f"{plan.pixels} in all; at most {limits.max_output_pixels} are made"
        )
        return Fault("output_too_large", detail, limits.max_output_pixels, plan.pixels)
    if side > most:
        detail = f"variant {name} would be {side} pixels long; {kind} holds at most {most}"
        return Fault("output_too_large", detail, most, side)
    return None
