"""What a job will cost, told from a header and a recipe: what admission and dispatch count with.

Memory is a sum of what stands in the worker at the same time: the worker itself, the decoder, what
is held between it and the encoder, and the largest encoder. `python -m bench memory` compares it
with real jobs; docs/memory.md has the table.
"""

import hashlib
from dataclasses import dataclass
from math import ceil

from pool.ai.costs import network_bytes, network_moves
from pool.plan import Plan, plan_outputs
from pool.recipe import Recipe
from pool.records import Header
from pool.step_cost import (
    MOST_HELD_FOR_PROGRESS_BYTES,
    ends_with_alpha,
    finished_bytes,
    looked_at_pixels,
)

_MIB = 1 << 20
_SMALL_PIXELS = 150_000  # in and out: done in about 10 ms, so that the hop to the worker counts

# A child that has done one picture of 0.3 MP holds 37 to 44 MiB, 48 after a colour profile.
_WORKER_BYTES = 48 * _MIB

# As pool/open.py and pool/develop.py decide; tests/pool/test_cost.py compares them.
LEFT_TO_RESAMPLER, LEFT_AFTER_CROP = 1.5, 2.0
MOST_HELD_BYTES = 256 * _MIB
MOST_THINNED_BYTES = 32 * _MIB  # and a byte a pixel, of a progressive JPEG without all its scans
TURNED_OVER = range(3, 9)

# Lines on their way from decoder to encoder: 48 and 100 MP JPEG to JPEG 720 and 760. A strong
# reduction averages whole blocks of lines: 12, 48 and 100 MP PNG to 800 px 1600 to 1800.
_LINES = 800
_LINES_AVERAGED = 1800
_STRONG_REDUCTION = 2.5
_WEIGHED = 2  # a band, beside the line itself: colours are weighed by alpha, as floats, in parts

# Bytes the decoder holds for each pixel of the file, beside the lines.
_PROGRESSIVE_JPEG = 2  # a plane: all coefficients (100 MP: 585 MiB; with less colour 295)
_WEBP_LOSSLESS = 4  # decoded whole before it is shrunk, and a header does not tell (12 MP: 43 MiB)
_WEBP_DECODED = 9  # of the shrunk picture: frame and canvas (3 MP: 27 MiB)
_HEIF = 18  # AV1 frames and their RGB, 12 MP: 4:2:0 165 MiB, 4:4:4 208, ten bits 185
_GIF_CANVAS = 6  # 12 MP: 68 MiB
_GIF_FRAME = 1  # a frame: libvips reads the whole file, twice over (60 of 0.5 MP: 20 MiB)

# Bytes the encoder holds for each pixel of the output.
_JPEG_OPTIMISED = 6  # 12 MP: 69 MiB; as pool/save.py, progressive alone beyond this many pixels
MOST_OPTIMISED_PIXELS = 16_000_000
_WEBP, _WEBP_ALPHA = 5.5, 37  # 12 and 48 MP: 59 and 245 MiB; with alpha 3 MP: 104 MiB
_AVIF, _AVIF_ALPHA = 22, 34  # 3 and 12 MP: 64 and 244 MiB; with alpha 3 MP: 102 MiB
_AVIF_BYTES = 8 * _MIB  # of the encoder itself
# Without loss WebP takes 34 (3 MP: 97 MiB), AVIF 39 (3 MP: 111 MiB).
_WEBP_LOSSLESS_OUT, _AVIF_LOSSLESS = 37, 40
_WEBP_DRAWING = 16  # format auto may find few colours and then lose none (12 MP: 154 MiB)
# The choice of 256 colours: 3 MP 103 MiB, 12 MP 149.
_PALETTE_SMALL, _PALETTE, _PALETTE_BYTES = 36, 5, 96 * _MIB
_FILM = 1  # for each pixel of all frames: the packed file (60 frames of 0.5 MP: 26 MiB)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """The picture as the decoder gives it: `shrink` times smaller than the file."""

    header: Header
    shrink: int
    bands: int  # in sRGB or grey

    @property
    def bytes(self) -> int:
        return self.of(self.header.width * self.header.height)

    def of(self, pixels: int) -> int:
        """Bytes of so many pixels of the file, once decoded."""
        return ceil(pixels / self.shrink**2) * self.bands


def memory_bytes(header: Header, recipe: Recipe) -> int:
    """An estimate from above, in bytes; raises Refused as plan_outputs does.

    Not in it is the source file: libvips maps it, and the kernel drops such pages when it must.
    """
    plans = plan_outputs(header, recipe)
    decoded = _decoded(header, plans)
    # Several outputs come from one base, unless it is too large to hold: then each is decoded anew.
    is_shared = len(plans) > 1 and decoded.of(plans[0].base.pixels) <= MOST_HELD_BYTES
    frames = max(plan.frames for plan in plans)
    decoder = _decoder_bytes(decoded) + _line_bytes(decoded, plans)
    decoder += _upright_bytes(decoded, frames)
    held = _shared_bytes(decoded, plans) if is_shared else _streamed_bytes(decoded, plans)
    held += decoded.of(looked_at_pixels(plans[0]))
    encoder = max(
        _encoder_bytes(plan, recipe, has_alpha=ends_with_alpha(plan, has_alpha=header.has_alpha))
        for plan in plans
    )
    held += network_bytes(plans, decoded.bands)
    return ceil(_WORKER_BYTES + decoder * (1 if is_shared else len(plans)) + held + encoder)


def group_kind(header: Header, recipe: Recipe) -> str:
    """The same text for small jobs of one recipe, which a worker may get together; else ""."""
    outputs = plan_outputs(header, recipe)
    pixels = [header.width * header.height, *(plan.size.pixels for plan in outputs)]
    is_slow = any(
        plan.variant.format == "avif" or plan.variant.quality == "auto" or plan.variant.max_bytes
        for plan in outputs
    )
    if is_slow or any(network_moves(outputs)) or header.frames > 1 or sum(pixels) > _SMALL_PIXELS:
        return ""
    return hashlib.sha256(recipe.canonical().encode()).hexdigest()[:12]


def _decoded(header: Header, plans: tuple[Plan, ...]) -> _Decoded:
    left = LEFT_AFTER_CROP if plans[0].shared else LEFT_TO_RESAMPLER
    room = min(plan.reduction for plan in plans) / left
    shrinks = (8, 4, 2) if header.format in ("jpeg", "webp") else ()
    shrink = next((shrink for shrink in shrinks if shrink <= room), 1)
    colours = 1 if header.bands <= 2 else 3
    return _Decoded(header, shrink, colours + header.has_alpha)


def _decoder_bytes(decoded: _Decoded) -> float:
    """What the decoder of this format holds of the whole picture."""
    header = decoded.header
    pixels = header.width * header.height
    match header.format:
        case "jpeg" if header.progressive:
            # The header does not tell half the width (4:2:2) from half of both: the dearer case.
            planes = header.bands - 1 if header.has_less_colour else header.bands
            return pixels * planes * _PROGRESSIVE_JPEG + min(pixels, MOST_THINNED_BYTES)
        case "png" if header.progressive:
            return pixels * _sample_bytes(header)
        case "webp":
            lossless = 0 if decoded.shrink == 1 else pixels * _WEBP_LOSSLESS
            return pixels / decoded.shrink**2 * _WEBP_DECODED + lossless
        case "avif" | "heif":
            return pixels * _HEIF
        case "gif":
            return pixels * (_GIF_CANVAS + _GIF_FRAME * header.frames)
    return 0


def _upright_bytes(decoded: _Decoded, frames: int) -> int:
    """The copy that a turn by EXIF is made from, or that frames are cut from."""
    is_copied = decoded.header.orientation in TURNED_OVER or frames > 1
    return decoded.bytes * frames if is_copied else 0


def _line_bytes(decoded: _Decoded, plans: tuple[Plan, ...]) -> float:
    """The lines on their way through the steps."""
    header = decoded.header
    is_resized = any(plan.resize for plan in plans)
    pixel = _sample_bytes(header)
    if is_resized and header.has_alpha:
        pixel += _WEIGHED * decoded.bands
    left = max(plan.reduction for plan in plans) / decoded.shrink
    lines = _LINES_AVERAGED if is_resized and left > _STRONG_REDUCTION else _LINES
    lies_on_its_side = header.orientation >= 5
    width, height = header.width, header.height
    if lies_on_its_side:
        width, height = height, width
    return pixel * (width / decoded.shrink) * min(lines, height / decoded.shrink)


def _streamed_bytes(decoded: _Decoded, plans: tuple[Plan, ...]) -> int:
    """Outputs scaled while they are decoded: each is held if it is small, or read across."""
    return sum(_one_streamed(decoded, plan) for plan in plans)


def _one_streamed(decoded: _Decoded, plan: Plan) -> int:
    after = plan.resize.frame.after if plan.resize else plan.base
    whole = after.pixels * decoded.bands * plan.frames
    is_read_across = not all(move.step.streams for move in plan.finish)
    if is_read_across or whole <= MOST_HELD_FOR_PROGRESS_BYTES:
        return whole + finished_bytes(plan, decoded.bands) + _uncut_bytes(decoded, plan)
    lines = _LINES * after.width * decoded.bands if plan.resize else 0
    return lines + _uncut_bytes(decoded, plan)


def _shared_bytes(decoded: _Decoded, plans: tuple[Plan, ...]) -> int:
    """One base for all outputs, and each output that was scaled from it."""
    scaled = [plan.resize.frame.after.pixels * plan.frames for plan in plans if plan.resize]
    uncut = max(_uncut_bytes(decoded, plan) for plan in plans)
    finished = sum(finished_bytes(plan, decoded.bands) for plan in plans)
    return decoded.of(plans[0].base.pixels) + sum(scaled) * decoded.bands + finished + uncut


def _uncut_bytes(decoded: _Decoded, plan: Plan) -> int:
    """The whole scaled picture, where a crop looks at all of it before it cuts."""
    if plan.resize is None or plan.resize.settings.gravity not in ("attention", "entropy"):
        return 0
    return plan.scaled.pixels * decoded.bands


def _encoder_bytes(plan: Plan, recipe: Recipe, *, has_alpha: bool) -> float:
    film = _FILM * plan.pixels if plan.frames > 1 else 0
    return film + _one_encoded(plan, recipe, has_alpha=has_alpha)


def _one_encoded(plan: Plan, recipe: Recipe, *, has_alpha: bool) -> float:
    pixels, is_lossless = plan.size.pixels, plan.variant.is_lossless
    match plan.variant.format:
        case "jpeg" if pixels <= MOST_OPTIMISED_PIXELS or recipe.progressive:
            return pixels * _JPEG_OPTIMISED
        case "webp":
            opaque = _WEBP_DRAWING if plan.variant.is_open else _WEBP
            lossy = _WEBP_ALPHA if has_alpha else opaque
            return pixels * (_WEBP_LOSSLESS_OUT if is_lossless else lossy)
        case "avif":
            lossy = _AVIF_ALPHA if has_alpha else _AVIF
            return _AVIF_BYTES + pixels * (_AVIF_LOSSLESS if is_lossless else lossy)
        case "gif":
            return _palette_bytes(plan.pixels)  # of all frames: 20 of 0.1 MP take 60 MiB
        case "png" if recipe.palette:
            return _palette_bytes(pixels)
    return 0  # a line at a time


def _palette_bytes(pixels: int) -> float:
    return min(pixels * _PALETTE_SMALL, _PALETTE_BYTES + pixels * _PALETTE)


def _sample_bytes(header: Header) -> float:
    """Bytes of one pixel as the file has it."""
    return header.bands * header.bits / 8
