"""A spooled picture whose header was read, and its recipe: do they go together, and as what job."""

from functools import lru_cache

from pool import (
    Engines,
    Fault,
    Header,
    Limits,
    Recipe,
    group_kind,
    memory_bytes,
    needs_network,
    network_seconds,
    refusal,
)
from server.intake.same import Kin
from server.jobs.arrival import Arrival
from server.jobs.trail.way import CAME
from server.storage.spool import Spooled
from server.storage.storage import original_key


def misfit(header: Header, recipe: Recipe, limits: Limits, *, budget_bytes: int) -> Fault | None:
    """Why this recipe cannot be made from this picture; None: it can."""
    fault = refusal(header, recipe, limits)
    if fault is not None:
        return fault
    needed, _ = _cost(header, recipe)
    if needed <= budget_bytes:
        return None
    detail = f"About {needed} bytes of memory would be needed, there are {budget_bytes}."
    return Fault("needs_too_much_memory", detail, limit=budget_bytes, actual=needed)


def arrival(
    spooled: Spooled, header: Header, recipe: Recipe, kin: Kin | None, engines: Engines
) -> Arrival:
    """The job as it is admitted; its file is about to lie under a key made of the spooled one's."""
    came = CAME.get()
    is_for_networks = needs_network(recipe, engines)
    network_s = network_seconds(header, recipe, engines) if is_for_networks else 0.0
    cost_bytes, group = _cost(header, recipe)
    return Arrival(
        job_id=spooled.job_id,
        name=spooled.name,
        recipe=recipe.canonical(),
        original_key=original_key(spooled.job_id),
        original_bytes=spooled.bytes,
        original_format=header.format,
        width=header.width,
        height=header.height,
        cost_bytes=cost_bytes,
        group=group,
        digest=spooled.digest,
        dedup=kin.dedup(spooled.digest) if kin is not None else "",
        needs_network=is_for_networks,
        network_s=network_s,
        network_turn_s=network_s / engines.jobs_at_once,
        request_id=came.request_id if came is not None else "",
        trace=came.trace if came is not None else "",
    )


@lru_cache(maxsize=256)
def _cost(header: Header, recipe: Recipe) -> tuple[int, str]:
    """Bytes of memory and group: asked for twice a picture, and alike for many of them."""
    return memory_bytes(header, recipe), group_kind(header, recipe)
