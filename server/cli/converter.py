"""Many files through a few lanes: each result comes whole under its name, or not at all."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as ProgressBar

from pool import (
    Fault,
    Lane,
    LaneSettings,
    Limits,
    Outcome,
    Output,
    Recipe,
    Task,
    needs_network,
)
from server.config.networks import AiSettings
from server.config.sections import LimitSettings, PoolSettings
from server.ops.networks import engines_of

_DEADLINE_OF_NETWORKS_S = 3600.0  # nobody else waits here
_MOST_TRIES = 2  # of one picture, when its worker died or never began


@dataclass(frozen=True, slots=True)
class Conversion:
    """What to make of every file, and where."""

    recipe: Recipe
    out: Path
    jobs: int  # 0: one for each core
    overwrites: bool


@dataclass(frozen=True, slots=True)
class Converted:
    """How one file ended; `fault` says why there is no result."""

    source: Path
    bytes_in: int
    bytes_out: int
    fault: str | None


class Converter:
    """Runs one conversion."""

    def __init__(self, conversion: Conversion, console: Console) -> None:
        self._conversion = conversion
        self._console = console
        self._pool = PoolSettings()
        engines = engines_of(AiSettings())
        is_slow = needs_network(conversion.recipe, engines)
        self._deadline_s = _DEADLINE_OF_NETWORKS_S if is_slow else self._pool.deadline_s
        limits = LimitSettings()
        self._limits = Limits(
            max_pixels=limits.max_pixels,
            max_side=limits.max_side,
            max_output_pixels=limits.max_output_pixels,
            max_frames=limits.max_frames,
            formats=limits.formats,
            engines=engines,
        )

    async def run(self, files: Sequence[Path]) -> list[Converted]:
        """All of them, in their order."""
        self._conversion.out.mkdir(parents=True, exist_ok=True)
        waiting: asyncio.Queue[int] = asyncio.Queue()
        for number in range(len(files)):
            waiting.put_nowait(number)
        ended: dict[int, Converted] = {}
        # Beside the results, so that a finished file is only renamed.
        with (
            tempfile.TemporaryDirectory(prefix=".safelight-", dir=self._conversion.out) as spool,
            ProgressBar(console=self._console, transient=True) as bar,
        ):
            turn = bar.add_task("converting", total=len(files))

            async def work(lane: Lane) -> None:
                while not waiting.empty():
                    number = waiting.get_nowait()
                    workdir = Path(spool, str(number))
                    ended[number] = await self._convert(lane, files[number], workdir)
                    bar.advance(turn)

            async with AsyncExitStack() as stack:
                settings = self._lane_settings(spool, files)
                lanes = [await self._lane(stack, settings) for _ in range(self._jobs(files))]
                await asyncio.gather(*map(work, lanes))
        return [ended[number] for number in range(len(files))]

    def _jobs(self, files: Sequence[Path]) -> int:
        return max(1, min(self._conversion.jobs or os.cpu_count() or 1, len(files)))

    def _lane_settings(self, spool: str, files: Sequence[Path]) -> LaneSettings:
        return LaneSettings(
            spool=str(Path(spool).resolve()),
            hard_grace_s=self._pool.hard_grace_s,
            max_tasks_per_child=self._pool.max_tasks_per_child,
            max_rss_bytes=self._pool.max_rss_bytes,
            memory_kill_bytes=self._pool.memory_kill_bytes,
            read_only=tuple(sorted({str(path.resolve()) for path in files})),
        )

    async def _lane(self, stack: AsyncExitStack, settings: LaneSettings) -> Lane:
        lane = Lane("convert", on_progress=lambda _: None, settings=settings)
        stack.push_async_callback(lane.close)
        await lane.start()
        return lane

    async def _convert(self, lane: Lane, source: Path, workdir: Path) -> Converted:
        try:
            size = (await asyncio.to_thread(source.stat)).st_size
            outcome = await self._developed(lane, source, workdir)
            if outcome.fault is not None:
                return Converted(source, size, 0, outcome.fault.detail)
            return self._placed(Converted(source, size, 0, None), outcome.outputs)
        except OSError as error:
            return Converted(source, 0, 0, error.strerror or "it could not be read")

    async def _developed(self, lane: Lane, source: Path, workdir: Path) -> Outcome:
        """A worker's death may have been another picture's fault, so there is a second try."""
        for attempt in range(_MOST_TRIES):
            [ending] = await lane.develop([self._task(source, workdir, attempt)])
            if isinstance(ending, Outcome):
                return ending
        fault = Fault("worker_crashed", "the worker died on this picture")
        return Outcome(workdir.name, _MOST_TRIES, (), fault, {}, 0)

    def _task(self, source: Path, workdir: Path, attempt: int) -> Task:
        folder = workdir / str(attempt)
        folder.mkdir(parents=True)
        return Task(
            job_id=workdir.name,
            attempt=attempt,
            source=str(source.resolve()),
            recipe=self._conversion.recipe,
            workdir=str(folder.resolve()),
            limits=self._limits,
            deadline_s=self._deadline_s,
        )

    def _placed(self, converted: Converted, outputs: Sequence[Output]) -> Converted:
        """Give the files their names; all of them or, where one is in the way, none."""
        has_variants = [output.variant for output in outputs] != ["default"]
        targets = {}
        for output in outputs:
            path = Path(output.path)
            end = f"-{output.variant}{path.suffix}" if has_variants else path.suffix
            targets[path] = self._conversion.out / f"{converted.source.stem}{end}"
        for target in targets.values():
            if target.exists() and not self._conversion.overwrites:
                return replace(converted, fault=f"{target} is there already; --force overwrites it")
        for path, target in targets.items():
            path.replace(target)
        return replace(converted, bytes_out=sum(output.bytes for output in outputs))
