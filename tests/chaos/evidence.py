"""What must be true when all is over: in Redis, on disk, and of the results themselves."""

import asyncio
import hashlib
import os
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientSession
from redis.asyncio import Redis

from server.jobs import names
from server.jobs.connection import command_client
from server.ops.valkey import EmbeddedValkey
from tests.chaos import ledger, numbered
from tests.patience import PATIENCE_S

Hash = dict[str, str]
IDLE = ("waiting:interactive", "waiting:bulk", "waiting_bytes", "processing")


def redis_of(data_dir: Path) -> Redis:
    """The Valkey that the server on this folder has started."""
    return command_client(EmbeddedValkey(data_dir).url, timeout_s=30)


async def all_is_well(
    data_dir: Path, accepted: Mapping[str, int], url: str, *, within_s: float = 3 * PATIENCE_S
) -> None:
    """Every upload that was accepted (id -> number) completed, once; nothing else is left."""
    async with redis_of(data_dir) as redis:
        await all_is_quiet(redis, data_dir, within_s=within_s)
        await redis_is_tidy(redis)
        await disk_agrees(redis, data_dir)
        await all_completed(redis, accepted, url, data_dir)
    await history_agrees(accepted, url)
    assert ledger.is_whole(data_dir), "Valkey wrote its file anew, so nothing can be counted in it"
    completed = ledger.times_completed(data_dir)
    assert {job_id: completed[job_id] for job_id in accepted} == dict.fromkeys(accepted, 1)


async def all_is_quiet(redis: Redis, data_dir: Path, *, within_s: float = PATIENCE_S) -> None:
    """Wait until nothing waits, runs, is delayed or half-done."""
    deadline = time.monotonic() + within_s
    while True:
        found = await _unrest(redis, data_dir)
        if not found:
            return
        assert time.monotonic() < deadline, f"not quiet after {within_s} s: {found}"
        await asyncio.sleep(0.05)


async def _unrest(redis: Redis, data_dir: Path) -> list[str]:
    counters = await redis.hmget(names.QUEUE, list(IDLE))
    busy = [f"{name}={value}" for name, value in zip(IDLE, counters, strict=True) if value]
    busy = [one for one in busy if not one.endswith("=0")]
    if delayed := await redis.zcard(names.DELAYED):
        busy.append(f"delayed={delayed}")
    if trash := await redis.zcard(names.TRASH):
        busy.append(f"trash={trash}")
    return busy + sorted(files_below(data_dir, "spool"))


async def redis_is_tidy(redis: Redis) -> None:
    """No job in no state, no list, no lease, no counter that does not add up."""
    jobs = await all_jobs(redis)
    states = Counter(job["status"] for job in jobs.values())
    counters = {name: int(value) for name, value in (await redis.hgetall(names.QUEUE)).items()}
    assert {name: counters.get(name, 0) for name in IDLE} == dict.fromkeys(IDLE, 0)
    assert counters.get("admitted", 0) == len(jobs)
    for state in ("completed", "failed", "cancelled"):
        assert counters.get(state, 0) == states[state], (state, counters, states)
    assert not states["queued"] and not states["processing"], states
    for queue_class in names.CLASSES:
        assert await redis.xlen(names.stream(queue_class)) == 0
        assert (await redis.xpending(names.stream(queue_class), names.GROUP))["pending"] == 0
    left = [
        key
        for prefix in (names.WAITING, names.RING, names.SERVED, names.DELAYED, names.UNSETTLED)
        for key in await redis.keys(f"{prefix}*")
    ]
    assert left == []


async def disk_agrees(redis: Redis, data_dir: Path) -> None:
    """Files are there for what the jobs say, and no others."""
    jobs = (await all_jobs(redis)).values()
    originals = {job["original_key"] for job in jobs} - {""}
    results = {variant["key"] for job in jobs for variant in _variants(job)}
    assert files_below(data_dir, "originals") == originals
    assert files_below(data_dir, "results") == results
    assert files_below(data_dir, "spool") == set()


async def history_agrees(
    accepted: Mapping[str, int], url: str, *, within_s: float = PATIENCE_S
) -> None:
    """Each of them is in the history, once and as completed."""
    deadline = time.monotonic() + within_s
    async with ClientSession(url) as client:
        while True:
            async with client.get("/jobs.ndjson") as response:
                lines = [orjson.loads(line) for line in (await response.read()).splitlines()]
            found = Counter(line["jobId"] for line in lines if line["status"] == "completed")
            missing = [job_id for job_id in accepted if found[job_id] != 1]
            if not missing:
                break
            assert time.monotonic() < deadline, f"not once in the history: {missing[:5]}"
            await asyncio.sleep(0.2)
    assert max(Counter(line["jobId"] for line in lines).values()) == 1


async def all_completed(
    redis: Redis, accepted: Mapping[str, int], url: str, data_dir: Path
) -> None:
    """Every accepted upload (id -> number) has its own picture, byte for byte as it was stored."""
    jobs = await all_jobs(redis)
    lost = {job_id: jobs.get(job_id) for job_id in accepted if job_id not in jobs}
    assert not lost, f"{len(lost)} accepted uploads are unknown: {list(lost)[:3]}"
    undone = [job for job_id in accepted if (job := jobs[job_id])["status"] != "completed"]
    assert not undone, f"{len(undone)} accepted uploads did not complete, the first: {undone[0]}"
    async with ClientSession(url) as session:
        for job_id, number in accepted.items():
            for variant in _variants(jobs[job_id]):
                stored = (data_dir / variant["key"]).read_bytes()
                assert hashlib.sha256(stored).hexdigest() == variant["digest"]
                assert len(stored) == variant["bytes"]
                assert numbered.number_of(stored) == number
            name = _variants(jobs[job_id])[0]["name"]
            async with session.get(f"/image/{job_id}/{name}") as response:
                assert response.status == 200
                assert numbered.number_of(await response.read()) == number


async def all_jobs(redis: Redis) -> dict[str, Hash]:
    """Every job's hash."""
    jobs: dict[str, Hash] = {}
    async for key in redis.scan_iter(match=f"{names.JOB}*", count=500):
        jobs[key.removeprefix(names.JOB)] = await redis.hgetall(key)
    return jobs


def files_below(data_dir: Path, top: str) -> set[str]:
    """Files as keys name them; ones that vanish while we look are not there."""
    return {
        str((Path(folder) / name).relative_to(data_dir))
        for folder, _, files in os.walk(data_dir / top)  # bears folders that vanish
        for name in files
    }


def _variants(job: Hash) -> list[dict[str, Any]]:
    return list(orjson.loads(job.get("variants", "[]")))


def first_settled_after(log: Path, moment: float) -> float:
    """When, in seconds since 1970, the first job ended after a moment, as the server's log says."""
    for line in log.read_bytes().splitlines():
        if b'"job settled"' not in line:
            continue
        settled = datetime.fromisoformat(orjson.loads(line)["timestamp"]).timestamp()
        if settled > moment:
            return settled
    raise AssertionError("no job ended")
