"""Traces on or off. Off costs nothing: OpenTelemetry is imported here, and only when it is on."""

import importlib.util
from contextlib import AsyncExitStack
from dataclasses import dataclass

from server.config import SettingsError
from server.config.observing import TracingSettings
from server.jobs.trail.spans import Tracer

_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


@dataclass(slots=True)
class Sending:
    """What became of spans since the start.

    failed: their collector did not take them. dropped: there were too many at a time. trouble: why
    the last attempt failed; "" where it did not.
    """

    sent: int = 0
    failed: int = 0
    dropped: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Tracing:
    """Who makes spans, and how they are sent."""

    tracer: Tracer
    sending: Sending


async def open_tracing(
    settings: TracingSettings, *, node: str, closing: AsyncExitStack
) -> Tracing | None:
    """None where it is off. Raises SettingsError where its packages are missing."""
    if not settings.enabled:
        return None
    missing = [name for name in _NEEDED if not _is_installed(name)]
    if missing:
        raise SettingsError(
            f"tracing.enabled: the extra `otel` is not installed ({missing[0]} is missing); install"
            " it with `pip install 'safelight[otel]'`, or set tracing.enabled = false"
        )
    from server.ops.otel import Exporting  # OpenTelemetry's packages, 0.2 s to import

    exporting = Exporting(settings, node=node)
    closing.push_async_callback(exporting.close)
    tracer = Tracer(
        samples=exporting.samples, emit=exporting.emit, trust_parent=settings.trust_parent
    )
    return Tracing(tracer, exporting.sending)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of a package around it
        return False
