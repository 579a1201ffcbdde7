"""What works on pictures: lanes, who hands jobs to them, and the leases of what is in hand.

A node that only meets clients has none of the lanes and all of the rest: it claims nothing, and its
heartbeat finds what dead nodes have left.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pool import Lane, LaneSettings
from server.jobs.running.carry import Carrier
from server.jobs.running.dispatcher import Dispatcher
from server.jobs.running.lanes import Lanes
from server.jobs.running.leases import Leases
from server.jobs.running.progress import ProgressBoard
from server.jobs.running.speeds import Speeds
from server.ops.machine import cores
from server.ops.networks import Networks
from server.wiring.ground import Ground


@dataclass(frozen=True, slots=True)
class Running:
    """Everything between a claim and its end."""

    make_lane: Callable[[str], Lane]
    progress: ProgressBoard
    speeds: Speeds
    lanes: Lanes
    networks: Networks
    networks_at_once: int
    """How many jobs of neural networks this node runs at a time."""
    carrier: Carrier
    dispatcher: Dispatcher
    leases: Leases


def build_running(ground: Ground) -> Running:
    """All of it; the lanes are started by their `start`."""
    settings, queue = ground.settings, ground.queue
    progress = ProgressBoard(queue, interval_s=settings.live.progress_interval_s)
    engines = ground.engines
    speeds = Speeds(
        engines,
        deadline_s=settings.pool.deadline_s,
        deadline_times=settings.ai.deadline_times,
    )
    lane_settings = _lane_settings(ground)

    def make_lane(name: str) -> Lane:
        return Lane(name, on_progress=progress.receive, settings=lane_settings)

    most = (settings.pool.max_lanes or cores()) if settings.server.has_lanes else 0
    lanes = Lanes(make_lane, queue, settings.pool, most=most)
    ground.closing.push_async_callback(lanes.close)
    networks_at_once = settings.ai.concurrency or max(1, lanes.most // 2)
    carrier = Carrier(
        queue=queue,
        spool=ground.spool,
        storage=ground.storage,
        progress=progress,
        settings=settings.queue,
        limits=ground.limits,
        speeds=speeds,
        assets=ground.assets,
        notebook=ground.notebook,
        tracer=ground.tracer,
        public_images=settings.auth.public_images,
    )
    dispatcher = Dispatcher(
        queue,
        lanes,
        carrier.carry,
        budget_bytes=ground.budget_bytes,
        networks=networks_at_once if engines.models else 0,
    )
    return Running(
        make_lane=make_lane,
        progress=progress,
        speeds=speeds,
        lanes=lanes,
        networks=Networks(make_lane, must_fit=settings.ai.models.keys()),
        networks_at_once=networks_at_once,
        carrier=carrier,
        dispatcher=dispatcher,
        leases=Leases(queue, dispatcher, carrier, lanes=lanes, lease_s=settings.queue.lease_s),
    )


def _lane_settings(ground: Ground) -> LaneSettings:
    pool, models = ground.settings.pool, ground.settings.ai.models.values()
    return LaneSettings(
        spool=str(ground.spool.folder),
        read_only=(
            *ground.assets.values(),
            *(str(model.path.resolve()) for model in models),
        ),
        hard_grace_s=pool.hard_grace_s,
        max_tasks_per_child=pool.max_tasks_per_child,
        max_rss_bytes=pool.max_rss_bytes,
        memory_kill_bytes=pool.memory_kill_bytes,
    )
