"""A day of retries in simulated time: real Redis, a real receiver, a clock that a test moves on."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web
from redis.asyncio import Redis
from standardwebhooks import Webhook

from server.config.sections import QueueSettings
from server.config.webhooks import EndpointSettings, WebhookSettings
from server.intake.fetch.guard import Guard
from server.intake.fetch.session import AddressRefused, guarded_session
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.delivery import Delivery, DeliveryState
from server.jobs.job import new_job_id
from server.jobs.links import PUBLIC
from server.jobs.outbox import Outbox, OutboxRules
from server.jobs.queue import JobQueue
from server.live.webhooks.carrier import Ways, WebhookCarrier
from server.live.webhooks.post import Poster
from server.live.webhooks.schedule import Schedule
from server.live.webhooks.secrets import Secrets
from server.live.webhooks.sender import WebhookSender
from server.wiring.webhooks import reach_of_endpoints
from tests.edge.traces import eventually
from tests.webhooks.conftest import CRM_SECRET
from tests.webhooks.receiver import Receiver
from tests.webhooks.test_outbox import Clock

PAUSES_S = WebhookSettings().retry_after_s
HOUR_S = 3600


class Site:
    """A node's sender whose clock stands still until it is moved."""

    def __init__(self, redis: Redis, poster: Poster, settings: WebhookSettings, clock: Clock):
        self.queue = JobQueue(
            redis,
            QueueSettings(),
            node="here",
            keep_s=60,
            outbox=OutboxRules.of(settings),
        )
        self.clock = clock
        self.outbox = Outbox(redis, self.queue.scripts, clock=clock)
        carrier = WebhookCarrier(
            self.outbox,
            Ways(poster, poster),
            Secrets(settings, file=Path("unused"), has_api_keys=False),
            settings,
            links_at=lambda _: PUBLIC,
            clock=lambda: clock() / 1000,
        )
        self.sender = WebhookSender(self.outbox, carrier, settings)

    async def bear(self, url: str) -> None:
        """A webhook that is due now."""
        one = Arrival(new_job_id(), "a", "{}", "originals/x", 1, "jpeg", 1, 1, 1, "", "0")
        await self.queue.admit(
            [one], client="me", queue_class="interactive", batch_id=None, callback_url=url
        )
        await self.queue.cancel(one.job_id)

    async def send(self) -> None:
        """All that is due at this moment, to its end."""
        await self.sender.send_due()
        await self.sender.idle()

    async def live_until(self, *ends: DeliveryState) -> Delivery:
        """Go on from one due moment to the next until the one webhook has ended so."""
        while True:
            await self.send()
            one = await self.only()
            if one.state in ends:
                return one
            assert one.due_ms is not None and one.due_ms > self.clock.at_ms
            self.clock.at_ms = one.due_ms - 1
            await self.send()
            assert len((await self.only()).history) == len(one.history)  # not a moment too early
            self.clock.at_ms = one.due_ms

    async def only(self) -> Delivery:
        """The one webhook that there is."""
        page = await self.outbox.page(state=None, target=None, after=None, most=10)
        [one] = page.deliveries
        return one


@pytest.fixture
async def site(valkey_url: str) -> AsyncIterator[Site]:
    settings = WebhookSettings(
        secrets=(CRM_SECRET,), endpoints={"crm": EndpointSettings(url="http://127.0.0.1/")}
    )
    settings = settings.model_copy(update={"endpoints": {}})
    reach = reach_of_endpoints(settings)
    async with (
        command_client(valkey_url, timeout_s=30) as redis,
        guarded_session(Guard(reach), reach) as session,
    ):
        seconds, _ = await redis.time()
        clock = Clock(int(seconds) * 1000 + 2000)
        poster = Poster(session, timeout_s=5, refusal=AddressRefused)
        made = Site(redis, poster, settings, clock)
        await made.queue.prepare()
        yield made


async def test_a_receiver_that_is_down_for_good_is_asked_eight_times_in_a_day(
    site: Site, receiver: Receiver
) -> None:
    await site.bear(receiver.at("/down", 500))
    began = site.clock.at_ms
    ended = await site.live_until(DeliveryState.GIVEN_UP)

    at_s = [(one.at_ms - began) / 1000 for one in ended.history]
    pauses = [after - before for before, after in itertools.pairwise(at_s)]
    print(
        "\n".join(f"{number}  {timedelta(seconds=round(one))}" for number, one in enumerate(at_s))
    )
    assert at_s[0] == 0
    assert len(pauses) == len(PAUSES_S)
    for pause, usual in zip(pauses, PAUSES_S, strict=True):
        assert usual <= pause <= 1.2 * usual + 0.001
    assert 23 * HOUR_S < at_s[-1] < 29 * HOUR_S
    assert {one.status for one in ended.history} == {500}
    messages = receiver.messages["/down"]
    assert len(messages) == 8
    assert len({(one.id, one.body) for one in messages}) == 1


async def test_each_attempt_is_signed_with_its_own_time(site: Site, receiver: Receiver) -> None:
    await site.bear(receiver.at("/timed", lambda n: web.Response(status=200 if n == 4 else 502)))
    ended = await site.live_until(DeliveryState.DELIVERED)

    messages = receiver.messages["/timed"]
    times = [int(one.headers["webhook-timestamp"]) for one in messages]
    assert times == [one.at_ms // 1000 for one in ended.history]
    assert times == sorted(set(times))
    for one, at in zip(messages, times, strict=True):
        made = Webhook(CRM_SECRET).sign(one.id, datetime.fromtimestamp(at, UTC), one.body.decode())
        assert one.headers["webhook-signature"] == made


@pytest.mark.parametrize(
    ("status", "retry_after", "least_s", "most_s"),
    [
        (429, "120", 120, 121),
        (503, "120", 120, 121),
        (503, "DATE", 110, 125),
        (429, "999999", 3600, 3601),  # webhooks.max_retry_after_s
        (429, "1", 5, 7),  # less than the schedule has is not followed
        (429, "soon", 5, 7),
        (500, "120", 5, 7),
    ],
)
async def test_a_receiver_may_ask_for_time(
    site: Site, receiver: Receiver, status: int, retry_after: str, least_s: int, most_s: int
) -> None:
    in_two_minutes = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    asked = in_two_minutes if retry_after == "DATE" else retry_after
    url = receiver.at(f"/later-{status}-{retry_after}", status, **{"Retry-After": asked})
    await site.bear(url)
    await site.send()

    one = await site.only()
    assert one.due_ms is not None
    assert least_s <= (one.due_ms - one.history[0].at_ms) / 1000 <= most_s


async def test_a_dead_receiver_gets_one_attempt_at_a_time(site: Site, receiver: Receiver) -> None:
    url = receiver.at("/dead", lambda number: web.Response(status=500))
    for _ in range(10):
        await site.bear(url)
    await site.send()
    first = len(receiver.messages["/dead"])
    await site.send()

    assert first == WebhookSettings().target_concurrency
    assert len(receiver.messages["/dead"]) == first + 1


async def test_a_receiver_that_never_answers_leaves_room_for_others(
    site: Site, receiver: Receiver
) -> None:
    silent = receiver.at("/silent", lambda _: None)
    for _ in range(WebhookSettings().concurrency):
        await site.bear(silent)
    await site.bear(receiver.at("/beside").replace("127.0.0.1", "localhost"))
    await site.sender.send_due()
    await eventually(receiver.has("/beside"))
    await eventually(receiver.has("/silent", WebhookSettings().target_concurrency))
    await site.sender.drain(0)

    assert len(receiver.messages["/silent"]) == WebhookSettings().target_concurrency


async def test_a_receiver_that_recovers_is_served_as_before(site: Site, receiver: Receiver) -> None:
    url = receiver.at("/recovers", lambda number: web.Response(status=500 if number <= 4 else 200))
    for _ in range(14):
        await site.bear(url)
    await site.send()
    await site.send()  # one attempt, which arrives
    before = len(receiver.messages["/recovers"])
    await site.send()

    assert len(receiver.messages["/recovers"]) == before + WebhookSettings().target_concurrency


async def test_an_answer_that_never_ends_is_no_failure(site: Site, receiver: Receiver) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    await site.bear(receiver.origin.answer("/drip", drip))
    ended = await site.live_until(DeliveryState.DELIVERED)

    assert ended.history[0].status == 200


async def test_of_a_long_answer_the_beginning_is_kept(site: Site, receiver: Receiver) -> None:
    async def long(request: web.Request) -> web.Response:
        return web.Response(status=500, body=b"\x00no room\n" + b"x" * 1_000_000)

    await site.bear(receiver.origin.answer("/long", long))
    await site.send()

    [attempt] = (await site.only()).history
    assert attempt.excerpt.startswith("no room x")
    assert len(attempt.excerpt) <= 500


def test_the_schedule_gives_up_after_its_last_pause() -> None:
    schedule = Schedule((5, 60), 100, chance=lambda: 0.5)

    assert schedule.attempts == 3
    assert schedule.pause_s(1, None) == pytest.approx(5.5)
    assert schedule.pause_s(2, None) == pytest.approx(66)
    assert schedule.pause_s(3, 10) is None
    assert schedule.pause_s(2, 10) == pytest.approx(66)
    assert schedule.pause_s(1, 1000) == 100
