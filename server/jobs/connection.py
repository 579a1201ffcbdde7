"""Connections to Redis: one pool for commands, one client for the feed that never retries."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff


def command_client(url: str, *, timeout_s: float) -> Redis:
    """For commands. A restart of Redis is waited out for about a second; scripts bear repeating."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 4),
    )


def feed_client(url: str, *, timeout_s: float) -> Redis:
    """For the subscription: a lost connection must be seen, since events were lost with it."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
    )
