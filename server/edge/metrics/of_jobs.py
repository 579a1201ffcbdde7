"""Rows on jobs: what happened to them on this node, and what works on them."""

import time
from collections import Counter
from collections.abc import Iterable

from pool import Lane
from server.edge.metrics.rows import AnyRow, counter, counter_of, gauge, histogram
from server.jobs.counts.ever import Ever
from server.jobs.running.dispatcher import Dispatcher
from server.jobs.running.lanes import Lanes
from server.jobs.running.speeds import Speeds

_STATES = ("idle", "working", "starting")


def job_rows(ever: Ever) -> list[AnyRow]:
    """What happened here since the start."""
    return [
        counter("jobs_admitted", "Jobs let in by this node, by class and way in.", ever.admitted),
        counter(
            "jobs_ended",
            "Jobs that ended on this node, by state, and by error code where they failed.",
            ever.ended,
        ),
        histogram(
            "job_duration_seconds",
            "From admission to completion, of jobs that were worked on here.",
            ever.durations,
        ),
        histogram(
            "job_stage_duration_seconds",
            "Parts of a completed job's way, in their order; docs/metrics.md says what each is.",
            ever.stages,
        ),
        counter(
            "job_attempts_lost",
            "Attempts that did not end their job, by blame: the job's own attempt, a loss"
            " of its node or storage, or none.",
            ever.given_back,
        ),
        counter("pictures_in", "Pictures that became jobs here, by format.", ever.files_in),
        counter("pictures_in_bytes", "Bytes of pictures that became jobs here.", ever.bytes_in),
        counter("files_out", "Files made here, by format.", ever.files_out),
        counter("files_out_bytes", "Bytes of files made here, by format.", ever.bytes_out),
    ]


def lane_rows(lanes: Lanes, probe: Lane | None, dispatcher: Dispatcher) -> list[AnyRow]:
    """Lanes are told of together: their names are no label, since they come and go."""

    def everyone() -> list[Lane]:
        return [*lanes.all, *([probe] if probe else [])]

    def states() -> dict[str, float]:
        found = Counter(_state(lane, lanes) for lane in lanes.all)
        return {state: found[state] for state in _STATES}

    def restarts() -> Counter[str]:
        return lanes.restarts + (probe.restarts if probe else Counter())

    def oldest_s() -> float:
        started = [job.started_ms for job in dispatcher.held if job.started_ms is not None]
        return max(0.0, time.time() - min(started) / 1000) if started else 0.0

    return [
        gauge("lanes", "Lanes by state; starting: its worker was lost.", states, "state"),
        gauge("lanes_most", "How many lanes there may be.", lambda: lanes.most),
        counter_of("lane_restarts", "Workers that were replaced, by reason.", restarts, "reason"),
        counter_of(
            "lane_tasks",
            "Tasks done, by kind of lane: develop (pictures) or probe (headers).",
            lambda: {"develop": lanes.tasks_done, "probe": probe.tasks_done if probe else 0},
            "kind",
        ),
        gauge(
            "workers_resident_memory_bytes",
            "What all workers hold together.",
            lambda: _sum(lane.rss_bytes for lane in everyone()),
        ),
        gauge(
            "worker_resident_memory_max_bytes",
            "What the largest worker holds.",
            lambda: max((lane.rss_bytes for lane in everyone()), default=0),
        ),
        gauge("jobs_in_hand", "Jobs that this node's lanes hold.", lambda: len(dispatcher.held)),
        gauge(
            "job_oldest_in_hand_seconds",
            "How long the job that has been in a lane's hands longest is there.",
            oldest_s,
        ),
        gauge(
            "memory_budget_bytes",
            "What jobs in hand may need together.",
            lambda: dispatcher.budget_bytes,
        ),
        gauge(
            "memory_budget_used_bytes",
            "What jobs in hand are expected to need.",
            lambda: dispatcher.used_bytes,
        ),
    ]


def network_rows(speeds: Speeds) -> list[AnyRow]:
    """Neural networks, by the names that config.toml gives them."""
    return [
        gauge(
            "network_seconds_per_megapixel",
            "How long a network takes for a megapixel, of late, on one lane.",
            lambda: speeds.seconds_per_mp,
            "model",
        )
    ]


def _state(lane: Lane, lanes: Lanes) -> str:
    if not lane.is_alive:
        return "starting"
    return "working" if lanes.held_by(lane) else "idle"


def _sum(numbers: Iterable[int]) -> int:
    return sum(numbers)
