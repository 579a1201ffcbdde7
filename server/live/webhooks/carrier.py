"""One webhook on its way: its body, its signature, the request, and what became of it."""

import hashlib
import time
from collections.abc import Callable
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
from server.live.webhooks.targets import Targets

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ways:
    """Out of the house: to what strangers name, guarded, and to what the operator configured."""

    callbacks: Poster
    endpoints: Poster


class WebhookCarrier:
    """Brings a claimed delivery to its receiver, once; whoever claimed it does no more."""

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
        self.targets = Targets(settings.target_concurrency)
        self._links_at = links_at
        self._clock = clock
        self._notebook = notebook or Notebook()
        self._tracer = tracer
        self._schedule = Schedule(settings.retry_after_s, settings.max_retry_after_s)
        self.attempts = Durations("outcome", bounds=REQUEST_S, known=("good", "failed"))
        """Requests to receivers from here, by whether they were answered with 2xx."""

    @property
    def attempts_most(self) -> int:
        """How often one is tried before it is given up."""
        return self._schedule.attempts

    async def carry(self, delivery: Delivery) -> None:
        """Make its body, send it, and write down how it went."""
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
        self.targets.answered(delivery.target, failed=not answer.is_good)
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
