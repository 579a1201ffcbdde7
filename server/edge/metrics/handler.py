"""GET /metrics: OpenMetrics, or Prometheus' older text, as the request's Accept has it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.aiohttp import make_aiohttp_handler

from server.edge.metrics.requests import RequestCounts
from server.edge.metrics.rows import AnyRow, Table, gauge
from server.edge.metrics.whole import Whole

_PATIENCE_S = 2.0


class Metrics:
    """The metrics of one running server, in a registry of its own."""

    def __init__(
        self,
        rows: Iterable[AnyRow],
        requests: RequestCounts,
        whole: Whole,
        checks: Callable[[], Awaitable[Mapping[str, bool]]],
    ) -> None:
        """checks: what /readyz asks."""
        self.requests = requests
        self._whole = whole
        self._checks = checks
        self._checked: Mapping[str, float] = {}
        registry = CollectorRegistry()
        verdict = gauge(
            "check",
            "Whether a part works (1) or not (0), as /readyz asks.",
            lambda: self._checked,
            "check",
        )
        registry.register(Table([verdict, *rows]))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._answer = make_aiohttp_handler(registry)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """200 whatever does not work: what this process knows by itself is always there."""
        await asyncio.gather(self._whole.refresh(), self._check())
        response = await self._answer(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _check(self) -> None:
        """A Redis or a bucket that hangs shall not hold up the scrape: then nothing is told."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                checked = await self._checks()
        except TimeoutError:
            self._checked = {}
        else:
            self._checked = {name: float(works) for name, works in checked.items()}
