"""Carries webhooks from the outbox to their receivers: a node's part of the work.

A delivery is leased for longer than its attempt can take, so a node that dies over one leaves it to
the others; what it could not tell any more is sent twice, under the same id.
"""

import asyncio
import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from server.config.webhooks import WebhookSettings
from server.counting import REQUEST_S, Durations
from server.jobs.delivery import Attempt, Delivery, DeliveryState
from server.jobs.job import is_batch_id
from server.jobs.outbox import Outbox
from server.jobs.trail.behalf import ids_of
from server.jobs.trail.context import Traced
from server.jobs.trail.notebook import Notebook, Posted
from server.jobs.trail.spans import Kind, Span, Tracer
from server.jobs.trail.way import now_ms
from server.live.webhooks.body import LinksAt, body_of
from server.live.webhooks.post import Answer, Poster
from server.live.webhooks.schedule import Schedule
from server.live.webhooks.secrets import Secrets, signature

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 5.0  # for a word that was lost; news come through wake()
_LEASE_MARGIN_S = 5.0  # to make the body and to tell how it went
_COUNT_EVERY_S = 60.0
_FAILING_KNOWN = 500  # targets; each claim names them
_FAILING_ROOM = 1  # attempts at a time to a target whose last one failed


@dataclass(frozen=True, slots=True)
class Ways:
    """Out of the house: to what strangers name, guarded, and to what the operator configured."""

    callbacks: Poster
    endpoints: Poster


class WebhookSender:
    """Claims what is due and sends it, never much at a time to one target."""

    def __init__(
        self,
        outbox: Outbox,
        ways: Ways,
        secrets: Secrets,
        settings: WebhookSettings,
        *,
        links_at: LinksAt,
        clock: Callable[[], float] = time.time,
        notebook: Notebook | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        """clock: seconds since 1970, for the time of an attempt."""
        self._outbox = outbox
        self._ways = ways
        self._secrets = secrets
        self._settings = settings
        self._links_at = links_at
        self._clock = clock
        self._notebook = notebook or Notebook()
        self._tracer = tracer
        self._schedule = Schedule(settings.retry_after_s, settings.max_retry_after_s)
        self._sending: dict[asyncio.Task[None], Delivery] = {}
        self._busy: Counter[str] = Counter()
        self._failing: OrderedDict[str, None] = OrderedDict()
        self._news = asyncio.Event()
        self._is_draining = False
        self._overflowed: int | None = None
        self._counted_at = 0.0
        self.attempts = Durations("outcome", bounds=REQUEST_S, known=("good", "failed"))
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
            attempts_most=self._schedule.attempts,
            room=self._settings.target_concurrency,
            rooms=self._rooms(),
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

    def _rooms(self) -> dict[str, int]:
        """Of the targets to which less than usual may be sent just now."""
        usual = self._settings.target_concurrency
        rooms = {target: max(0, usual - busy) for target, busy in self._busy.items()}
        for target in self._failing:
            rooms[target] = max(0, _FAILING_ROOM - self._busy[target])
        return rooms

    def _begin(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._carry(delivery), name=f"webhook {delivery.delivery_id}")
        self._sending[task] = delivery
        self._busy[delivery.target] += 1
        task.add_done_callback(self._carried)

    def _carried(self, task: asyncio.Task[None]) -> None:
        delivery = self._sending.pop(task)
        self._busy[delivery.target] -= 1
        if not self._busy[delivery.target]:
            del self._busy[delivery.target]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a webhook could not be handled", exc_info=error)
        self.wake()

    async def _carry(self, delivery: Delivery) -> None:
        with bound_contextvars(**_ids(delivery)):
            await self._carry_out(delivery)

    async def _carry_out(self, delivery: Delivery) -> None:
        try:
            body = delivery.body or await self._fixed_body(delivery)
            if body is None:
                return
            at_ms, began = round(self._clock() * 1000), time.monotonic()
            answer = await self._send(delivery, body.encode(), at_ms // 1000)
            taken_s = time.monotonic() - began
            self.attempts.add(taken_s, "good" if answer.is_good else "failed")
            taken_ms = round(taken_s * 1000)
            attempt = Attempt(at_ms, taken_ms, answer.status, answer.error, answer.excerpt)
            await self._note(delivery, answer, attempt)
            if delivery.endpoint is None:  # the operator's endpoints are no matter of the client
                said = (delivery.url, at_ms, taken_ms, answer.status, answer.error, body)
                self._notebook.post(delivery.subject_id, Posted(*said))
        except (RedisError, OSError) as error:  # it is sent again when its lease ends
            log.warning(
                "a webhook is sent again later", delivery=delivery.delivery_id, error=str(error)
            )

    async def _fixed_body(self, delivery: Delivery) -> str | None:
        body = body_of(delivery, self._links_at, max_bytes=self._settings.max_body_bytes)
        return await self._outbox.fix_body(delivery, body)

    async def _send(self, delivery: Delivery, body: bytes, now_s: int) -> Answer:
        if delivery.endpoint is None:
            url, way = delivery.url, self._ways.callbacks
            secrets = self._secrets.of_client(delivery.client)
        else:
            endpoint = self._settings.endpoints.get(delivery.endpoint)
            if endpoint is None:  # another node may know it, or it comes back
                return Answer(None, "This node's configuration has no such endpoint.")
            url, way = endpoint.url, self._ways.endpoints
            secrets = self._secrets.of_endpoint(delivery.endpoint)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery.delivery_id,
            "webhook-timestamp": str(now_s),
            "webhook-signature": signature(secrets, delivery.delivery_id, now_s, body),
        }
        traced = self._begin_span(delivery)
        if traced is not None and (delivery.endpoint is not None or traced.is_of_caller):
            headers["traceparent"] = traced.header  # to strangers only what they know already
        start_ms = now_ms()
        answer = await way.post(url, body, headers)
        if traced is not None:
            self._end_span(delivery, traced, start_ms, answer)
        return answer

    def _begin_span(self, delivery: Delivery) -> Traced | None:
        if self._tracer is None:
            return None
        root = Traced.from_text(delivery.trace)
        return None if root is None else root.fresh()

    def _end_span(
        self, delivery: Delivery, traced: Traced, start_ms: float, answer: Answer
    ) -> None:
        root = Traced.from_text(delivery.trace)
        if self._tracer is None or root is None:
            return
        above = root
        if delivery.turn is not None:
            above = root.child(delivery.subject_id, delivery.turn)
        about: dict[str, str | int] = {
            "http.request.method": "POST",
            "http.request.resend_count": max(0, delivery.attempts - 1),
            "messaging.message.id": delivery.delivery_id,
            "safelight.event": delivery.event,
            "safelight.target": delivery.target,
        }
        if answer.status is not None:
            about["http.response.status_code"] = answer.status
        error = "" if answer.is_good else str(answer.status or "no_answer")
        times = (start_ms, now_ms())
        self._tracer.end(
            Span("POST webhook", Kind.CLIENT, traced, above.span_id, *times, about, error)
        )

    async def _note(self, delivery: Delivery, answer: Answer, attempt: Attempt) -> None:
        state, pause_s = self._verdict(delivery, answer)
        self._remember(delivery.target, failed=not answer.is_good)
        said = {"delivery": delivery.delivery_id, "target": delivery.target}
        if answer.is_gone and delivery.endpoint is not None:
            log.error("an endpoint said 410 Gone and is stopped", **said)
        elif state is DeliveryState.GIVEN_UP:
            log.warning("a webhook is given up", attempts=delivery.attempts, **said)
        elif answer.is_good:
            log.info("webhook delivered", status=answer.status, taken_ms=attempt.taken_ms, **said)
        else:
            log.info("a webhook failed", reason=answer.error, again_in_s=round(pause_s), **said)
        await self._outbox.end(
            delivery,
            state,
            attempt,
            wait_s=pause_s,
            pause_s=self._schedule.asked_s(answer.retry_after_s),
            url_digest=self._digest(delivery),
        )

    def _verdict(self, delivery: Delivery, answer: Answer) -> tuple[DeliveryState, float]:
        """What becomes of it, and the seconds until the next attempt."""
        if answer.is_good:
            return DeliveryState.DELIVERED, 0.0
        if answer.is_gone:
            return DeliveryState.GONE, 0.0
        pause_s = self._schedule.pause_s(delivery.attempts, answer.retry_after_s)
        if pause_s is None:
            return DeliveryState.GIVEN_UP, 0.0
        return DeliveryState.WAITING, pause_s

    def _remember(self, target: str, *, failed: bool) -> None:
        self._failing.pop(target, None)
        if failed:
            self._failing[target] = None
            if len(self._failing) > _FAILING_KNOWN:
                self._failing.popitem(last=False)

    def _digest(self, delivery: Delivery) -> str:
        endpoint = self._settings.endpoints.get(delivery.endpoint or "")
        return "" if endpoint is None else url_digest(endpoint.url)


def _ids(delivery: Delivery) -> dict[str, str]:
    """The fields of every line about it."""
    if is_batch_id(delivery.subject_id):
        ids = ids_of("", delivery.request_id, delivery.trace)
        return ids | {"batch_id": delivery.subject_id}
    return ids_of(delivery.subject_id, delivery.request_id, delivery.trace)


def url_digest(url: str) -> str:
    """By which an endpoint's address is known again; addresses may have secrets in them."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]
