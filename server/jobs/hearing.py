"""A subscription that is read straight from the parser, and asked for by one write.

The client goes through retries, clocks and a text of the whole message for each that comes: five a
picture, 0.1 ms of CPU each.
"""

import asyncio
from typing import Any  # what Redis is asked and tells is as the channel has it

from hiredis import pack_command
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError


class Hearing(PubSub):
    """A lost connection is raised and not made anew: what came meanwhile is lost with it."""

    async def get_message(
        self,
        ignore_subscribe_messages: bool = False,
        timeout: float | None = 0.0,  # noqa: ASYNC109 (as the client has it)
    ) -> dict[str, Any] | None:
        """The next one; None when there is none for `timeout` seconds. Raises RedisError."""
        told = await self._next(timeout)
        if told is None:
            return None
        if isinstance(told, str):  # how a ping is answered by the newer protocol
            return {"type": "pong", "pattern": None, "channel": None, "data": told}
        if told[0] == "message":
            return {"type": "message", "pattern": None, "channel": told[1], "data": told[2]}
        message: dict[str, Any] | None
        message = await self.handle_message(told, ignore_subscribe_messages)  # type: ignore[no-untyped-call]
        return message

    async def execute_command(self, *args: Any) -> None:
        """Written at once and not waited for: its answer comes among the messages."""
        writer = getattr(self.connection, "_writer", None)
        if writer is None:  # the first, which connects
            await super().execute_command(*args)
            return
        try:
            writer.write(pack_command(args))
        except (OSError, RuntimeError) as error:  # RuntimeError: by uvloop, when it is closed
            raise RedisConnectionError(f"The connection was closed: {error}.") from error

    async def _next(self, timeout_s: float | None) -> Any:
        connection: Any = self.connection  # the client says None
        if connection is None or not connection.is_connected:
            raise RedisConnectionError("The connection was closed.")
        parser = connection._parser
        take_one = parser._reader.gets
        while (told := take_one()) is NOT_ENOUGH_DATA:
            try:
                async with asyncio.timeout(timeout_s):
                    await parser.read_from_socket()
            except TimeoutError:
                return None
            except (OSError, RuntimeError) as error:
                raise RedisConnectionError(f"The connection was closed: {error}.") from error
        if isinstance(told, Exception):
            raise told
        return told


class HearingRedis(Redis):
    """A client whose subscriptions are read so."""

    def pubsub(self, **options: Any) -> Hearing:
        """As the client does it. Any: what it takes itself."""
        return Hearing(self.connection_pool, event_dispatcher=self._event_dispatcher, **options)
