"""Gravity: which part of a picture is kept, or where something stands in a larger frame."""

from typing import Literal

from pool.steps.step import Size

Compass = Literal[
    "center",
    "north",
    "northeast",
    "east",
    "southeast",
    "south",
    "southwest",
    "west",
    "northwest",
]
Gravity = Literal[
    Compass, "attention", "entropy"
]  # keep what draws the eye, where most is going on

# Halves of the free room left of and above the picture: 0 at the near edge, 1 centred, 2 far.
COMPASS: dict[str, tuple[int, int]] = {
    "center": (1, 1),
    "north": (1, 0),
    "northeast": (2, 0),
    "east": (2, 1),
    "southeast": (2, 2),
    "south": (1, 2),
    "southwest": (0, 2),
    "west": (0, 1),
    "northwest": (0, 0),
}


def offset(inner: Size, outer: Size, gravity: str) -> tuple[int, int]:
    """The place of `inner` in `outer`, from the left and the top edge."""
    across, down = COMPASS[gravity]
    return (outer.width - inner.width) * across // 2, (outer.height - inner.height) * down // 2
