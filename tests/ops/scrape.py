"""GET /metrics as a Prometheus reads it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import ClientSession
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

_PATIENCE_S = 20
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}


@dataclass(frozen=True)
class Scrape:
    """What one scrape brought, by the names of its families."""

    families: dict[str, Metric]

    def value(self, sample: str, **labels: str) -> float:
        """Of all samples of a name that have these labels, the sum; 0 where there is none."""
        return sum(
            one.value
            for family in self.families.values()
            for one in family.samples
            if one.name == sample and labels.items() <= one.labels.items()
        )

    def has(self, sample: str) -> bool:
        """Whether there is any value of that name."""
        return any(one.name == sample for each in self.families.values() for one in each.samples)


def parsed(text: str) -> Scrape:
    """Raises ValueError for what is not OpenMetrics, to the letter."""
    return Scrape({family.name: family for family in text_string_to_metric_families(text)})


async def scrape(client: ClientSession, url: str) -> Scrape:
    """All of it, as OpenMetrics."""
    async with client.get(f"{url}/metrics", headers=OPENMETRICS) as response:
        assert response.status == 200
        return parsed(await response.text())


async def scrape_where(client: ClientSession, url: str, is_so: Callable[[Scrape], bool]) -> Scrape:
    """The first of which a condition holds."""
    async with asyncio.timeout(_PATIENCE_S):
        while not is_so(found := await scrape(client, url)):  # noqa: ASYNC110 (of another process)
            await asyncio.sleep(0.2)
    return found
