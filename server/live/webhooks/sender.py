"""Carries webhooks from the outbox to their receivers: a node's part of the work.

A delivery is leased for longer than its attempt can take, so a node that dies over one leaves it to
the others; what it could not tell any more is sent twice, under the same id.
"""

import asyncio
import time
from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from server.config.webhooks import WebhookSettings
from server.jobs.delivery import Delivery
from server.jobs.outbox import Outbox
from server.live.webhooks.carrier import WebhookCarrier, url_digest

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 5.0  # for a word that was lost; news come through wake()
_LEASE_MARGIN_S = 5.0  # to make the body and to tell how it went
_COUNT_EVERY_S = 60.0


class WebhookSender:
    """Claims what is due and sends it, never much at a time to one target."""

    def __init__(self, outbox: Outbox, carrier: WebhookCarrier, settings: WebhookSettings) -> None:
        self._outbox = outbox
        self._carrier = carrier
        self._settings = settings
        self._targets = carrier.targets
        self._sending: dict[asyncio.Task[None], Delivery] = {}
        self._news = asyncio.Event()
        self._is_draining = False
        self._overflowed: int | None = None
        self._counted_at = 0.0
        self.attempts = carrier.attempts
        """Requests to receivers from here, by whether they were answered with 2xx."""

    def wake(self, _message: str = "") -> None:
        """Something is due."""
        self._news.set()

    async def prepare(self) -> None:
        """An endpoint that has said 410 and has another address by now is asked again."""
        for name, stopped in (await self._outbox.stopped()).items():
            endpoint = self._settings.endpoints.get(name)
            if endpoint is None:
                continue
            if url_digest(endpoint.url) != stopped.url_digest:
                await self._outbox.enable(name)
                log.info("an endpoint has a new address and is used again", endpoint=name)
            else:
                log.error("an endpoint is stopped, it said 410 Gone", endpoint=name)

    async def run(self) -> None:
        """Send for as long as the process lives."""
        is_prepared = False
        while not self._is_draining:
            self._news.clear()
            wait_s = _LOOK_EVERY_S
            try:
                if not is_prepared:
                    await self.prepare()
                    is_prepared = True
                wait_s = await self.send_due()
                await self._tell_overflow()
            except (RedisError, OSError) as error:
                log.warning("cannot look for webhooks", error=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
        await asyncio.Event().wait()  # a part ends only when it is told to

    async def send_due(self) -> float:
        """Begin to send what is due, as there is room; returns the seconds until more may be."""
        wanted = self._settings.concurrency - len(self._sending)
        if wanted <= 0:
            return _LOOK_EVERY_S  # the end of an attempt wakes us
        claimed = await self._outbox.claim(
            wanted,
            lease_s=self._settings.timeout_s + _LEASE_MARGIN_S,
            attempts_most=self._carrier.attempts_most,
            room=self._settings.target_concurrency,
            rooms=self._targets.rooms(),
        )
        for delivery in claimed.deliveries:
            if self._is_draining:
                await self._outbox.give_back(delivery)
            else:
                self._begin(delivery)
        if claimed.has_more:
            return 0.0
        return min(_LOOK_EVERY_S, _LOOK_EVERY_S if claimed.next_s is None else claimed.next_s)

    async def idle(self) -> None:
        """Wait until what is being sent has been sent."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def drain(self, grace_s: float) -> None:
        """Claim no more, let attempts end for a while, and give the rest back."""
        self._is_draining = True
        self.wake()
        if self._sending:
            await asyncio.wait(self._sending, timeout=grace_s)
        left = dict(self._sending)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for delivery in left.values():
            with suppress(RedisError, OSError):  # its lease ends by itself
                await self._outbox.give_back(delivery)

    async def _tell_overflow(self) -> None:
        """The scripts make room without a word; nobody shall have to look for it."""
        if time.monotonic() - self._counted_at < _COUNT_EVERY_S:
            return
        self._counted_at = time.monotonic()
        overflowed = (await self._outbox.counts())["overflowed"]
        if self._overflowed is not None and overflowed > self._overflowed:
            more = overflowed - self._overflowed
            log.error("webhooks were given up to make room for newer ones", webhooks=more)
        self._overflowed = overflowed

    def _begin(self, delivery: Delivery) -> None:
        task = asyncio.create_task(
            self._carrier.carry(delivery), name=f"webhook {delivery.delivery_id}"
        )
        self._sending[task] = delivery
        self._targets.began(delivery.target)
        task.add_done_callback(self._carried)

    def _carried(self, task: asyncio.Task[None]) -> None:
        delivery = self._sending.pop(task)
        self._targets.ended(delivery.target)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a webhook could not be handled", exc_info=error)
        self.wake()
