"""What the steps of one output hold in memory, and the bands that they leave: for pool/cost.py."""

from pool.plan import Move, Plan
from pool.steps.colour import rgba
from pool.steps.denoise import TILE
from pool.steps.gravity import COMPASS

# Steps that may bring a colour, so that a grey picture needs three bands.
_COLOURING = frozenset({"rotate", "sepia", "tint", "pad", "watermark", "text"})
_FLOAT = 4  # bytes
MOST_HELD_FOR_PROGRESS_BYTES = 64 << 20  # as pool/prints.py
# Two means, each of two things a band, two rows of tiles; of a smaller picture all that there is.
_KEPT_BY_DENOISE, _WHOLE_IN_DENOISE = 2 * 2 * 2, 2 * 2
_DENOISE_BYTES = 120 << 20  # 3 MP: 120 MiB, 12 MP: 112


def ends_with_alpha(plan: Plan, *, has_alpha: bool) -> bool:
    """Whether the finished picture has an alpha band, before its format drops it."""
    for move in (*plan.shared, *plan.finish):
        if move.name == "flatten":
            has_alpha = False
        elif move.name == "round" or _is_clear(move):
            has_alpha = True
    return has_alpha


def finished_bytes(plan: Plan, bands: int) -> int:
    """The finished picture, which stands beside the one it is made from, and what steps keep.

    `bands` are those before the steps.
    """
    if not plan.finish:
        return 0
    if bands <= 2 and any(move.name in _COLOURING for move in plan.finish):
        bands += 2
    if ends_with_alpha(plan, has_alpha=bands in (2, 4)) and bands in (1, 3):
        bands += 1
    finished = plan.size.pixels * bands
    is_read_again = plan.variant.quality == "auto" or plan.variant.max_bytes is not None
    streams = finished > MOST_HELD_FOR_PROGRESS_BYTES and not is_read_again
    return (0 if streams else finished) + _tile_bytes(plan, bands)


def looked_at_pixels(plan: Plan) -> int:
    """Pixels that a crop holds to see which part matters, before anything is scaled."""
    return max(
        (move.frame.before.pixels for move in plan.shared if _chooses(move)),
        default=0,
    )


def _tile_bytes(plan: Plan, bands: int) -> int:
    move = next((move for move in plan.finish if move.name == "denoise"), None)
    if move is None:
        return 0
    across = move.frame.before.width // TILE + 2
    tiles = across * TILE * TILE * _FLOAT * _KEPT_BY_DENOISE * bands
    whole = move.frame.before.pixels * _FLOAT * _WHOLE_IN_DENOISE * bands
    return min(whole, max(tiles, _DENOISE_BYTES))


def _is_clear(move: Move) -> bool:
    colour = getattr(move.settings, "color", None)
    return move.name in ("rotate", "pad") and colour is not None and rgba(colour)[3] < 255


def _chooses(move: Move) -> bool:
    return move.name == "crop" and getattr(move.settings, "gravity", "center") not in COMPASS
