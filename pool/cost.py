"""What a job will cost, told from a header and a recipe: what admission and dispatch count with."""

import hashlib

from pool.plan import plan_outputs
from pool.recipe import Recipe
from pool.records import Header

_WORKER_BYTES = 48 * 1024 * 1024  # a worker that has done its first picture
_STRIP_LINES = 512  # libvips streams: about so many lines of the source are held
_SMALL_PIXELS = 500_000  # done in so few milliseconds that the hop to the worker counts


def memory_bytes(header: Header, recipe: Recipe) -> int:
    """An estimate from above, in bytes; raises Refused as plan_outputs does."""
    sample_bytes = header.bits // 8
    line = header.width * header.bands * sample_bytes
    is_streamed = not header.progressive and header.format in ("jpeg", "png")
    source = line * (min(header.height, _STRIP_LINES) if is_streamed else header.height)
    outputs = sum(
        plan.size.width * plan.size.height * 4 * 3 for plan in plan_outputs(header, recipe)
    )
    return int(_WORKER_BYTES + source + outputs)


def group_kind(header: Header, recipe: Recipe) -> str:
    """The same text for small jobs of one recipe, which a worker may get together; else ""."""
    outputs = plan_outputs(header, recipe)
    pixels = [header.width * header.height, *(plan.size.pixels for plan in outputs)]
    is_slow = any(plan.variant.format == "avif" for plan in outputs)
    if is_slow or header.frames > 1 or sum(pixels) > _SMALL_PIXELS:
        return ""
    return hashlib.sha256(recipe.canonical().encode()).hexdigest()[:12]
