"""The measure of all: libvips alone on the same files, one process a core and nothing around it."""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

WIDTH = 800
QUALITY = 80
ANY_HEIGHT = 10_000_000


class Bare:
    """As many processes as cores; a picture goes from a file to a file."""

    def __init__(self, folder: Path, *, cores: int) -> None:
        self._folder = folder
        self._cores = cores
        self._executor = ProcessPoolExecutor(
            cores, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare
        )
        self.pids: list[int] = []

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        while len(self.pids) < self._cores:  # each call meets a process, not always a new one
            calls = (loop.run_in_executor(self._executor, _who) for _ in range(self._cores))
            self.pids = sorted({*self.pids, *await asyncio.gather(*calls)})
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown(cancel_futures=True)

    async def run(self, photos: Sequence[Path], done: Callable[[], None]) -> list[float]:
        """Develop all; the answer is how long each took inside its process."""
        loop = asyncio.get_running_loop()

        async def one(photo: Path) -> float:
            target = self._folder / f"{photo.stem}.webp"
            taken_s = await loop.run_in_executor(self._executor, _develop, str(photo), str(target))
            done()
            return taken_s

        return await asyncio.gather(*map(one, photos))


def _prepare() -> None:
    os.environ["VIPS_CONCURRENCY"] = "1"
    import pyvips

    pyvips.cache_set_max(0)


def _who() -> int:
    time.sleep(0.05)
    return os.getpid()


def _develop(source: str, target: str) -> float:
    import pyvips

    started = time.perf_counter()
    image = pyvips.Image.thumbnail(source, WIDTH, height=ANY_HEIGHT, size="down")
    image.webpsave(target, Q=QUALITY, keep="none")
    return time.perf_counter() - started
