"""Rows on this node's other parts: storage, Redis' answers, records, the event loop, itself."""

import platform
from collections.abc import Callable

from prometheus_client.core import GaugeMetricFamily

from server.counting import Words
from server.edge.metrics.requests import RequestCounts
from server.edge.metrics.rows import AnyRow, Row, Values, counter, counter_of, gauge, histogram
from server.edge.metrics.whole import Whole
from server.jobs.counts.ever import Ever
from server.jobs.timing import CommandTimes
from server.jobs.trash import Trash
from server.ops.journal import Journal
from server.ops.loop_lag import LoopLag
from server.storage.storage import Storage

_REJECTED = ("413", "429", "503", "507")


def request_rows(requests: RequestCounts, ever: Ever) -> list[AnyRow]:
    """HTTP."""

    def rejected() -> Values:
        found: dict[str, float] = {}
        for (status, code), times in ever.problems.all().items():
            if status in _REJECTED:
                found[code] = found.get(code, 0) + times
        return found

    return [
        counter(
            "http_requests",
            "Requests that were answered, by the pattern of their route, method and status.",
            requests.answered,
        ),
        histogram(
            "http_request_duration_seconds",
            "Until the answer had left; without WebSockets and event streams.",
            requests.durations,
        ),
        counter(
            "http_response_bytes", "Bytes of answers, their heads included.", requests.bytes_out
        ),
        gauge(
            "http_requests_in_flight", "Requests being answered.", lambda: requests.in_flight.number
        ),
        counter("http_problems", "Answers that said no, by status and code.", ever.problems),
        counter_of(
            "rejected",
            "Requests refused for want of room, of quota or by a limit (413, 429, 503, 507), by"
            " code.",
            rejected,
            "reason",
        ),
    ]


def storage_rows(
    storage: Storage, free_bytes: Callable[[], int | None], *, min_free_bytes: int, trash: Trash
) -> list[AnyRow]:
    """free_bytes: of the disk of the data folder."""
    return [
        histogram(
            "storage_operation_duration_seconds",
            "Operations of the storage; a read until its first bytes.",
            storage.operations.durations,
        ),
        counter("storage_failures", "Operations that failed.", storage.operations.failures),
        gauge("disk_free_bytes", "Room on the disk of the data folder.", free_bytes),
        gauge(
            "disk_min_free_bytes",
            "With less room pictures are refused.",
            lambda: min_free_bytes,
        ),
        counter("janitor_removed", "What was cleaned away here.", trash.removed),
    ]


def command_rows(times: CommandTimes) -> list[AnyRow]:
    """What this node asks of Redis."""
    return [
        histogram(
            "redis_command_duration_seconds",
            "Commands and scripts, from the call to the answer.",
            times.durations,
        ),
        counter("redis_commands", "Commands, and scripts by their names.", times.times),
        counter("redis_commands_seconds", "How long they took together.", times.seconds),
        counter("redis_errors", "Commands that were not answered well.", times.errors),
    ]


def record_rows(journal: Journal | None, whole: Whole) -> list[AnyRow]:
    """The history; nothing where none is kept."""
    if journal is None:
        return []

    def lag_s() -> Values:
        return None if whole.overview is None else whole.overview.ages_s.get("journal", 0.0)

    return [
        counter(
            "records", "Ends of jobs that this node wrote down, or could not.", journal.records
        ),
        gauge("records_waiting", "Ends that wait to be written down.", lambda: journal.length),
        gauge("records_max_waiting", "At more, new jobs are refused.", lambda: journal.limit),
        gauge("records_lag_seconds", "How long the first of them has waited.", lag_s),
        gauge(
            "records_writable",
            "Whether the last attempt to write succeeded.",
            lambda: float(journal.is_written),
        ),
    ]


def own_rows(lag: LoopLag, *, version: str, libvips: str, role: str) -> list[AnyRow]:
    """This process."""
    words: Words = (version, libvips, platform.python_version(), role)
    labels = ("version", "libvips", "python", "role")
    return [
        histogram(
            "event_loop_lag_seconds",
            "By how much the event loop was late, twice a second.",
            lag.durations,
        ),
        Row(
            GaugeMetricFamily,
            "build_info",
            "What runs here; always 1.",
            labels,
            lambda: {words: 1.0},
        ),
    ]
