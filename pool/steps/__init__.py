"""The steps in their order of work. A new step is one file here and one row below."""

from typing import Annotated

from pydantic import Field
from pydantic.fields import FieldInfo

from pool.steps.crop import STEP as CROP
from pool.steps.crop import Crop
from pool.steps.flip import STEP as FLIP
from pool.steps.flop import STEP as FLOP
from pool.steps.resize import STEP as RESIZE
from pool.steps.resize import Resize
from pool.steps.rotate import STEP as ROTATE
from pool.steps.rotate import Rotate
from pool.steps.step import Frame, Settings, Size, Step

__all__ = ["STEPS", "Crop", "Frame", "Resize", "Rotate", "Settings", "Size", "Step", "Steps"]


class Steps(Settings):
    """A row a step, top to bottom the order of work; EXIF orientation comes before all of them."""

    crop: Annotated[Crop | None, CROP] = Field(
        default=None, description="Cut a rectangle out of the picture as displayed."
    )
    resize: Annotated[Resize | None, RESIZE] = Field(
        default=None, description="Bring the picture to a size or into a box."
    )
    rotate: Annotated[Rotate | None, ROTATE] = Field(
        default=None, description="Turn the picture clockwise."
    )
    flip: Annotated[bool, FLIP] = Field(
        default=False, description="Mirror the picture top to bottom."
    )
    flop: Annotated[bool, FLOP] = Field(
        default=False, description="Mirror the picture left to right."
    )


def _step(field: FieldInfo) -> Step:
    (step,) = (mark for mark in field.metadata if isinstance(mark, Step))
    return step


STEPS: dict[str, Step] = {name: _step(field) for name, field in Steps.model_fields.items()}
