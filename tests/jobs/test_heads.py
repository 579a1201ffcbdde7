"""What is remembered of public pictures: true while it may be believed, and no longer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis

from server.jobs import names
from server.jobs.connection import command_client
from server.jobs.heads import Heads
from server.jobs.job import Job, JobState
from tests.jobs.sharing import Site

FRESH_S = 2.0


@dataclass
class Seat:
    """A queue with one completed picture; clock and subscription are moved by hand."""

    site: Site
    heads: Heads = field(init=False)
    now: float = 0.0
    era: int = 1

    def __post_init__(self) -> None:
        self.heads = Heads(
            self.site.queue,
            most=2,
            fresh_s=FRESH_S,
            era=lambda: self.era,
            clock=lambda: self.now,
        )

    async def complete(self, content: str = "cat", *, private: bool = False) -> str:
        """A completed picture's id."""
        job_id = await self.site.upload(content, private=private, shares=False)
        [job] = await self.site.claim()
        assert await self.site.complete(job)
        return job_id

    async def looks(self) -> int:
        """How many scripts Redis has run."""
        stats = await self.site.redis.info("commandstats")
        return int(stats["cmdstat_fcall"]["calls"])


@pytest.fixture
async def seat(valkey_url: str, tmp_path: Path) -> AsyncIterator[Seat]:
    redis: Redis = command_client(valkey_url, timeout_s=30)
    site = Site(redis, tmp_path, "here")
    await site.queue.prepare()
    yield Seat(site)
    await redis.aclose()


async def test_a_hot_picture_costs_redis_nothing(seat: Seat) -> None:
    job_id = await seat.complete()
    first = await seat.heads.look(job_id)
    before = await seat.looks()
    found = [await seat.heads.look(job_id) for _ in range(50)]

    assert await seat.looks() == before
    assert isinstance(first, Job) and first.status is JobState.COMPLETED
    assert all(one is first for one in found)


async def test_of_many_who_ask_at_one_moment_one_asks_redis(seat: Seat) -> None:
    job_id = await seat.complete()
    await seat.heads.look("warm")  # so that Redis knows the script
    before = await seat.looks()
    found = await asyncio.gather(*(seat.heads.look(job_id) for _ in range(50)))

    assert await seat.looks() == before + 1
    assert len({id(one) for one in found}) == 1


async def test_what_was_read_is_believed_for_so_long_and_no_longer(seat: Seat) -> None:
    job_id = await seat.complete()
    await seat.heads.look(job_id)
    await seat.site.queue.remove(job_id)  # and the message is lost

    seat.now = FRESH_S - 0.001
    assert seat.heads.head(job_id) is not None
    seat.now = FRESH_S
    assert seat.heads.head(job_id) is None
    found = await seat.heads.look(job_id)
    assert isinstance(found, Job) and found.status is JobState.EXPIRED


async def test_the_time_counts_from_before_redis_was_asked(seat: Seat) -> None:
    job_id = await seat.complete()
    looking = asyncio.create_task(seat.heads.look(job_id))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    seat.now = FRESH_S  # an answer that was so long on its way is of then
    await looking

    assert seat.heads.head(job_id) is None


@pytest.mark.parametrize("era", [0, 2], ids=["none", "another"])
async def test_after_a_lost_subscription_nothing_is_believed(seat: Seat, era: int) -> None:
    job_id = await seat.complete()
    await seat.heads.look(job_id)
    seat.era = era

    assert seat.heads.head(job_id) is None


async def test_without_a_subscription_nothing_is_kept(seat: Seat) -> None:
    job_id = await seat.complete()
    seat.era = 0
    await seat.heads.look(job_id)
    seat.era = 1

    assert seat.heads.head(job_id) is None


async def test_what_is_read_while_the_picture_goes_is_not_kept(seat: Seat) -> None:
    job_id = await seat.complete()
    looking = asyncio.create_task(seat.heads.look(job_id))
    await asyncio.sleep(0)
    seat.heads.forget(job_id)
    await looking

    assert seat.heads.head(job_id) is None


async def test_private_and_unfinished_pictures_are_never_kept(seat: Seat) -> None:
    private = await seat.complete(private=True)
    waiting = await seat.site.upload("dog")
    for job_id in (private, waiting, "nobody's"):
        await seat.heads.look(job_id)
        assert seat.heads.head(job_id) is None


async def test_the_longest_unasked_goes_first(seat: Seat) -> None:
    first, second, third = [await seat.complete(name) for name in ("a", "b", "c")]
    for job_id in (first, second, first, third):
        await seat.heads.look(job_id)

    known = [seat.heads.head(job_id) is not None for job_id in (first, second, third)]
    assert known == [True, False, True]


async def test_one_who_leaves_takes_nothing_from_the_others(seat: Seat) -> None:
    job_id = await seat.complete()
    asking = [asyncio.create_task(seat.heads.look(job_id)) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    found = await asyncio.gather(*asking, return_exceptions=True)

    assert isinstance(found[0], asyncio.CancelledError)
    assert all(isinstance(one, Job) for one in found[1:])


@pytest.mark.parametrize("way", ["removed", "expired"])
async def test_every_node_is_told_when_a_picture_goes(seat: Seat, way: str) -> None:
    job_id = await seat.complete()
    async with seat.site.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(names.GONE)
        await pubsub.get_message(timeout=1)
        if way == "removed":
            await seat.site.queue.remove(job_id)
        else:
            await seat.site.redis.zadd(names.EXPIRY, {job_id: 1})
            await seat.site.queue.expire_due(10)
        message = await pubsub.get_message(timeout=60)

    assert message is not None and message["data"] == job_id
