"""One connection to Redis on which everybody asks at once, answered in the order of the questions.

A connection of the pool's for each question costs the client 0.1 ms of CPU, and Redis a read, a
write and, where it syncs, a sync for each; here all that is asked in one turn of the loop goes
together. Whatever blocks, subscribes or begins a transaction keeps a connection of its own.
"""

import asyncio
import math
from collections import deque
from typing import Any  # what Redis answers is as the command has it

from hiredis import pack_command
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

_SHARED = frozenset({"FCALL", "EVALSHA", "HMGET", "HGETALL", "PUBLISH", "XLEN"})
_PLAIN_OPTIONS = {"keys"}  # for caches that are off here


class Line:
    """The connection; it is opened by the first question, and again by the first after a loss."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._timeout_s = float(pool.connection_kwargs["socket_timeout"])
        self._connection: AbstractConnection | None = None
        self._asked: deque[asyncio.Future[Any]] = deque()
        self._moved_s = 0.0
        """When the last answer came, or the first question after all were answered was asked."""
        self._unsent: list[bytes] = []
        self._opening: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._clock: asyncio.TimerHandle | None = None

    async def ask(self, *args: Any) -> Any:
        """Raises what Redis answers, RedisConnectionError or RedisTimeoutError.

        Whoever is cancelled meanwhile may have been heard or not.
        """
        if self._reading is None:
            await self._open()
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        if not self._asked:
            self._moved_s = loop.time()
        self._asked.append(answer)
        if not self._unsent:
            loop.call_soon(self._send)
        self._unsent.append(pack_command(args))
        if self._clock is None:
            self._clock = loop.call_later(self._timeout_s, self._look_at_the_clock)
        return await answer

    async def close(self) -> None:
        """End it; what is still asked fails."""
        for task in (self._opening, self._reading):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _open(self) -> None:
        """Once for all who ask meanwhile; each of them is told how it went."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._connect(), name="line to Redis: connect")
            self._opening.add_done_callback(_heard)
        await asyncio.shield(self._opening)

    async def _connect(self) -> None:
        try:
            if self._connection is None:
                self._connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
            await self._connection.connect_check_health(check_health=False)
            self._reading = asyncio.create_task(self._read(), name="line to Redis")
        finally:
            self._opening = None

    def _send(self) -> None:
        """Everything that was asked in this turn of the loop."""
        unsent, self._unsent = self._unsent, []
        writer = getattr(self._connection, "_writer", None)  # None: it was lost in this very turn
        if writer is None or not unsent:
            return
        try:
            writer.write(b"".join(unsent))
        except (OSError, RuntimeError) as error:  # RuntimeError: by uvloop, when it is closed
            self._fail(RedisConnectionError(f"The connection was closed: {error}."))

    async def _read(self) -> None:
        assert self._connection is not None
        loss: RedisError = RedisConnectionError("The connection was closed.")
        try:
            while True:
                try:
                    answer = await self._connection.read_response(
                        timeout=math.inf, disconnect_on_error=False
                    )
                except ResponseError as refused:
                    answer = refused
                self._answer(answer)
        except RedisError as error:
            loss = error
        except (OSError, RuntimeError, AttributeError) as error:  # see _Telling
            loss = RedisConnectionError(f"The connection was closed: {error}.")
        finally:
            self._fail(loss)
            try:
                await self._connection.disconnect(nowait=True)
            finally:  # also when that fails: the next question opens it again
                self._fail(loss)  # what was asked meanwhile
                self._reading = None

    def _answer(self, answer: Any) -> None:
        future = self._asked.popleft()
        self._moved_s = future.get_loop().time()
        if future.done():  # nobody waits for it any more
            return
        if isinstance(answer, ResponseError):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _look_at_the_clock(self) -> None:
        """One timer for all: when nothing is answered for the whole time, the connection ends.

        The answers would come at any time later, and then belong to their questions. A burst of
        questions that takes longer than that is no silence: the last one waits for the others.
        """
        self._clock = None
        if not self._asked:
            return
        loop = asyncio.get_running_loop()
        due = self._moved_s + self._timeout_s
        if due > loop.time():
            self._clock = loop.call_at(due, self._look_at_the_clock)
            return
        self._fail(RedisTimeoutError(f"Redis did not answer within {self._timeout_s:g} s."))
        if self._reading is not None:
            self._reading.cancel()

    def _fail(self, error: RedisError) -> None:
        asked, self._asked, self._unsent = self._asked, deque(), []
        for future in asked:
            if not future.done():
                future.set_exception(error)


class LineRedis(Redis):
    """A client that sends what is short and bears repeating by its line."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._line = Line(self.connection_pool)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """As the client does it. Any: whatever it packs and gives."""
        name = args[0]
        if name not in _SHARED or options.keys() - _PLAIN_OPTIONS:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        try:
            answer = await self._line.ask(*args)
        except RedisConnectionError:  # a restart is waited out
            answer = await self.connection_pool.connection_kwargs["retry"].call_with_retry(
                lambda: self._line.ask(*args), _nothing
            )
        callback = self.response_callbacks.get(name)
        return answer if callback is None else callback(answer)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """As the client does it, with its line."""
        await self._line.close()
        await super().aclose(close_connection_pool)


def _heard(opening: asyncio.Task[None]) -> None:
    """Whoever waited was told, and may have gone."""
    if not opening.cancelled():
        opening.exception()


async def _nothing(_error: Exception) -> None:
    """The line puts itself right."""
