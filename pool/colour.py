"""Colours on entry: whatever the picture's colour space, eight-bit sRGB, P3 or grey from here."""

from functools import lru_cache
from struct import error as StructError
from struct import unpack_from

import pyvips

# The primaries as ICC profiles hold them (adapted to D50), and the curve of both at two points.
PRIMARIES = {
    "srgb": {
        b"rXYZ": (0.4361, 0.2225, 0.0139),
        b"gXYZ": (0.3851, 0.7169, 0.0971),
        b"bXYZ": (0.1431, 0.0606, 0.7141),
    },
    "p3": {
        b"rXYZ": (0.5151, 0.2412, -0.0011),
        b"gXYZ": (0.2919, 0.6922, 0.0419),
        b"bXYZ": (0.1571, 0.0666, 0.7841),
    },
}
CURVE = {0.1: 0.01002, 0.5: 0.21404}
PRIMARY_TOLERANCE = 0.002  # Display P3's red is 0.08 away from that of sRGB
CURVE_TOLERANCE = 0.001  # a plain gamma of 2.2 is 0.0036 away
PROFILE = "icc-profile-data"


def to_space(image: pyvips.Image, space: str = "srgb") -> pyvips.Image:
    """The picture in that space or grey, eight bits, with at most one alpha band."""
    image = _converted(image, space)
    colours = 1 if image.interpretation == "b-w" else 3
    return image[: colours + 1] if image.bands > colours + 1 else image


def with_profile(image: pyvips.Image, space: str) -> pyvips.Image:
    """A copy that says which space its colours are of, as far as it is not sRGB."""
    image = image.copy()
    if space != "srgb" and image.interpretation == "srgb":
        profile = bytes(pyvips.Operation.call("profile_load", space))
        image.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    return image


def _converted(image: pyvips.Image, space: str) -> pyvips.Image:
    # A transform costs half as much again as decoding, so it is kept for profiles that differ.
    is_there = False
    if image.get_typeof(PROFILE):
        profile = image.get(PROFILE)
        is_there = is_of(profile, space)
        if not is_there:
            try:
                return _transformed(image, space, embedded=True)
            except pyvips.Error:
                image = _without_profile(image)  # broken, or not for this picture: as if none
    if image.interpretation == "cmyk":
        return _transformed(image, space, input_profile="cmyk")
    if image.interpretation in ("b-w", "grey16"):
        return image if image.format == "uchar" else image.colourspace("b-w")
    if image.interpretation != "srgb" or image.format != "uchar":
        image = image.colourspace("srgb")
    if space == "srgb" or is_there:
        return image
    return _transformed(image, space, input_profile="srgb")


def _transformed(image: pyvips.Image, space: str, **profile: str | bool) -> pyvips.Image:
    return image.icc_transform(
        space, intent="relative", black_point_compensation=True, depth=8, **profile
    )


def _without_profile(image: pyvips.Image) -> pyvips.Image:
    image = image.copy()
    image.remove(PROFILE)
    return image


def is_srgb(profile: bytes) -> bool:
    return is_of(profile, "srgb")


@lru_cache(maxsize=64)
def is_of(profile: bytes, space: str) -> bool:
    """Whether a profile means that space, by its primaries and curves: names differ too much."""
    try:
        if profile[16:20] != b"RGB ":
            return False
        tags = _tags(profile)
        return all(
            _is_near(unpack_from(">3i", tags[name], 8), wanted)
            for name, wanted in PRIMARIES[space].items()
        ) and all(_is_srgb_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
    except (StructError, KeyError, IndexError, ZeroDivisionError, OverflowError):
        return False  # a table profile, or a broken one: the transform decides


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = unpack_from(">I", profile, 128)
    entries = (unpack_from(">4sII", profile, 132 + 12 * row) for row in range(min(count, 100)))
    return {name: profile[offset : offset + length] for name, offset, length in entries}


def _is_near(fixed: tuple[int, ...], wanted: tuple[float, ...]) -> bool:
    pairs = zip(fixed, wanted, strict=True)
    return all(abs(value / 65536 - near) < PRIMARY_TOLERANCE for value, near in pairs)


def _is_srgb_curve(tag: bytes) -> bool:
    return all(abs(_curve(tag, at) - value) < CURVE_TOLERANCE for at, value in CURVE.items())


def _curve(tag: bytes, at: float) -> float:
    """The value of a tone curve tag at a point from 0 to 1."""
    if tag[:4] == b"para":
        return _parametric_curve(tag, at)
    (count,) = unpack_from(">I", tag, 8)
    if count < 2:
        return float(at ** (unpack_from(">H", tag, 12)[0] / 256)) if count else at
    place = at * (count - 1)
    low, high = unpack_from(">2H", tag, 12 + 2 * int(place))
    return float(low + (high - low) * (place % 1)) / 65535


def _parametric_curve(tag: bytes, at: float) -> float:
    (kind,) = unpack_from(">H", tag, 8)
    numbers = [value / 65536 for value in unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12)]
    gamma, scale, offset, slope, start = (numbers + [1.0, 0.0, 0.0, 0.0][len(numbers) - 1 :])[:5]
    if kind >= 3 and at < start:
        return float(slope * at)
    return float(max(0.0, scale * at + offset) ** gamma)
