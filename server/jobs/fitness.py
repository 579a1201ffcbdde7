"""Is this Redis fit to hold jobs? Asked once, at start, of one that is not our own."""

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

log = structlog.get_logger(__name__)

LOWEST_MAJOR = 7


class RedisUnfit(Exception):
    """Jobs would be lost in it; the message says why and what to change."""


async def refuse_unfit(redis: Redis) -> None:
    """Raise RedisUnfit when it is too old, forgets keys when full or is one of a cluster; warn when
    it keeps nothing."""
    server = await redis.info("server")
    version = str(server.get("valkey_version") or server["redis_version"])
    if int(version.split(".")[0]) < LOWEST_MAJOR:
        raise RedisUnfit(f"redis.url: expected Redis 7 or Valkey, got version {version}.")
    if (await redis.info("cluster")).get("cluster_enabled"):
        raise RedisUnfit(
            "redis.url: expected one Redis, got a node of a cluster: a move of a job touches keys"
            " that a cluster keeps apart. Use one Redis with replicas and sentinels:"
            " redis+sentinel://host:port,host:port/name."
        )
    try:
        settings = await redis.config_get("maxmemory-policy", "appendonly", "save")
    except ResponseError as error:  # hosted ones often forbid CONFIG
        log.warning("cannot see whether Redis keeps what it holds", error=str(error))
        return
    policy = settings["maxmemory-policy"]
    if policy != "noeviction":
        raise RedisUnfit(
            f"redis.url: expected maxmemory-policy noeviction, got {policy}: a full Redis would"
            " forget jobs. Set it with CONFIG SET maxmemory-policy noeviction."
        )
    if settings["appendonly"] != "yes" and not settings["save"]:
        log.warning("Redis keeps nothing over a restart: jobs will be lost with it")
    elif settings["appendonly"] != "yes":
        log.warning("Redis has no append-only file: a crash loses the jobs since its last snapshot")
