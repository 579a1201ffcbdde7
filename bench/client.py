"""Our end of the driver process: give it a round, take its answers."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROJECT = Path(__file__).parents[1]


@dataclass(slots=True)
class Answers:
    """What the driver told of one round."""

    wall_s: float = 0.0
    refused: int = 0
    taken_s: list[float] = field(default_factory=list)
    failed: list[Any] = field(default_factory=list)


class Client:
    """A driver that runs from round to round, so that its own start is in none of them."""

    def __init__(self, url: str, recipe: dict[str, Any]) -> None:
        self._arguments = (url, json.dumps(recipe))
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.driver", *self._arguments),
            cwd=PROJECT,
            stdin=PIPE,
            stdout=PIPE,
        )
        await self._answer()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None and self._process.stdin is not None
        if error is not None and self._process.returncode is None:
            self._process.kill()
        self._process.stdin.close()
        await self._process.wait()

    async def run(
        self, photos: Sequence[Path], *, window: int, done: Callable[[], None]
    ) -> Answers:
        """Upload all, at most `window` under way; the answer comes after the last event."""
        return await self._round({"files": [*map(str, photos)], "window": window}, done)

    async def run_in_time(
        self, photos: Sequence[Path], at_s: Sequence[float], *, done: Callable[[], None]
    ) -> Answers:
        """Upload each at its time, seconds from now, whatever has come of the others."""
        return await self._round({"files": [*map(str, photos)], "at_s": [*at_s]}, done)

    async def _round(self, order: dict[str, Any], done: Callable[[], None]) -> Answers:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        answers = Answers()
        while "wall_s" not in (answer := await self._answer()):
            if "failed" in answer:
                answers.failed.append(answer["failed"])
            elif "taken_s" in answer:
                answers.taken_s.append(answer["taken_s"])
            done()
        answers.wall_s, answers.refused = answer["wall_s"], answer["refused"]
        return answers

    async def _answer(self) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the driver ended with exit code {await self._process.wait()}")
        return dict(json.loads(line))
