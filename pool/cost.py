"""How much memory a job will need, told from a header and a recipe: what admission counts with."""

from pool.plan import plan_outputs
from pool.recipe import Recipe
from pool.records import Header

_WORKER_BYTES = 48 * 1024 * 1024  # a worker that has done its first picture
_STRIP_LINES = 512  # libvips streams: about so many lines of the source are held


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
