"""Our spans as OpenTelemetry's, on their way to a collector. Only server.ops.tracing imports this.

The SDK's own variables are heeded: OTEL_EXPORTER_OTLP_…, OTEL_BSP_…, OTEL_TRACES_SAMPLER,
OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME. Its thread sends; our loop only fills its queue, and
what does not fit there is dropped and counted.
"""

import asyncio
import os
import threading
from collections.abc import Sequence
from importlib.metadata import version

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk import environment_variables as variables
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags
from yarl import URL

from server.config.observing import TracingSettings
from server.jobs.trail.context import Parent
from server.jobs.trail.spans import Kind, Span
from server.ops.tracing import Sending

log = structlog.get_logger(__name__)

_PATH = "/v1/traces"
_QUEUE = 4096  # spans; OTEL_BSP_MAX_QUEUE_SIZE
_CLOSE_S = 3.0
_KINDS = {
    Kind.INTERNAL: trace.SpanKind.INTERNAL,
    Kind.SERVER: trace.SpanKind.SERVER,
    Kind.CLIENT: trace.SpanKind.CLIENT,
    Kind.PRODUCER: trace.SpanKind.PRODUCER,
    Kind.CONSUMER: trace.SpanKind.CONSUMER,
}


class Exporting:
    """Sends spans in the background for as long as the process lives."""

    def __init__(self, settings: TracingSettings, *, node: str) -> None:
        self.sending = Sending()
        # The SDK's way to read OTEL_TRACES_SAMPLER is a provider without a sampler of its own.
        has_sampler = bool(os.environ.get(variables.OTEL_TRACES_SAMPLER))
        ours = None if has_sampler else ParentBased(TraceIdRatioBased(settings.sample_ratio))
        self._sampler = TracerProvider(sampler=ours, shutdown_on_exit=False).sampler
        self._resource = _resource(node)
        self._scope = InstrumentationScope("safelight", version("safelight"))
        self._most = int(os.environ.get(variables.OTEL_BSP_MAX_QUEUE_SIZE) or _QUEUE)
        exporter = OTLPSpanExporter(
            endpoint=_endpoint(settings.endpoint), headers=settings.headers or None
        )
        self._watched = _Watched(exporter, self.sending)
        self._processor = BatchSpanProcessor(self._watched, max_queue_size=self._most)
        self._given = 0

    def samples(self, parent: Parent | None, trace_id: str) -> bool:
        """Whether a trace is recorded."""
        around = None
        if parent is not None:
            flags = TraceFlags(TraceFlags.SAMPLED if parent.is_sampled else TraceFlags.DEFAULT)
            place = _place(parent.trace_id, parent.span_id, flags, is_remote=True)
            around = trace.set_span_in_context(trace.NonRecordingSpan(place))
        told = self._sampler.should_sample(around, int(trace_id, 16), "request")
        return told.decision is Decision.RECORD_AND_SAMPLE

    def emit(self, span: Span) -> None:
        """Queue it; what does not fit is counted."""
        if self._given - self._watched.taken >= self._most:
            self.sending.dropped += 1
            return
        self._given += 1
        self._processor.on_end(self._written(span))

    async def close(self) -> None:
        """Send what is queued, for a moment; a collector that does not answer holds up no end."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK leaves it out
            loop.call_soon_threadsafe(ended.set)

        # Not asyncio.to_thread: the loop would wait for that thread at its end.
        threading.Thread(target=shut_down, daemon=True, name="traces: close").start()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await ended.wait()
        except TimeoutError:
            left = self._given - self.sending.sent - self.sending.failed
            log.warning("traces are left behind", spans=left)

    def _written(self, span: Span) -> ReadableSpan:
        traced, flags = span.traced, TraceFlags(TraceFlags.SAMPLED)
        parent = None
        if span.parent_id:
            parent = _place(traced.trace_id, span.parent_id, flags, is_remote=False)
        start_ns = int(span.start_ms * 1_000_000)
        attributes = dict(span.about)
        if span.error:
            attributes["error.type"] = span.error
        return ReadableSpan(
            name=span.name,
            context=_place(traced.trace_id, traced.span_id, flags, is_remote=False),
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            kind=_KINDS[span.kind],
            status=Status(StatusCode.ERROR if span.error else StatusCode.UNSET),
            start_time=start_ns,
            end_time=max(start_ns, int(span.end_ms * 1_000_000)),
            instrumentation_scope=self._scope,
        )


class _Watched(SpanExporter):
    """Counts what an exporter does, and says once that it fails and once that it works again."""

    def __init__(self, exporter: SpanExporter, sending: Sending) -> None:
        self._exporter = exporter
        self._sending = sending
        self.taken = 0
        """Spans that have left the queue; written by the SDK's thread alone."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        trouble = ""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # whatever a library does there, it is only about traces
            result, trouble = SpanExportResult.FAILURE, type(error).__name__
        if result is SpanExportResult.SUCCESS:
            self._succeeded(len(spans))
        else:
            self._failed(len(spans), trouble or "the collector did not take them")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _succeeded(self, spans: int) -> None:
        sending = self._sending
        sending.sent += spans
        if sending.trouble:
            lost = {"failed": sending.failed, "dropped": sending.dropped}
            log.info("traces are sent again", **lost)
        sending.trouble = ""

    def _failed(self, spans: int, trouble: str) -> None:
        if not self._sending.trouble:
            log.warning("traces cannot be sent; this is said once", reason=trouble)
        self._sending.failed += spans
        self._sending.trouble = trouble


def _place(trace_id: str, span_id: str, flags: TraceFlags, *, is_remote: bool) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote, flags)


def _resource(node: str) -> Resource:
    """Ours, under what the environment says."""
    told = dict(Resource.create().attributes)
    if str(told.get(SERVICE_NAME, "")).startswith("unknown_service"):
        del told[SERVICE_NAME]
    ours = {
        SERVICE_NAME: "safelight",
        "service.version": version("safelight"),
        "service.instance.id": node,
    }
    return Resource(ours | told)


def _endpoint(given: str) -> str | None:
    """A collector's whole address; None: as the environment has it."""
    if not given:
        return None
    url = URL(given)
    return str(url.with_path(_PATH)) if url.path in ("", "/") else given
