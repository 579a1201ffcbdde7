"""The steps in their order of work. A new step is one file here and one row below."""

from typing import Annotated

from pydantic import Field
from pydantic.fields import FieldInfo

from pool.steps.adjust import STEP as ADJUST
from pool.steps.adjust import Adjust
from pool.steps.blur import STEP as BLUR
from pool.steps.blur import Blur
from pool.steps.clahe import STEP as CLAHE
from pool.steps.clahe import Clahe
from pool.steps.crop import STEP as CROP
from pool.steps.crop import Crop
from pool.steps.denoise import STEP as DENOISE
from pool.steps.denoise import Denoise
from pool.steps.enhance import STEP as ENHANCE
from pool.steps.enhance import Enhance
from pool.steps.flatten import STEP as FLATTEN
from pool.steps.flatten import Flatten
from pool.steps.flip import STEP as FLIP
from pool.steps.flop import STEP as FLOP
from pool.steps.gamma import STEP as GAMMA
from pool.steps.gamma import Gamma
from pool.steps.grayscale import STEP as GRAYSCALE
from pool.steps.normalise import STEP as NORMALISE
from pool.steps.pad import STEP as PAD
from pool.steps.pad import Pad
from pool.steps.pixelate import STEP as PIXELATE
from pool.steps.pixelate import Pixelate
from pool.steps.resize import STEP as RESIZE
from pool.steps.resize import Resize
from pool.steps.rotate import STEP as ROTATE
from pool.steps.rotate import Rotate
from pool.steps.round import STEP as ROUND
from pool.steps.round import Round
from pool.steps.sepia import STEP as SEPIA
from pool.steps.sharpen import STEP as SHARPEN
from pool.steps.sharpen import Sharpen
from pool.steps.step import Frame, Settings, Size, Step
from pool.steps.text import STEP as TEXT
from pool.steps.text import Text
from pool.steps.tint import STEP as TINT
from pool.steps.tint import Tint
from pool.steps.trim import STEP as TRIM
from pool.steps.trim import Trim
from pool.steps.upscale import STEP as UPSCALE
from pool.steps.upscale import Upscale
from pool.steps.watermark import STEP as WATERMARK
from pool.steps.watermark import Watermark

__all__ = [
    "STEPS",
    "Crop",
    "Frame",
    "Resize",
    "Rotate",
    "Settings",
    "Size",
    "Step",
    "Steps",
    "Trim",
]


class Steps(Settings):
    """A row a step, top to bottom the order of work; EXIF orientation comes before all of them.

    What is cut away costs nothing later, so trim and crop come first, then upscale, which makes
    what resize may choose from; resize next, so that all that follows works on few pixels, and a
    radius or a width in pixels means those of the result. Then the picture is turned, and what is
    clear filled. Colours: enhance and denoise before what would make noise stronger, the automatic
    steps before those by hand, the loss of colour after its change.
    Then blur, sharpen, pixelate, so that blocks stay hard. Last what surrounds and covers the
    picture: a border, marks on both, and round corners, which cut all of it as they do in CSS.
    """

    trim: Annotated[Trim | None, TRIM] = Field(
        default=None, description="Cut off a border of one colour."
    )
    crop: Annotated[Crop | None, CROP] = Field(
        default=None, description="Cut a rectangle out of the picture as displayed."
    )
    upscale: Annotated[Upscale | None, UPSCALE] = Field(
        default=None, description="Make two or four times as many pixels a side."
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
    flatten: Annotated[Flatten | None, FLATTEN] = Field(
        default=None, description="Put a colour under transparent parts."
    )
    enhance: Annotated[Enhance | None, ENHANCE] = Field(
        default=None, description="Take noise and JPEG artefacts away by a neural network."
    )
    denoise: Annotated[Denoise | None, DENOISE] = Field(
        default=None, description="Smooth noise away and keep edges."
    )
    normalise: Annotated[bool, NORMALISE] = Field(
        default=False, description="Stretch brightness from black to white."
    )
    clahe: Annotated[Clahe | None, CLAHE] = Field(
        default=None, description="Lift contrast place by place."
    )
    gamma: Annotated[Gamma | None, GAMMA] = Field(
        default=None,
        description="Lighten (above 1) or darken (below 1) the middle tones; black and white stay.",
    )
    adjust: Annotated[Adjust | None, ADJUST] = Field(
        default=None, description="Change brightness, contrast, saturation and hue."
    )
    grayscale: Annotated[bool, GRAYSCALE] = Field(
        default=False, description="Take all colour away."
    )
    sepia: Annotated[bool, SEPIA] = Field(
        default=False, description="Give the browns of an old photograph."
    )
    tint: Annotated[Tint | None, TINT] = Field(
        default=None, description="Show the picture in shades of one colour."
    )
    blur: Annotated[Blur | None, BLUR] = Field(
        default=None, description="Soften the whole picture."
    )
    sharpen: Annotated[Sharpen | None, SHARPEN] = Field(
        default=None, description="Make fine detail stronger."
    )
    pixelate: Annotated[Pixelate | None, PIXELATE] = Field(
        default=None, description="Make blocks of one colour, of all or of a region."
    )
    pad: Annotated[Pad | None, PAD] = Field(
        default=None, description="Add a border around the picture."
    )
    watermark: Annotated[Watermark | None, WATERMARK] = Field(
        default=None, description="Lay another picture over this one."
    )
    text: Annotated[Text | None, TEXT] = Field(default=None, description="Write on the picture.")
    round: Annotated[Round | None, ROUND] = Field(
        default=None, description="Cut the corners off along a circle."
    )


def _step(field: FieldInfo) -> Step:
    (step,) = (mark for mark in field.metadata if isinstance(mark, Step))
    return step


STEPS: dict[str, Step] = {name: _step(field) for name, field in Steps.model_fields.items()}
