"""The way of a job as spans of a trace, made of times that are taken anyway.

Nothing here knows of OpenTelemetry: a span is a plain record, and whoever sends it is a function.
A span is made when it has ended, by the node that knows its times; ids of attempts are derived from
the job's, so that other nodes can hang their spans below.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from server.jobs import names
from server.jobs.job import Job
from server.jobs.trail.context import Parent, Traced, new_span_id, new_trace_id, parent_of
from server.jobs.trail.way import Arriving, Tried, Turn, Working, now_ms

About = Mapping[str, str | int | float | bool]


class Kind(StrEnum):
    """Of a span: inside us, a request that we serve or send, a message that we send or take."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class Span:
    """Something that has ended. Times in ms since 1970; error: "" or what kind it was of.

    parent_id: 16 hexadecimal digits, or "" for the first span of a trace.
    """

    name: str
    kind: Kind
    traced: Traced
    parent_id: str
    start_ms: float
    end_ms: float
    about: About
    error: str = ""


class Tracer:
    """Decides which traces are recorded, and takes what is to be told of them."""

    def __init__(
        self,
        *,
        samples: Callable[[Parent | None, str], bool],
        emit: Callable[[Span], None],
        trust_parent: bool,
    ) -> None:
        """samples: whether a trace with this parent and id is recorded. emit: must not wait."""
        self._samples = samples
        self._emit = emit
        self._trust_parent = trust_parent

    def begin(self, header: str) -> tuple[Traced | None, str]:
        """A span for a request with this `traceparent`, and its parent's id; None: not recorded."""
        parent = parent_of(header) if self._trust_parent else None
        trace_id = new_trace_id() if parent is None else parent.trace_id
        if not self._samples(parent, trace_id):
            return None, ""
        traced = Traced(trace_id, new_span_id(), is_of_caller=parent is not None)
        return traced, "" if parent is None else parent.span_id

    def end(self, span: Span) -> None:
        """It has ended, and goes on its way."""
        self._emit(span)

    def arrived(self, root: Traced, job_id: str, came: str, *, queue_class: str) -> None:
        """A picture came with a request, and has been let in just now. came: Arriving.text."""
        times = Arriving.from_text(came)
        if times is None:
            return
        about = {"messaging.message.id": job_id}
        steps = [("receive", times.last_byte_ms), *_let_in(times)]
        self._chain(root, times.first_byte_ms, steps, about)
        self._sent(root, job_id, times.stored_ms, queue_class)

    def fetched(self, job: Job, came: str, *, queue_class: str) -> None:
        """A picture was fetched, or taken from what is here, and its job goes on to the lanes."""
        root, times = Traced.from_text(job.trace), Arriving.from_text(came)
        if root is None or times is None:
            return
        about = {"messaging.message.id": job.job_id}
        if job.source_url is not None:
            url = urlsplit(job.source_url)
            fetched: About = {
                "http.request.method": "GET",
                "url.full": f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}",
                "server.address": url.hostname or "",
                **about,
            }
            span = (root.fresh(), root.span_id, times.asked_ms, times.last_byte_ms, fetched)
            self._emit(Span("GET", Kind.CLIENT, *span))
        self._chain(root, times.last_byte_ms, _let_in(times), about)
        self._sent(root, job.job_id, times.stored_ms, queue_class)

    def attempted(self, job: Job, turn: Turn, working: Working | None, error: str) -> None:
        """An attempt in a lane has ended just now. working: None where its worker died."""
        root = Traced.from_text(job.trace)
        if root is None:
            return
        place, ended_ms = attempt_of(root, job), now_ms()
        self._waited(root, job, turn)
        line = names.stream(job.queue_class)
        about: dict[str, str | int | float | bool] = {
            "messaging.system": "redis",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": line,
            "messaging.consumer.group.name": names.GROUP,
            "messaging.message.id": job.job_id,
            "messaging.message.body.size": job.original_bytes,
            "safelight.request_id": job.request_id,
            "safelight.lane": turn.lane,
            "safelight.attempt": job.token,
        }
        times = (turn.claimed_ms, ended_ms)
        self._emit(
            Span(f"process {line}", Kind.CONSUMER, place, root.span_id, *times, about, error)
        )
        inside: list[tuple[str, float]] = [("prepare", turn.handed_ms)]
        if working is None:
            inside.append(("work", turn.answered_ms))
        else:
            inside += [("hand over", working.began_ms), *working.laps]
            inside += [("answer", turn.answered_ms), ("store results", working.stored_ms)]
        self._chain(place, turn.claimed_ms, [*inside, ("settle", ended_ms)], {})

    def _waited(self, root: Traced, job: Job, turn: Turn) -> None:
        since_ms = float(job.arrived_ms if job.arrived_ms is not None else job.created_ms)
        if job.tries:
            since_ms = max(since_ms, Tried.of(job.tries[-1]).ended_ms)
        name = f"wait {names.stream(job.queue_class)}"
        start_ms = min(since_ms, turn.claimed_ms)
        about = {"messaging.message.id": job.job_id}
        times = (start_ms, turn.claimed_ms)
        self._emit(Span(name, Kind.INTERNAL, root.fresh(), root.span_id, *times, about))

    def _sent(self, root: Traced, job_id: str, since_ms: float, queue_class: str) -> None:
        line = names.stream(queue_class)
        about = {
            "messaging.system": "redis",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": line,
            "messaging.message.id": job_id,
        }
        times = (since_ms, now_ms())
        self._emit(Span(f"send {line}", Kind.PRODUCER, root.fresh(), root.span_id, *times, about))

    def _chain(
        self, above: Traced, start_ms: float, steps: Sequence[tuple[str, float]], about: About
    ) -> None:
        """Spans that follow one another: names, and when each ended. Those without length go."""
        for name, end_ms in steps:
            if end_ms <= start_ms:
                continue
            kind, _, variant = name.partition(" ") if name.startswith("save ") else (name, "", "")
            more = {**about, "safelight.variant": variant} if variant else about
            times = (start_ms, end_ms)
            self._emit(Span(kind, Kind.INTERNAL, above.fresh(), above.span_id, *times, more))
            start_ms = end_ms


def attempt_of(root: Traced, job: Job) -> Traced:
    """The span of a job's present attempt."""
    return root.child(job.job_id, job.token)


def _let_in(times: Arriving) -> list[tuple[str, float]]:
    return [
        ("spool", times.spooled_ms),
        ("probe", times.probed_ms),
        ("check", times.storing_ms),
        ("store original", times.stored_ms),
    ]
