"""The networks of this node: which there are, whether they work, how fast. Measured at start."""

import asyncio
from collections.abc import Callable, Collection

import structlog

from pool import (
    SHIPPED_MODELS,
    ChildDied,
    Engines,
    Lane,
    Model,
    NotStarted,
    ai_is_installed,
    damaged_models,
    measure_networks,
)
from server.config.networks import AiSettings
from server.jobs.running.speeds import Speeds
from server.ops.machine import cores

log = structlog.get_logger(__name__)

_MEASURE_S = 120.0
_MOST_TRIES = 3  # of a worker that may be killed for what other processes do
_DIED = "the worker that tried it died; the log says more"
_FAILED = "it does not run on this machine; the log says more"
_EXTRA_MISSING = "the extra is not installed: pip install 'safelight[ai]'"


class NetworksUnfit(Exception):
    """A model of config.toml cannot be used; the message says which and why."""


class _NotMeasured(Exception):
    """The worker died, or had no answer: nothing is known of any network."""


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
    damaged = damaged_models()
    unfit = {model.name: damaged[model.name] for model in shipped if model.name in damaged}
    for name, why in unfit.items():
        log.error("a network does not work here", model=name, why=why)
    return Engines(
        models=(*shipped, *own),
        why_not="",
        unfit=unfit,
        providers=settings.providers,
        threads=settings.threads,
        idle_s=settings.idle_s,
        jobs_at_once=settings.concurrency or max(1, cores() // 2),
    )


class Networks:
    """Measures every network in a worker of its own, so that no plain job waits for it.

    One of ours that does not work is noted in Engines.unfit: what asks for it is then refused, or
    done by the classic engine, and /health and /ai say so.
    """

    def __init__(self, make_lane: Callable[[str], Lane], *, must_fit: Collection[str] = ()) -> None:
        """must_fit: the operator's, by name; the server shall not run with a wrong one of them."""
        self._make_lane = make_lane
        self._must_fit = must_fit
        self._is_tried = False

    async def prepare(self, speeds: Speeds) -> None:
        """Raises NetworksUnfit where a model of config.toml cannot be used."""
        if self._must_fit and speeds.engines.fit:
            await self._try(speeds)

    async def run(self, speeds: Speeds) -> None:
        """Try them if that was not done; a part ends only when it is told to."""
        if speeds.engines.fit and not self._is_tried:
            await self._try(speeds)
        await asyncio.Event().wait()

    async def _try(self, speeds: Speeds) -> None:
        self._is_tried = True
        engines = speeds.engines
        found = await self._found(engines)
        for name, told in found.items():
            if isinstance(told, float):
                speeds.measured(name, told)
                log.info("a network is ready", model=name, seconds_per_megapixel=round(told, 3))
                continue
            if name in self._must_fit:
                raise NetworksUnfit(f"ai.models.{told}")
            log.error("a network does not work here", model=name, why=told)
            engines.unfit[name] = _DIED if told.endswith(_DIED) else _FAILED

    async def _found(self, engines: Engines) -> dict[str, float | str]:
        """Seconds a megapixel of each network, or what is wrong with it."""
        for _ in range(_MOST_TRIES):
            try:
                return await self._measured(engines)
            except _NotMeasured as error:
                log.warning("the networks are not measured", error=str(error))
        return {model.name: f"{model.name}: {_DIED}" for model in engines.fit}

    async def _measured(self, engines: Engines) -> dict[str, float | str]:
        lane = self._make_lane("networks")
        try:
            await lane.start()
            found = await lane.run(measure_networks, engines, deadline_s=_MEASURE_S)
        except (ChildDied, NotStarted) as error:
            raise _NotMeasured(f"the worker that measures them died: {error}") from error
        finally:
            await lane.close()
        if not isinstance(found, dict):
            raise _NotMeasured(f"expected their speeds, got {found}")
        return found
