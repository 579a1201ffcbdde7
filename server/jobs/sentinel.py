"""`redis+sentinel://host:port,host:port/name`: the Redis that the sentinels call the master now.

Every connection asks them anew where it is, so that after a failover whoever connects again, and
all do, since the old one is gone, meets the new one.
"""

from dataclasses import dataclass
from typing import Any  # what the client is made with
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from server.jobs.fitness import RedisUnfit

_SCHEMES = {"redis+sentinel": False, "rediss+sentinel": True}
_PORT = 26379


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """The address, taken apart. User and password are those of the Redis, not of the sentinels."""

    sentinels: tuple[tuple[str, int], ...]
    master: str
    db: int
    is_tls: bool
    username: str | None
    password: str | None

    @property
    def options(self) -> dict[str, Any]:
        """What a connection to the master is made with."""
        return {"db": self.db, "username": self.username, "password": self.password}

    async def where(self, *, timeout_s: float) -> tuple[str, int]:
        """The master's address, as the first sentinel says that answers in time; the client's
        ConnectionError when none does or none knows it."""
        wrong = []
        for host, port in self.sentinels:
            client = Redis(
                host=host,
                port=port,
                decode_responses=True,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 0),
            )
            async with client:
                try:
                    found: Any = await client.sentinel_get_master_addr_by_name(self.master)
                except (RedisError, OSError) as error:
                    wrong.append(f"{host}:{port}: {error}")
                    continue
            if found is not None:
                return str(found[0]), int(found[1])
            wrong.append(f"{host}:{port} knows no master {self.master}")
        raise MasterNotFoundError(f"No sentinel tells where the master is: {'; '.join(wrong)}.")


def is_sentinel_url(url: str) -> bool:
    """Whether it names sentinels and not a Redis."""
    return url.partition("://")[0] in _SCHEMES


def read_sentinel_url(url: str) -> SentinelUrl:
    """Raises RedisUnfit where it cannot be read."""
    parts = urlsplit(url)
    login, _, places = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    master, _, db = parts.path.strip("/").partition("/")
    try:
        sentinels = tuple(map(_place, places.split(",")))
        number = int(db or 0)
    except ValueError as error:
        raise RedisUnfit(_wanted(url)) from error
    if not master or parts.query:
        raise RedisUnfit(_wanted(url))
    return SentinelUrl(
        sentinels=sentinels,
        master=master,
        db=number,
        is_tls=_SCHEMES[parts.scheme],
        username=unquote(username) or None,
        password=unquote(password) or None,
    )


def _place(text: str) -> tuple[str, int]:
    found = urlsplit(f"//{text}")
    if not found.hostname:
        raise ValueError("no host")
    return found.hostname, found.port or _PORT


def _wanted(url: str) -> str:
    shown = url.rpartition("@")[2]
    return (
        "redis.url: expected redis+sentinel://[user:password@]host:port,host:port/name[/db], got"
        f" …{shown}"
    )
