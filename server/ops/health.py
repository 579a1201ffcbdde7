"""How the parts of this node stand: looked at together, twice a second at most, in bounded time.

Who asks often (probes, load balancers) shares one look. What changes is logged, and since when it
is so is remembered.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

log = structlog.get_logger(__name__)

_FRESH_S = 0.5
_LOOK_EVERY_S = 5.0
_LONGEST_LOOK_S = 2.0
_GIVE_UP_S = 20.0


class State(StrEnum):
    """Of one part."""

    OK = "ok"
    DEGRADED = "degraded"  # it works, and somebody should look
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a part has shown: how it stands, what is wrong, and what to do about it."""

    state: State = State.OK
    trouble: str = ""
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One part. is_needed: without it no picture can be taken in, so this node is not ready.

    look: must not raise; one that takes too long is taken for down.
    """

    name: str
    look: Callable[[], Coroutine[Any, Any, Finding]]
    is_needed: bool = True
    todo: str = ""
    """What to do when not even an answer comes."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A finding, and since when (ms since 1970) the part has been in its state, as seen here."""

    finding: Finding
    since_ms: float


class Health:
    """Looks at the parts."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._standings: dict[str, Standing] = {}
        self._looked_at = -_FRESH_S
        self._look: asyncio.Task[None] | None = None
        self._under_way: dict[str, asyncio.Task[Finding]] = {}
        self._asked_at: dict[str, float] = {}

    async def standings(self) -> dict[str, Standing]:
        """Each part by its name, as of half a second ago at most."""
        if self._look is None or (self._look.done() and not self._is_fresh):
            nobody = Context()  # a look is for all, so its lines are not those of a request
            self._look = asyncio.create_task(
                self._look_at_all(), name="health: look", context=nobody
            )
        if not self._look.done():
            await asyncio.shield(self._look)  # whoever asked first may go away
        return self._standings

    async def not_ready(self) -> dict[str, str]:
        """The needed parts that are down, and why."""
        return {name: one.trouble for name, one in (await self._needed(State.DOWN)).items()}

    async def degraded(self) -> dict[str, str]:
        """The needed parts that still work: what is wrong with them, and what to do."""
        found = await self._needed(State.DEGRADED)
        return {name: f"{one.trouble} {one.todo}" for name, one in found.items()}

    async def _needed(self, state: State) -> dict[str, Finding]:
        standings = await self.standings()
        found = {name: standings[name].finding for name in self.needed}
        return {name: one for name, one in found.items() if one.state is state}

    @property
    def needed(self) -> list[str]:
        """The parts without which this node is not ready."""
        return [part.name for part in self._parts if part.is_needed]

    async def run(self) -> None:
        """Look now and then though nobody asks, so that a change is logged when it happens."""
        while True:
            await self.standings()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def close(self) -> None:
        """Leave no look behind."""
        tasks = [*self._under_way.values(), *([self._look] if self._look else [])]
        for task in tasks:
            task.cancel()
        if tasks:  # what does not obey holds up no end
            await asyncio.wait(tasks, timeout=_LONGEST_LOOK_S)

    @property
    def _is_fresh(self) -> bool:
        return time.monotonic() - self._looked_at < _FRESH_S

    async def _look_at_all(self) -> None:
        findings = await asyncio.gather(*map(self._bounded, self._parts))
        for part, finding in zip(self._parts, findings, strict=True):
            self._note(part.name, finding)
        self._looked_at = time.monotonic()

    async def _bounded(self, part: Part) -> Finding:
        """A part that hangs is asked again only after a while, so that no looks pile up."""
        task = self._under_way.get(part.name)
        if task is not None and time.monotonic() - self._asked_at[part.name] > _GIVE_UP_S:
            task.cancel()
            task = None
        if task is None:
            self._asked_at[part.name] = time.monotonic()
            task = asyncio.create_task(part.look(), name=f"health: {part.name}")
            self._under_way[part.name] = task
        done, _ = await asyncio.wait([task], timeout=_LONGEST_LOOK_S)
        if not done or task.cancelled():
            return Finding(
                State.DOWN, f"It does not answer within {_LONGEST_LOOK_S:g} s.", part.todo
            )
        del self._under_way[part.name]
        return task.result()

    def _note(self, name: str, finding: Finding) -> None:
        before = self._standings.get(name)
        is_same = before is not None and before.finding.state is finding.state
        since_ms = before.since_ms if before is not None and is_same else time.time() * 1000
        self._standings[name] = Standing(finding, since_ms)
        if is_same or (before is None and finding.state is State.OK):
            return
        if finding.state is State.OK:
            log.info("a part is well again", part=name)
        else:
            log.warning(
                "a part is not well",
                part=name,
                state=finding.state.value,
                trouble=finding.trouble,
                todo=finding.todo,
            )
