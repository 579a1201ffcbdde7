"""The networks of this node: which there are, whether they work, how fast. Measured at start."""

import asyncio
from collections.abc import Callable

import structlog

from pool import (
    SHIPPED_MODELS,
    ChildDied,
    Engines,
    Lane,
    Model,
    NotStarted,
    ai_is_installed,
    measure_networks,
)
from server.config.networks import AiSettings
from server.jobs.running.speeds import Speeds

log = structlog.get_logger(__name__)

_MEASURE_S = 120.0
_EXTRA_MISSING = "the extra is not installed: pip install 'safelight[ai]'"


class NetworksUnfit(Exception):
    """A model of config.toml cannot be used; the message says which and why."""


def engines_of(settings: AiSettings) -> Engines:
    """What the settings and the installed packages give."""
    if not settings.enabled:
        return Engines(why_not="ai.enabled is false in its settings")
    if not ai_is_installed():
        return Engines(why_not=_EXTRA_MISSING)
    own = [
        Model(name=name, **one.model_dump(exclude={"path"}), path=str(one.path.resolve()))
        for name, one in settings.models.items()
    ]
    shipped = [model for name, model in SHIPPED_MODELS.items() if name not in settings.models]
    return Engines(
        models=(*shipped, *own),
        why_not="",
        providers=settings.providers,
        threads=settings.threads,
        idle_s=settings.idle_s,
    )


class Networks:
    """Measures every network in a worker of its own, so that no plain job waits for it."""

    def __init__(self, make_lane: Callable[[str], Lane], *, must_fit: bool) -> None:
        """must_fit: some are the operator's, and the server shall not run with a wrong one."""
        self._make_lane = make_lane
        self._must_fit = must_fit
        self._is_measured = False

    async def prepare(self, speeds: Speeds) -> None:
        """Raises NetworksUnfit where a model of config.toml cannot be used."""
        if self._must_fit and speeds.engines.models:
            await self._measure(speeds)

    async def run(self, speeds: Speeds) -> None:
        """Measure if that was not done; a part ends only when it is told to."""
        if speeds.engines.models and not self._is_measured:
            try:
                await self._measure(speeds)
            except NetworksUnfit as error:
                log.error("a network does not work here", error=str(error))
                if self._must_fit:
                    raise
        await asyncio.Event().wait()

    async def _measure(self, speeds: Speeds) -> None:
        lane = self._make_lane("networks")
        try:
            await lane.start()
            found = await lane.run(measure_networks, speeds.engines, deadline_s=_MEASURE_S)
        except (ChildDied, NotStarted) as error:
            raise NetworksUnfit(f"the worker that measures them died: {error}") from error
        finally:
            await lane.close()
        if not isinstance(found, dict):
            raise NetworksUnfit(f"expected their speeds, got {found}")
        self.is_measured = True
        self._is_measured = True
        for name, told in found.items():
            if isinstance(told, str):
                raise NetworksUnfit(f"ai.models.{told}")
            speeds.measured(name, told)
            log.info("a network is ready", model=name, seconds_per_megapixel=round(told, 3))
