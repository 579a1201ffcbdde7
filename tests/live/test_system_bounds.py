"""What the topic `system` keeps while much happens and nobody reads: never more than its bounds."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from server.config.sections import LiveSettings
from server.jobs import names
from server.jobs.connection import command_client, feed_client
from server.jobs.queue import JobQueue
from server.live.feed import Feed
from server.live.mailbox import Event
from server.live.system import FORGOTTEN_AFTER_S, System
from server.live.system_mail import MOST_UNREAD_MOVES, SocketMailbox
from server.live.system_message import Bounds
from server.live.system_moves import MOST_FAILURES, MOST_MOVES, Moves
from server.live.system_part import LanePart, NodePart, Report
from tests.live.admitted import admit, queue_of
from tests.patience import PATIENCE_S

BURST = 10_000
PART = NodePart(
    node="test",  # as the queue is called: what it publishes itself is not taken for another's
    role="all",
    lanes=(LanePart("lane-0", "idle", None, None, None, 1, 0, {}),),
    fetching=0,
    rss_bytes=1,
    budget_bytes=1,
    budget_used_bytes=0,
    moved={},
    latency={},
    rejected={},
    errors={},
    history=[],
    free_bytes=1,
    sockets=0,
    is_written=True,
)


class LanesElsewhere:
    """This process has no lanes; nothing of theirs is asked but where a job went."""

    def lane_of(self, job_id: str) -> str | None:
        return None


class FixedReport:
    """A part that stays as it is."""

    dispatcher = LanesElsewhere()

    def part(self) -> NodePart:
        return PART


@pytest_asyncio.fixture
async def redis(valkey_url: str) -> AsyncIterator["Redis"]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


@pytest_asyncio.fixture
async def queue(redis: "Redis") -> JobQueue:
    return await queue_of(redis)


@pytest_asyncio.fixture
async def system(valkey_url: str, redis: "Redis", queue: JobQueue) -> AsyncIterator[System]:
    """The topic, running over a real Valkey."""
    async with feed_client(valkey_url, timeout_s=30) as client:
        feed = Feed(client, queue, LiveSettings())
        bounds = Bounds(10, 10, "disk", 1, None)
        system = System(redis, feed, queue, cast(Report, FixedReport()), bounds, most_watchers=2)
        tasks = [asyncio.create_task(feed.run()), asyncio.create_task(system.run())]
        try:
            async with asyncio.timeout(PATIENCE_S):
                await feed.connected.wait()
            yield system
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def heard(redis: "Redis") -> None:
    """Return when moves are subscribed to."""
    async with asyncio.timeout(PATIENCE_S):
        while not dict(await redis.pubsub_numsub(names.MOVED))[names.MOVED]:  # noqa: ASYNC110 (Redis tells nobody)
            await asyncio.sleep(0.02)


async def messages(mailbox: SocketMailbox) -> list[dict[str, Any]]:
    """What waits in a mailbox, or comes next."""
    async with asyncio.timeout(PATIENCE_S):
        while not mailbox.is_filled:  # noqa: ASYNC110 (it tells its socket, and there is none)
            await asyncio.sleep(0.01)
    return [json.loads(payload) for payload in iter(mailbox.take_payload, None)]


class Full:
    """A socket that takes nothing."""

    def send_at_once(self, event: Event) -> bool:
        return False

    def wake(self) -> None:
        """It has no room."""


def line(number: int, to: str = "completed") -> str:
    """A move as the scripts tell it."""
    return (
        f"job{number} processing {to} bulk {'n' * 32} {'worker_crashed' if to == 'failed' else '-'}"
    )


def test_a_burst_keeps_what_fits_and_counts_the_rest() -> None:
    moves = Moves(lambda _: None)
    for number in range(BURST):
        moves.add(line(number, "failed" if number % 100 == 99 else "completed"))
    kept, dropped = moves.take()
    told = [json.loads(one) for one in kept]

    assert len(kept) == MOST_MOVES + MOST_FAILURES
    assert dropped == BURST - len(kept)
    assert sum(one["to"] == "failed" for one in told) == MOST_FAILURES
    assert moves.take() == ([], 0)


async def test_a_reader_that_never_reads_costs_bounded_memory_and_others_nothing(
    system: System, redis: "Redis"
) -> None:
    deaf, reader = SocketMailbox(Full()), SocketMailbox(Full())
    await system.watch(deaf)
    await system.watch(reader)
    await heard(redis)
    tracemalloc.start()
    try:
        await _burst(redis, reader)
        once_bytes, _ = tracemalloc.get_traced_memory()
        await _burst(redis, reader)
        await _burst(redis, reader)
        thrice_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    [moves] = [one for one in await messages(deaf) if one["type"] == "moves"]

    assert len(moves["moves"]) <= MOST_UNREAD_MOVES
    assert len(moves["moves"]) + moves["dropped"] == 3 * BURST
    assert thrice_bytes - once_bytes < 200_000


async def _burst(redis: "Redis", reader: SocketMailbox) -> None:
    """Ten thousand moves, of which the reader hears before this returns."""
    for start in range(0, BURST, 500):
        pipe = redis.pipeline(transaction=False)
        for number in range(start, start + 500):
            pipe.publish(names.MOVED, line(number))
        await pipe.execute()
    seen = 0
    while seen < BURST:
        told = [one for one in await messages(reader) if one["type"] == "moves"]
        seen += sum(len(one["moves"]) + one["dropped"] for one in told)
    assert seen == BURST


async def test_every_move_by_a_script_is_published_in_order(
    system: System, redis: "Redis", queue: JobQueue
) -> None:
    mailbox = SocketMailbox(Full())
    await system.watch(mailbox)
    await heard(redis)
    ids = [await admit(queue) for _ in range(50)]
    for job_id in ids:
        await queue.cancel(job_id)
    told: list[tuple[str, str]] = []
    while len(told) < 100:
        for message in await messages(mailbox):
            told += [(one["jobId"], one["to"]) for one in message.get("moves", ())]

    assert told == [(one, "queued") for one in ids] + [(one, "cancelled") for one in ids]


async def test_only_so_many_may_watch(system: System) -> None:
    for _ in range(2):
        await system.watch(SocketMailbox(Full()))
    with pytest.raises(Exception, match="At most 2 sockets") as refused:
        await system.watch(SocketMailbox(Full()))

    assert refused.value.limit == 2  # type: ignore[attr-defined]  # a Refusal


async def test_parts_that_are_not_understood_or_too_many_are_passed_over(
    system: System, redis: "Redis"
) -> None:
    mailbox = SocketMailbox(Full())
    await system.watch(mailbox)
    await heard(redis)
    strange = [
        "nonsense",
        "{}",
        "[]",
        "5",
        json.dumps({**json.loads(PART.to_json()), "version": 0}),
        '{"lanes":[{"size":1}],"latency":{}}',
        "",
    ]
    for text in strange:
        await redis.publish(names.SYSTEM, text)
    part = json.loads(PART.to_json())
    for number in range(300):
        await redis.publish(names.SYSTEM, json.dumps({**part, "node": f"n{number}"}))
    nodes: list[str] = []
    while len(nodes) < 201:  # of 301, however many of them are here when a message is made
        for message in await messages(mailbox):
            nodes = [one["node"] for one in message.get("nodes", ())] or nodes

    assert len(nodes) == 201
    assert [*nodes[:2], nodes[-1]] == ["n0", "n1", "test"]
    assert FORGOTTEN_AFTER_S < 60


async def test_who_stopped_watching_finds_nothing_in_the_mailbox(system: System) -> None:
    mailbox = SocketMailbox(Full())
    await system.watch(mailbox)
    system.unwatch(mailbox)

    assert mailbox.take_payload() is None
