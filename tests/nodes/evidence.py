"""What must be true of all nodes together when a storm is over."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import orjson
from aiohttp import ClientSession
from obstore.store import S3Store
from redis.asyncio import Redis

from server.jobs import names
from server.jobs.connection import command_client
from tests.chaos import ledger, numbered
from tests.chaos.evidence import (
    IDLE,
    Hash,
    all_jobs,
    files_below,
    history_agrees,
    redis_is_tidy,
)
from tests.nodes.fleet import Fleet
from tests.nodes.storm import until_ready
from tests.storage.weed import KEY, SECRET


@dataclass(frozen=True, slots=True)
class Found:
    """What became of the jobs: how many each node completed (by its name), how many were lost or
    completed twice, how often one was lost with its node, and the longest time in which none ended.
    """

    by_node: dict[str, int]
    lost: int
    twice: int
    longest_gap_s: float
    losses: int


async def all_is_well(fleet: Fleet, accepted: Mapping[str, int]) -> Found:
    """Every accepted upload (id -> number) completed once, can be fetched from any node and is once
    in the records; nothing else is left in Redis, in the bucket or on a disk of a node."""
    for name in fleet.roles:
        await until_ready(fleet.url(name))
    async with command_client(fleet.shared.redis_url, timeout_s=30) as redis:
        await _all_is_quiet(redis, fleet, within_s=120)
        jobs = await all_jobs(redis)
        found = _found(fleet, jobs, accepted)
        assert (found.lost, found.twice) == (0, 0), found
        await redis_is_tidy(redis)
    await _all_can_be_fetched(fleet, jobs, accepted)
    await _bucket_agrees(fleet, jobs)
    await history_agrees(accepted, fleet.url(next(iter(fleet.roles))))
    return found


def _found(fleet: Fleet, jobs: Mapping[str, Hash], accepted: Mapping[str, int]) -> Found:
    folder = fleet.shared.folder
    assert ledger.is_whole(folder), "Valkey wrote its file anew, so nothing can be counted in it"
    completed = ledger.times_completed(folder)
    done = [jobs[one] for one in accepted if one in jobs and jobs[one]["status"] == "completed"]
    times = sorted(int(job["settled"]) for job in done)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    names_of = fleet.node_of()
    return Found(
        by_node=dict(Counter(names_of.get(job.get("node", ""), "shared") for job in done)),
        lost=len(accepted) - len(done),
        twice=sum(completed[job_id] > 1 for job_id in accepted),
        longest_gap_s=max(gaps, default=0) / 1000,
        losses=sum(int(job.get("losses", 0)) for job in done),
    )


async def _all_is_quiet(redis: Redis, fleet: Fleet, *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while True:
        counters = await redis.hmget(names.QUEUE, list(IDLE))
        busy = [
            f"{name}={n}" for name, n in zip(IDLE, counters, strict=True) if n not in ("0", None)
        ]
        busy += [f"delayed={n}" for n in [await redis.zcard(names.DELAYED)] if n]
        busy += [f"trash={n}" for n in [await redis.zcard(names.TRASH)] if n]
        for name in fleet.roles:
            busy += sorted(files_below(fleet.data_dir(name), "spool"))
        if not busy:
            return
        assert time.monotonic() < deadline, f"not quiet after {within_s} s: {busy}"
        await asyncio.sleep(0.1)


async def _all_can_be_fetched(
    fleet: Fleet, jobs: Mapping[str, Hash], accepted: Mapping[str, int]
) -> None:
    """Each from another node in turn, byte for byte as it was stored."""
    waiting = list(accepted.items())
    urls = [fleet.url(name) for name in fleet.roles]

    async def fetch(session: ClientSession) -> None:
        while waiting:
            job_id, number = waiting.pop()
            [exact, _] = orjson.loads(jobs[job_id]["variants"])
            url = f"{urls[number % len(urls)]}/image/{job_id}/{exact['name']}"
            async with session.get(url) as response:
                body = await response.read()
                assert response.status == 200, (url, body)
            assert hashlib.sha256(body).hexdigest() == exact["digest"]
            assert numbered.number_of(body) == number

    async with ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(fetch(session))


async def _bucket_agrees(fleet: Fleet, jobs: Mapping[str, Hash]) -> None:
    """Files are there for what the jobs say. Others may be: of uploads that were killed in the
    middle, until the next sweep; each belongs to no job."""
    weed = fleet.shared.weed
    store = S3Store(
        "pictures",
        endpoint=weed.url,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="us-east-1",
        client_options={"allow_http": True},
    )
    there = {
        one["path"].removeprefix("nodes/") async for page in store.list("nodes/") for one in page
    }
    wanted = {job["original_key"] for job in jobs.values()} - {""}
    wanted |= {one["key"] for job in jobs.values() for one in orjson.loads(job["variants"])}
    assert wanted <= there, sorted(wanted - there)[:5]
