"""The outbox's own moves: who gets what to send, what is bounded, what is kept."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from server.config.sections import QueueSettings
from server.config.webhooks import EndpointSettings, WebhookSettings
from server.jobs import names
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.delivery import Attempt, Delivery, DeliveryState, target_of_endpoint
from server.jobs.job import new_job_id
from server.jobs.outbox import Claimed, DeliveryPage, Outbox, OutboxRules
from server.jobs.queue import JobQueue

ENDPOINT = EndpointSettings(url="https://crm.example/")
FAILED = Attempt(at_ms=1, taken_ms=5, status=500, error="It answered 500.", excerpt="no")
GOOD = Attempt(at_ms=1, taken_ms=5, status=204, error="", excerpt="")
START_MS = 1_800_000_000_000


class Clock:
    """Milliseconds since 1970 that go on when a test says so."""

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def __call__(self) -> int:
        return self.at_ms

    def go_on(self, seconds: float) -> None:
        self.at_ms += round(seconds * 1000)


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


@pytest.fixture
async def clock(redis: Redis) -> Clock:
    """Begins now, since what is born goes by Redis' own clock."""
    seconds, _ = await redis.time()
    return Clock(int(seconds) * 1000 + 2000)


async def site(redis: Redis, clock: Clock, **settings: int) -> tuple[JobQueue, Outbox]:
    """A queue and an outbox with one endpoint, crm."""
    rules = OutboxRules.of(WebhookSettings(endpoints={"crm": ENDPOINT}, **settings))
    queue = JobQueue(redis, QueueSettings(max_depth=5000), node="here", keep_s=60, outbox=rules)
    await queue.prepare()
    return queue, Outbox(redis, queue.scripts, clock=clock)


async def bear(queue: JobQueue, host: str, number: int = 1) -> list[str]:
    """Deliveries to a host, and as many to the endpoint; returns their jobs."""
    ids = []
    for _ in range(number):
        job_id = new_job_id()
        one = Arrival(job_id, "a", "{}", "originals/x", 1, "jpeg", 1, 1, 1, "", "0")
        await queue.admit(
            [one],
            client="me",
            queue_class="interactive",
            batch_id=None,
            callback_url=f"https://{host}/",
        )
        await queue.cancel(job_id)
        ids.append(job_id)
    return ids


async def claim(
    outbox: Outbox, wanted: int = 100, *, room: int = 100, rooms: dict[str, int] | None = None
) -> Claimed:
    return await outbox.claim(wanted, lease_s=30, attempts_most=8, room=room, rooms=rooms or {})


def targets(claimed: Claimed) -> list[str]:
    return [one.target for one in claimed.deliveries]


async def page(outbox: Outbox, state: DeliveryState | None = None) -> DeliveryPage:
    return await outbox.page(state=state, target=None, after=None, most=500)


async def test_what_is_claimed_is_nobody_elses_until_its_lease_ends(
    redis: Redis, clock: Clock
) -> None:
    queue, outbox = await site(redis, clock)
    await bear(queue, "a.example")
    first = await claim(outbox)
    at_once = await claim(outbox)
    clock.go_on(31)
    later = await claim(outbox)

    assert sorted(targets(first)) == ["@crm", "a.example"]
    assert at_once.deliveries == []
    assert at_once.next_s == pytest.approx(30)
    assert sorted(targets(later)) == ["@crm", "a.example"]
    assert {one.attempts for one in later.deliveries} == {2}
    assert not await outbox.end(first.deliveries[0], DeliveryState.DELIVERED, GOOD)


async def test_an_attempt_of_which_nobody_told_is_noted_as_lost(redis: Redis, clock: Clock) -> None:
    queue, outbox = await site(redis, clock)
    await bear(queue, "a.example")
    for _ in range(8):
        await claim(outbox)
        clock.go_on(31)
    last = await claim(outbox)

    found = (await page(outbox)).deliveries
    assert last.deliveries == []
    assert {(one.state, one.why) for one in found} == {(DeliveryState.GIVEN_UP, "lost")}
    assert {one.error for delivery in found for one in delivery.history} == {"lost"}


async def test_a_full_target_leaves_room_for_the_others(redis: Redis, clock: Clock) -> None:
    queue, outbox = await site(redis, clock)
    await bear(queue, "dead.example", 30)
    await bear(queue, "quick.example", 2)

    first = await claim(outbox, 10, room=4, rooms={"@crm": 0})
    second = await claim(outbox, 10, room=4, rooms={"@crm": 0, "dead.example": 0})
    third = await claim(outbox, 10, rooms={"@crm": 0, "dead.example": 1})

    assert targets(first) == ["dead.example"] * 4 + ["quick.example"] * 2
    assert second.deliveries == []
    assert second.next_s == pytest.approx(30, abs=0.1)  # what is busy is not waited for
    assert targets(third) == ["dead.example"]


async def test_a_target_of_which_too_many_wait_loses_what_was_tried_most(
    redis: Redis, clock: Clock
) -> None:
    queue, outbox = await site(redis, clock, max_waiting_target=3)
    [tried, *_] = await bear(queue, "a.example", 3)
    for one in (await claim(outbox)).deliveries:
        is_tried = one.subject_id == tried
        await outbox.end(one, DeliveryState.WAITING, FAILED, wait_s=9000 if is_tried else 60)
    await bear(queue, "a.example", 1)

    given_up = (await page(outbox, DeliveryState.GIVEN_UP)).deliveries
    assert {(one.subject_id, one.why) for one in given_up} == {(tried, "overflow")}
    assert sorted(one.target for one in given_up) == ["@crm", "a.example"]
    assert await outbox.waiting_for(["@crm", "a.example"]) == [3, 3]
    assert (await outbox.counts())["overflowed"] == 2


async def test_no_more_wait_than_may(redis: Redis, clock: Clock) -> None:
    queue, outbox = await site(redis, clock, max_waiting=6)
    for number in range(10):
        await bear(queue, f"host{number}.example")

    assert await outbox.waiting() == 6
    assert (await outbox.counts())["overflowed"] == 14
    assert await redis.zcard(names.DELIVERIES_DUE) <= 7


async def test_no_more_that_ended_are_kept_than_may(redis: Redis, clock: Clock) -> None:
    queue, outbox = await site(redis, clock, max_kept=4)
    await bear(queue, "a.example", 5)
    for one in (await claim(outbox)).deliveries:
        await outbox.end(one, DeliveryState.DELIVERED, GOOD)

    left = [str(one) for one in await redis.keys("*") if str(one).startswith(names.DELIVERY)]
    assert len(left) == 4
    assert await redis.zcard(names.DELIVERIES) == 4
    assert await redis.zcard(names.DELIVERY_IDS) == 4
    assert len((await page(outbox)).deliveries) == 4


async def test_what_ended_is_forgotten_after_its_time(redis: Redis, clock: Clock) -> None:
    queue, outbox = await site(redis, clock, keep_s=100)
    await bear(queue, "a.example", 2)
    for one in (await claim(outbox)).deliveries:
        await outbox.end(one, DeliveryState.DELIVERED, GOOD)
    clock.go_on(101)
    await claim(outbox)

    left = {str(one) for one in await redis.keys("*")}
    assert {one for one in left if "deliver" in one or one.startswith(names.DUE)} == {
        names.DELIVERY_COUNTS
    }


async def test_an_endpoint_that_is_gone_is_sent_nothing_until_it_is_enabled(
    redis: Redis, clock: Clock
) -> None:
    queue, outbox = await site(redis, clock)
    await bear(queue, "a.example", 3)
    crm = [one for one in (await claim(outbox, room=1)).deliveries if one.endpoint == "crm"]
    await outbox.end(crm[0], DeliveryState.GONE, FAILED, url_digest="d")
    after = await claim(outbox, room=10)
    await bear(queue, "a.example")

    gone = (await page(outbox, DeliveryState.GONE)).deliveries
    assert targets(after) == ["a.example", "a.example"]
    assert after.has_more
    assert [one.why or "it said so" for one in gone] == ["stopped"] * 3 + ["it said so"]
    assert await outbox.replay(gone[0].delivery_id) == "stopped"
    assert (await outbox.stopped())["crm"].url_digest == "d"

    assert await outbox.enable("crm")
    assert [await outbox.replay(one.delivery_id) for one in gone] == ["waiting"] * 4
    assert await outbox.waiting_for(["@crm"]) == [4]


async def test_a_callback_that_is_gone_stops_itself_alone(redis: Redis, clock: Clock) -> None:
    queue, outbox = await site(redis, clock)
    await bear(queue, "a.example", 2)
    claimed = await claim(outbox, room=1)
    for one in claimed.deliveries:
        if one.endpoint is None:
            await outbox.end(one, DeliveryState.GONE, FAILED)

    assert await outbox.stopped() == {}
    assert "a.example" in targets(await claim(outbox))


async def test_an_endpoint_that_asks_for_time_gets_it_for_all(redis: Redis, clock: Clock) -> None:
    queue, outbox = await site(redis, clock)
    await bear(queue, "a.example", 3)
    for one in (await claim(outbox, room=1)).deliveries:
        await outbox.end(one, DeliveryState.WAITING, FAILED, wait_s=60, pause_s=60)
    at_once = await claim(outbox)
    clock.go_on(61)
    later = await claim(outbox)

    assert targets(at_once) == ["a.example", "a.example"]  # others than who asked may be there
    assert sorted(targets(later)) == ["@crm"] * 3 + ["a.example"] * 3


async def test_the_body_is_fixed_once(redis: Redis, clock: Clock) -> None:
    queue, outbox = await site(redis, clock)
    await bear(queue, "a.example")
    [one, _] = (await claim(outbox)).deliveries

    assert await outbox.fix_body(one, "first") == "first"
    assert await outbox.fix_body(one, "second") == "first"
    clock.go_on(31)
    again = {other.delivery_id: other for other in (await claim(outbox)).deliveries}
    assert (again[one.delivery_id].body, again[one.delivery_id].snapshot) == ("first", "")
    assert await outbox.fix_body(one, "third") is None  # it is another's now


async def test_what_is_given_back_is_due_at_once_and_was_no_attempt(
    redis: Redis, clock: Clock
) -> None:
    queue, outbox = await site(redis, clock)
    await bear(queue, "a.example")
    for one in (await claim(outbox)).deliveries:
        await outbox.give_back(one)

    again = await claim(outbox)
    assert len(again.deliveries) == 2
    assert {(one.attempts, one.history) for one in again.deliveries} == {(1, ())}


async def test_pages_hold_while_more_comes(redis: Redis, clock: Clock) -> None:
    queue, outbox = await site(redis, clock)
    await bear(queue, "a.example", 10)
    seen: list[Delivery] = []
    after = None
    while True:
        found = await outbox.page(state=None, target="a.example", after=after, most=3)
        seen += found.deliveries
        await bear(queue, "b.example", 1)
        if found.next_place is None:
            break
        after = found.next_place

    assert len(seen) == len({one.delivery_id for one in seen}) == 10
    assert [one.at_ms for one in seen] == sorted((one.at_ms for one in seen), reverse=True)


async def test_the_deliveries_of_a_job_are_found_by_it(redis: Redis, clock: Clock) -> None:
    queue, outbox = await site(redis, clock)
    ids = await bear(queue, "a.example", 5)

    found = await outbox.of_subject(ids[2], most=10)
    assert {one.subject_id for one in found} == {ids[2]}
    assert sorted(one.target for one in found) == [target_of_endpoint("crm"), "a.example"]
    assert await outbox.of_subject("nobody", most=10) == []
