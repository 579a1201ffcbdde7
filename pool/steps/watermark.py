"""Watermark: lay another picture over this one."""

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pool.fault import Fault, Refused
from pool.steps.mark import Mark, drawn, shrunk_size
from pool.steps.ratio import scaled_side
from pool.steps.step import Frame, Size, Step

if TYPE_CHECKING:
    import pyvips

AssetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", examples=["logo"])]
ImageId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["01hw3k5x"])]


class Watermark(Mark):
    """A picture the operator named in [assets], or one that was uploaded before."""

    asset: AssetName | None = Field(default=None, description="Its name in the server's assets.")
    image_id: ImageId | None = Field(
        default=None, alias="imageId", description="Id of an uploaded picture, instead of a name."
    )
    scale: Annotated[float, Field(ge=0.01, le=1, json_schema_extra={"unit": "part"})] | None = (
        Field(
            default=None,
            description="Its width as a part of the picture's; left out: its own size, or what "
            "of it has room.",
        )
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if (self.asset is None) == (self.image_id is None):
            got = "neither" if self.asset is None else "both"
            wanted = "expected either asset or imageId, got {got}"
            raise PydanticCustomError("whole", wanted, {"got": got})
        return self

    @property
    def source(self) -> str:
        """Its key in Task.assets."""
        return self.asset or f"image:{self.image_id}"


def size(before: Size, watermark: Watermark) -> Size:
    """A mark stays within the picture."""
    return before


def apply(image: "pyvips.Image", watermark: Watermark, frame: Frame) -> "pyvips.Image":
    """Open the mark no larger than it is needed, and draw it."""
    path = frame.assets.get(watermark.source)
    if path is None:
        raise Refused(Fault("asset_not_found", f"watermark: there is no {watermark.source}"))
    from pool.asset import picture  # loads libvips

    def make(room: Size) -> "pyvips.Image":
        return picture(
            path,
            watermark.source,
            lambda own: _marked_size(own, watermark.scale, frame.before, room),
        )

    return drawn(image, watermark, make)


def _marked_size(own: Size, scale: float | None, picture: Size, room: Size) -> Size:
    """The mark's size before it is turned."""
    if scale is not None:
        width = max(1, round(picture.width * scale))
        own = Size(width, scaled_side(own.height, width, own.width))
    return shrunk_size(own, room)


STEP = Step(apply=apply, size=size)
