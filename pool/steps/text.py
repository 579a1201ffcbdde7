"""Text: write on the picture."""

from math import ceil, cos, pi, sin, sqrt
from typing import TYPE_CHECKING, Annotated, Literal
from xml.sax.saxutils import escape

from pydantic import Field

from pool.fault import Fault, Refused
from pool.font import FontError, bundled, family
from pool.steps.colour import Colour, rgba, rounded
from pool.steps.mark import Mark, drawn
from pool.steps.step import Frame, Size, Step
from pool.steps.watermark import AssetName

if TYPE_CHECKING:
    import pyvips

# No control characters but line feed and tab; they mean nothing to a font.
PLAIN_TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]{1,500}$"
MOST_PIXELS = 20_000_000  # of one text, about
COVERED = 4  # times the picture: more would be made smaller to fit, and cost for nothing


class Text(Mark):
    """Plain text; too long lines wrap, too much of it is made smaller until it fits."""

    text: Annotated[str, Field(pattern=PLAIN_TEXT, examples=["© 2026"])] = Field(
        description="At most 500 characters; a line feed begins a new line."
    )
    size: Annotated[int, Field(ge=4, le=2000, json_schema_extra={"unit": "px"})] = Field(
        default=32, description="Height of the letters, of the font's own square."
    )
    font: AssetName | None = Field(
        default=None, description="Name of a font file in the server's assets; left out: Roboto."
    )
    weight: Literal["normal", "bold"] = Field(
        default="normal", description="Where the font has a bold face, or is variable."
    )
    align: Literal["left", "center", "right"] = Field(
        default="left", description="Of several lines to each other."
    )
    color: Colour = Field(default="#ffffff", description="Of the letters: #rrggbb or #rrggbbaa.")
    stroke_color: Colour = Field(
        default="#000000", alias="strokeColor", description="Of the line around the letters."
    )
    stroke_width: Annotated[int, Field(ge=0, le=20, json_schema_extra={"unit": "px"})] = Field(
        default=0, alias="strokeWidth", description="Of the line around the letters; 0 is none."
    )


def size(before: Size, text: Text) -> Size:
    """A text stays within the picture."""
    return before


def apply(image: "pyvips.Image", text: Text, frame: Frame) -> "pyvips.Image":
    """Draw the letters as a mask and colour them."""
    path = _font_path(text, frame)

    def make(room: Size) -> "pyvips.Image | None":
        mask = _mask(text, path, room)
        return None if mask is None else _coloured(mask, text)

    return drawn(image, text, make)


def _font_path(text: Text, frame: Frame) -> str:
    if text.font is None:
        path = bundled()
        wanted = "install the package fontpkg-roboto, or name a font file of the server's assets"
    else:
        path = frame.assets.get(text.font)
        wanted = f"the server's assets have no font file named {text.font}"
    if path is None:
        raise Refused(Fault("font_not_found", f"text.font: {wanted}"))
    return path


def _mask(text: Text, path: str, room: Size) -> "pyvips.Image | None":
    """How much of each pixel the letters cover; None if there is nothing to see."""
    import pyvips

    try:
        name = family(path)
    except (FontError, OSError) as error:
        detail = f"text.font: {text.font or 'Roboto'} is no TrueType or OpenType font file"
        raise Refused(Fault("font_not_found", detail)) from error
    most = min(COVERED * room.pixels, MOST_PIXELS)
    size = max(1, min(text.size, int(sqrt(most / len(text.text)))))
    is_turned = text.tile or text.rotate % 360 != 0
    try:
        return pyvips.Image.text(
            escape(text.text),
            font=f"{name} {'Bold ' if text.weight == 'bold' else ''}{size}px",
            fontfile=path,
            align={"left": "low", "center": "centre", "right": "high"}[text.align],
            dpi=72,
            **({} if is_turned else {"width": room.width, "wrap": "word-char"}),
        )
    except pyvips.Error as error:
        if "no text to render" in str(error):
            return None  # spaces only
        raise


def _coloured(mask: "pyvips.Image", text: Text) -> "pyvips.Image":
    letters = _filled(mask, text.color)
    if not text.stroke_width:
        return letters
    edge = text.stroke_width
    mask = mask.embed(edge, edge, mask.width + 2 * edge, mask.height + 2 * edge).copy_memory()
    around = _filled(_widened(mask, edge), text.stroke_color)
    return around.composite2(_filled(mask, text.color), "over")


def _filled(mask: "pyvips.Image", colour: str) -> "pyvips.Image":
    *values, opacity = rgba(colour)
    flat = mask.new_from_image(values).cast("uchar")
    alpha = mask if opacity == 255 else rounded(mask * (opacity / 255))
    return flat.bandjoin(alpha).copy(interpretation="srgb")


def _widened(mask: "pyvips.Image", width: int) -> "pyvips.Image":
    """The mask moved around a circle, all places laid over one another."""
    wide = mask
    turns = max(8, ceil(2 * pi * width))
    for turn in range(turns):
        angle = 2 * pi * turn / turns
        across, down = round(width * cos(angle)), round(width * sin(angle))
        wide = wide.maxpair(mask.embed(across, down, mask.width, mask.height))
    return wide


STEP = Step(apply=apply, size=size)
