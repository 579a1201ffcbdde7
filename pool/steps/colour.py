"""Colours in settings, and pictures with their alpha: split off, joined again, used as weight."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

if TYPE_CHECKING:
    import pyvips

COLOUR_TEXT = "#rrggbb, or #rrggbbaa with its opacity: #00000000 is clear"
Colour = Annotated[
    str,
    Field(pattern=r"^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$", examples=["#ffffff"]),
    AfterValidator(str.lower),
]
PlainColour = Annotated[
    str,
    Field(pattern=r"^#[0-9a-fA-F]{6}$", examples=["#ffffff"]),
    AfterValidator(str.lower),
]

LUMA = (0.299, 0.587, 0.114)  # how bright the eye finds red, green and blue as they are stored


def rgba(colour: str) -> list[int]:
    """Red, green, blue and opacity, each 0 to 255."""
    return list(bytes.fromhex(colour[1:].ljust(8, "f")))


def ready_for(
    image: "pyvips.Image", colour: str | None, background: tuple[int, int, int]
) -> tuple["pyvips.Image", list[int]]:
    """A picture that can hold a colour (none said: the background), and its value in each band."""
    wanted = rgba(colour) if colour else [*background, 255]
    if wanted[3] < 255 and not image.hasalpha():
        image = image.bandjoin(255)
    if len(set(wanted[:3])) > 1:
        image = in_colour(image)
    values = wanted[:3] if is_coloured(image) else wanted[:1]
    return image, [*values, wanted[3]] if image.hasalpha() else values


def is_coloured(image: "pyvips.Image") -> bool:
    return bool(image.interpretation != "b-w")


def in_colour(image: "pyvips.Image") -> "pyvips.Image":
    """A grey picture with three bands for its colours; any other as it is."""
    return image if is_coloured(image) else image.colourspace("srgb")


def split(image: "pyvips.Image") -> tuple["pyvips.Image", "pyvips.Image | None"]:
    """Colours and alpha; None where every pixel is opaque."""
    colours = image[:3] if is_coloured(image) else image[0]
    return colours, image[image.bands - 1] if image.hasalpha() else None


def joined(colours: "pyvips.Image", alpha: "pyvips.Image | None") -> "pyvips.Image":
    """Eight-bit sRGB or grey from colours, halves up, and alpha."""
    kind = "srgb" if colours.bands == 3 else "b-w"
    colours = rounded(colours)
    image = colours if alpha is None else colours.bandjoin(alpha)
    return image.copy(interpretation=kind)


def rounded(image: "pyvips.Image") -> "pyvips.Image":
    """Eight bits a sample, halves up, what is beyond either end cut off."""
    return image if image.format == "uchar" else image.linear(1, 0.5, uchar=True)


def luma(colours: "pyvips.Image") -> "pyvips.Image":
    """One band: how bright each pixel is, as stored (not in linear light)."""
    return colours if colours.bands == 1 else recombined(colours, [LUMA])


def recombined(colours: "pyvips.Image", matrix: Sequence[Sequence[float]]) -> "pyvips.Image":
    """A row of the matrix for each band to come, with a part for each band there is."""
    import pyvips

    return colours.recomb(pyvips.Image.new_from_array([list(row) for row in matrix]))


def mapped(image: "pyvips.Image", curve: Callable[[float], float]) -> "pyvips.Image":
    """Each colour band through a curve from and to 0 to 1; alpha stays."""
    import pyvips

    table = bytes(round(255 * min(max(curve(value / 255), 0.0), 1.0)) for value in range(256))
    colours, alpha = split(image)
    lut = pyvips.Image.new_from_memory(table, 256, 1, 1, "uchar")
    return joined(colours.maplut(lut), alpha)


def weighed(
    image: "pyvips.Image", work: Callable[["pyvips.Image"], "pyvips.Image"]
) -> "pyvips.Image":
    """Work that mixes neighbours: colour counts by its alpha, so none bleeds from clear pixels."""
    if not image.hasalpha():
        return rounded(work(image))
    return rounded(work(image.premultiply()).unpremultiply())
