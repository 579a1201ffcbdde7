"""Round: cut the corners off along a circle; what was there becomes transparent."""

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pool.steps.colour import rounded
from pool.steps.step import Frame, Settings, Side, Size, Step

if TYPE_CHECKING:
    import pyvips


class Round(Settings):
    """Round corners, clear outside; a format without transparency shows the background there."""

    radius: Side | None = Field(
        default=None,
        description="Of each corner; more than half the shorter side counts as half of it.",
    )
    circle: bool = Field(
        default=False,
        description="The largest radius, instead of a number: a square picture becomes a circle.",
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if (self.radius is not None) == self.circle:
            got = "both" if self.circle else "neither"
            wanted = "expected either radius, or circle true, got {got}"
            raise PydanticCustomError("whole", wanted, {"got": got})
        return self


def size(before: Size, round: Round) -> Size:
    """The corners become clear, the picture stays."""
    return before


def apply(image: "pyvips.Image", round: Round, frame: Frame) -> "pyvips.Image":
    """Take the corners out of the alpha."""
    most = min(image.width, image.height) // 2
    radius = most if round.radius is None else min(round.radius, most)
    if radius == 0:
        return image
    mask = _mask(Size(image.width, image.height), radius)
    if not image.hasalpha():
        return image.bandjoin(mask)
    last = image.bands - 1
    return (
        image[:last]
        .bandjoin(rounded(image[last] * mask / 255))
        .copy(interpretation=image.interpretation)
    )


def _mask(size: Size, radius: int) -> "pyvips.Image":
    """Opaque but for the corners, whose edges are smooth: as much of a pixel as lies inside."""
    import pyvips

    # From the middle of each pixel to the centre of the circle, at the corner's far end.
    place = radius - 0.5 - pyvips.Image.xyz(radius, radius)
    distance = (place[0] * place[0] + place[1] * place[1]) ** 0.5
    corner = rounded((distance * -1 + (radius + 0.5)) * 255).copy_memory()
    right, bottom = size.width - radius, size.height - radius
    mask = (pyvips.Image.black(size.width, size.height) + 255).cast("uchar")
    for left, top, turned in (
        (0, 0, corner),
        (right, 0, corner.fliphor()),
        (0, bottom, corner.flipver()),
        (right, bottom, corner.rot180()),
    ):
        mask = mask.insert(turned, left, top)
    return mask


STEP = Step(apply=apply, size=size, streams=True)
