"""Connections to Redis: one pool for commands, one client for the feed that never retries."""

import asyncio
from typing import Any  # whatever the client packs

from redis.asyncio import (
    BlockingConnectionPool,
    Connection,
    Redis,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from server.jobs.hearing import HearingRedis
from server.jobs.sentinel import SentinelUrl, is_sentinel_url, read_sentinel_url
from server.jobs.timing import TimedRedis, timed

_MOST_CONNECTIONS = 32  # of one node; Redis does one thing at a time anyway


def command_client(url: str, *, timeout_s: float) -> TimedRedis:
    """For commands. A restart of Redis is waited out for about a second; scripts bear repeating.

    A Redis that hangs is not asked again: each question would be answered, late and to nobody.
    """
    retry = Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 4, (RedisConnectionError,))
    return timed(TimedRedis.from_pool(_pool(url, timeout_s=timeout_s, retry=retry)))


def feed_client(url: str, *, timeout_s: float) -> Redis:
    """For the subscription: a lost connection must be seen, since events were lost with it."""
    return HearingRedis.from_pool(_pool(url, timeout_s=timeout_s, retry=Retry(NoBackoff(), 0)))


def _pool(url: str, *, timeout_s: float, retry: Retry) -> BlockingConnectionPool:
    # A request more waits its turn; the plain pool would raise, and full would look like broken.
    options: dict[str, Any] = {
        "max_connections": _MOST_CONNECTIONS,
        "timeout": timeout_s,
        "decode_responses": True,
        "encoding_errors": "replace",  # a damaged field costs its job, not every answer it is in
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": retry,
    }
    if is_sentinel_url(url):
        named = read_sentinel_url(url)
        options |= named.options | {"named": named}
        kind = _TlsToMaster if named.is_tls else _TcpToMaster
        return BlockingConnectionPool(connection_class=kind, **options)
    pool = BlockingConnectionPool.from_url(url, **options)
    pool.connection_class = _TELLING[pool.connection_class]
    return pool


class _Telling(AbstractConnection):
    """Says what is wrong by the right exception: closed, or too late."""

    async def connect_check_health(
        self, check_health: bool = True, retry_socket_connect: bool = True
    ) -> None:
        try:
            await super().connect_check_health(check_health, retry_socket_connect)
        except RedisConnectionError as error:
            # The handshake with one that hangs ends so, and would be tried again.
            if isinstance(error.__cause__, RedisTimeoutError):
                raise error.__cause__ from None
            raise

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """As the client does it, but not by asyncio.wait_for.

        That makes a task for each command, in which the connection may be closed by another one,
        and before Python 3.12 it may lose a cancellation, so that whoever was stopped goes on.
        """
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if check_health:
            await self.check_health()  # type: ignore[no-untyped-call]
        packed = command.encode() if isinstance(command, str) else command
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command([packed] if isinstance(packed, bytes) else packed)
        except BaseException as error:  # what is half sent cannot be taken back
            await self.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise RedisTimeoutError("Redis took no bytes in time.") from error
            # RuntimeError: by uvloop, when the other side has just gone. AttributeError: by the
            # client, when another task has closed what this one had just connected.
            if isinstance(error, OSError | RuntimeError | AttributeError):
                raise RedisConnectionError("The connection was closed.") from error
            raise

    async def can_read(self) -> bool:
        try:
            return await super().can_read()
        except RuntimeError as error:  # by uvloop, as above
            raise RedisConnectionError("The connection was closed.") from error


class _Tcp(_Telling, Connection):
    pass


class _Tls(_Telling, SSLConnection):
    pass


class _Unix(_Telling, UnixDomainSocketConnection):
    pass


class _ToMaster(Connection):
    """Goes where the sentinels say that the master is."""

    def __init__(self, *, named: SentinelUrl, **options: Any) -> None:
        super().__init__(**options)
        self._named = named

    async def _connect(self) -> None:
        patience_s = float(self.socket_connect_timeout or 1.0)
        self.host, self.port = await self._named.where(timeout_s=patience_s)
        await super()._connect()  # type: ignore[no-untyped-call]

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """As the client does it; but one that was the master is left, for the one that is."""
        try:
            return await super().read_response(*args, **options)
        except ReadOnlyError as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError("It is no longer the master.") from error


class _TcpToMaster(_ToMaster, _Tcp):
    pass


class _TlsToMaster(_ToMaster, _Tls):
    pass


_TELLING: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}
