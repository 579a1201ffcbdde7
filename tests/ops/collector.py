"""A collector of traces on loopback: takes OTLP over HTTP as any collector, and keeps spans."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire

from tests.intake.origin import Origin, origin_in_thread

PATH = "/v1/traces"


@dataclass(frozen=True)
class Told:
    """One span as it came. Ids are hexadecimal, times milliseconds since 1970."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ms: float
    end_ms: float
    about: dict[str, Any]
    resource: dict[str, Any]
    is_error: bool


@dataclass
class Collector:
    """`spans` in the order they came; `headers` of each request."""

    origin: Origin
    spans: list[Told] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200

    def listen(self) -> str:
        """Take what comes; returns the address to send to."""
        return self.origin.answer(PATH, self._take)

    def of_trace(self, trace_id: str) -> list[Told]:
        """The spans of one trace, by their beginnings."""
        found = [one for one in self.spans if one.trace_id == trace_id]
        return sorted(found, key=lambda one: (one.start_ms, -one.end_ms))

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        body = await request.read()
        if self.status != 200:
            return web.Response(status=self.status)
        said = ExportTraceServiceRequest()
        said.ParseFromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        for group in said.resource_spans:
            resource = _values(group.resource.attributes)
            for scope in group.scope_spans:
                self.spans.extend(_told(one, resource) for one in scope.spans)
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


@contextmanager
def collector_in_thread() -> Iterator[Collector]:
    """Listens on a free port."""
    with origin_in_thread() as origin:
        yield Collector(origin)


def tree(spans: list[Told]) -> str:
    """One line a span, below its parent, with its time in ms."""
    known = {one.span_id for one in spans}
    first = min(one.start_ms for one in spans)

    def lines(parent_id: str, depth: int) -> Iterator[str]:
        for one in spans:
            if one.parent_id == parent_id or (not depth and one.parent_id not in known):
                at = f"{one.start_ms - first:8.1f} {one.end_ms - one.start_ms:8.1f}"
                yield f"{at}  {'  ' * depth}{one.name} [{one.kind}]"
                yield from lines(one.span_id, depth + 1)

    return "\n".join(lines("", 0))


def _told(one: Wire, resource: dict[str, Any]) -> Told:
    return Told(
        name=one.name,
        kind=Wire.SpanKind.Name(one.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=one.trace_id.hex(),
        span_id=one.span_id.hex(),
        parent_id=one.parent_span_id.hex(),
        start_ms=one.start_time_unix_nano / 1e6,
        end_ms=one.end_time_unix_nano / 1e6,
        about=_values(one.attributes),
        resource=resource,
        is_error=one.status.code == 2,
    )


def _values(attributes: Any) -> dict[str, Any]:
    """Any: protobuf's containers."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
