"""The embedded Valkey: started with the server, started again when it dies, gone when we are.

Which program and which configuration: valkey_setup. How it ends with us even at kill -9: tether.
"""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from server.ops import tether, valkey_setup
from server.ops.valkey_setup import LOG, ValkeyFailed

log = structlog.get_logger(__name__)

START_TIMEOUT_S = 60.0  # reading a large append-only file is part of it
STOP_TIMEOUT_S = 10.0
LOCK_WAIT_S = 10.0  # how long the Valkey of a killed server may take to end
FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 5.0
STEADY_AFTER_S = 30.0  # having lived this long, the next death is the first again
LOG_MAX_BYTES = 1024 * 1024
LOG_CHECK_S = 60.0
LOG_TAIL_LINES = 15


class EmbeddedValkey:
    """One Valkey on a unix socket inside the data folder, as an async context manager."""

    def __init__(
        self, data_dir: Path, *, fsync: str = "always", maxmemory_bytes: int | None = None
    ) -> None:
        self.url = f"unix://{quote(str(valkey_setup.socket_path(data_dir)))}"
        self.restarts = 0
        self.restarted = asyncio.Event()  # set each time; whoever waits for it clears it
        self.watcher: asyncio.Task[None] | None = None  # ends early only by a defect: await it
        self._data_dir = data_dir
        self._fsync = fsync
        self._maxmemory_bytes = maxmemory_bytes
        self._folder = Path()
        self._program = Path()
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs now; None between two."""
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        self._program = await asyncio.to_thread(valkey_setup.find_server)
        self._folder = await asyncio.to_thread(
            valkey_setup.prepare,
            self._data_dir,
            fsync=self._fsync,
            maxmemory_bytes=self._maxmemory_bytes,
        )
        await self._start()
        self.watcher = asyncio.create_task(self._watch(), name="valkey watcher")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.watcher is not None:
            self.watcher.cancel()
            await asyncio.wait([self.watcher])
        await self._stop()
        socket = valkey_setup.socket_path(self._data_dir)
        if socket.parent != self._folder:
            with contextlib.suppress(OSError):  # a leftover empty folder harms nobody
                socket.parent.rmdir()

    async def _start(self) -> None:
        """A process that answers PING, or ValkeyFailed and no process."""
        shorten(self._folder / LOG)
        self._process = await self._spawn()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._answers(self._process)
        except TimeoutError:
            await self._stop()
            raise self._failed(f"Valkey did not answer within {START_TIMEOUT_S:g} s") from None
        except BaseException:
            await self._stop()
            raise
        log.info("valkey is ready", pid=self.pid, program=str(self._program), url=self.url)

    async def _spawn(self) -> Process:
        with (self._folder / LOG).open("ab") as log:
            return await asyncio.create_subprocess_exec(
                # -I -S: nothing of the environment or site-packages, 15 ms instead of 60
                *(sys.executable, "-I", "-S", tether.__file__),
                *(str(os.getpid()), valkey_setup.LOCK, f"{LOCK_WAIT_S:g}"),
                *(str(self._program), valkey_setup.CONFIG),
                cwd=self._folder,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches the whole foreground group; Valkey must outlive our own tidying up.
                start_new_session=True,
            )

    async def _answers(self, process: Process) -> None:
        retry = Retry(NoBackoff(), 0)  # the loop below tries again, and sooner
        async with Redis.from_url(self.url, socket_timeout=1.0, retry=retry) as client:
            while process.returncode is None:
                with contextlib.suppress(RedisError, OSError):  # not there yet, or still loading
                    await client.ping()
                    return
                await asyncio.sleep(0.01)
        raise self._failed(f"Valkey ended at once with {described(process.returncode)}")

    async def _watch(self) -> None:
        """Start Valkey again whenever it ends; the delay grows while it does not stay."""
        loop = asyncio.get_running_loop()
        short_lives = 0
        while True:
            started = loop.time()
            code = await self._ended()
            short_lives = 0 if loop.time() - started > STEADY_AFTER_S else short_lives + 1
            log.error("valkey died", ended_with=described(code))
            while not await self._came_back(delay_s(short_lives)):
                short_lives += 1
            self.restarts += 1
            self.restarted.set()

    async def _came_back(self, after_s: float) -> bool:
        await asyncio.sleep(after_s)
        try:
            await self._start()
        except ValkeyFailed as error:
            log.error("valkey was not restarted", error=str(error))
            return False
        return True

    async def _ended(self) -> int | None:
        """The exit code of the running process; its log is kept short meanwhile."""
        process = self._process
        while process is not None:
            try:
                async with asyncio.timeout(LOG_CHECK_S):
                    return await process.wait()
            except TimeoutError:
                shorten(self._folder / LOG)
        return None

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            log.error("valkey was killed", pid=process.pid, after_s=STOP_TIMEOUT_S)
            process.kill()
            await process.wait()

    def _failed(self, sentence: str) -> ValkeyFailed:
        text = (self._folder / LOG).read_text(encoding="utf-8", errors="replace")
        tail = text.splitlines()[-LOG_TAIL_LINES:]
        return ValkeyFailed("\n  ".join([f"{sentence}. The end of {self._folder / LOG}:", *tail]))


def delay_s(short_lives: int) -> float:
    """How long to wait before the next start, after so many lives that did not last."""
    return float(min(FIRST_DELAY_S * 2 ** min(short_lives, 10), LONGEST_DELAY_S))


def described(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "no exit code"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def shorten(log: Path) -> None:
    """Put a long log aside, over the one put aside before; Valkey opens it anew for every line."""
    if log.exists() and log.stat().st_size > LOG_MAX_BYTES:
        log.replace(log.with_suffix(".log.1"))
