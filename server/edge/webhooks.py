"""/webhooks: what was told to whom, what was not, and what an operator can do about it."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import orjson
from aiohttp import web

from server.config.webhooks import EndpointSettings, WebhookSettings
from server.edge.access.client import CALLER, client_of
from server.edge.reply import reply
from server.jobs.delivery import Attempt, Delivery, DeliveryState, target_of_endpoint
from server.jobs.job import iso, new_job_id
from server.jobs.outbox import Outbox, Place, Stopped
from server.live.webhooks.secrets import Secrets
from server.refusals import BadRequest, EndpointStopped, NotFound, ScopeMissing

_FRESH = {"Cache-Control": "no-store"}
_KNOWN = ("state", "endpoint", "job", "limit", "cursor")
_USUAL, _MOST = 50, 500
_QUOTED = 80
_NAME = re.compile(r"[a-z0-9-]{1,64}")

T = TypeVar("T")


class WebhookHandler:
    """Answers from the outbox."""

    def __init__(self, outbox: Outbox, settings: WebhookSettings, secrets: Secrets) -> None:
        self._outbox = outbox
        self._endpoints = settings.endpoints
        self._secrets = secrets

    async def list_deliveries(self, request: web.Request) -> web.Response:
        """By page, the newest first; of one job or batch all of them, the first event first."""
        _refuse_unknown(request)
        state = _read(request, "state", DeliveryState, ", ".join(DeliveryState))
        most = _read(request, "limit", _limit, f"a number from 1 to {_MOST}") or _USUAL
        after = _read(request, "cursor", _place, "the nextCursor of an earlier answer")
        endpoint = _read(request, "endpoint", _name, "an endpoint's name")
        job_id = _read(request, "job", _name, "the id of a job or batch")
        target = None if endpoint is None else target_of_endpoint(endpoint)
        if job_id is not None:
            found = await self._outbox.of_subject(job_id, most=_MOST)
            fitting = [
                one for one in found if state in (None, one.state) and target in (None, one.target)
            ]
            return _listed(fitting[:most], None)
        page = await self._outbox.page(state=state, target=target, after=after, most=most)
        return _listed(page.deliveries, page.next_place)

    async def get_delivery(self, request: web.Request) -> web.Response:
        """One with its body and its attempts."""
        return reply(_details(await self._look(request)), headers=_FRESH)

    async def replay(self, request: web.Request) -> web.Response:
        """Send it again, with all its attempts before it and under the same id."""
        delivery = await self._look(request)
        state = await self._outbox.replay(delivery.delivery_id)
        if state is None:
            raise _unknown(request)
        if state == "stopped":
            raise EndpointStopped(
                f"The endpoint '{delivery.endpoint}' has said 410 Gone; enable it first:"
                f" POST /webhooks/endpoints/{delivery.endpoint}/enable."
            )
        return reply(_details(await self._look(request)), status=202, headers=_FRESH)

    async def list_endpoints(self, request: web.Request) -> web.Response:
        """Those of the configuration, and the counts of all webhooks."""
        stopped = await self._outbox.stopped()
        waiting = await self._outbox.waiting_for([target_of_endpoint(n) for n in self._endpoints])
        endpoints = [
            _endpoint(name, one, stopped.get(name), number)
            for (name, one), number in zip(self._endpoints.items(), waiting, strict=True)
        ]
        answer = {"endpoints": endpoints, "waiting": await self._outbox.waiting()}
        return reply(answer | {"counts": await self._counts()}, headers=_FRESH)

    async def enable(self, request: web.Request) -> web.Response:
        """Send to an endpoint again that has said 410."""
        name = self._endpoint_of(request)
        return reply({"endpoint": name, "wasStopped": await self._outbox.enable(name)})

    async def ping(self, request: web.Request) -> web.Response:
        """Send an endpoint a webhook that tells of nothing."""
        name = self._endpoint_of(request)
        if name in await self._outbox.stopped():
            raise EndpointStopped(f"The endpoint '{name}' has said 410 Gone; enable it first.")
        delivery_id = f"msg_ping-{new_job_id()}"
        await self._outbox.ping(delivery_id, name, client=client_of(request))
        answer = {"id": delivery_id, "endpoint": name}
        return reply(
            answer, status=202, headers={"Location": f"/webhooks/deliveries/{delivery_id}"}
        )

    async def get_secret(self, request: web.Request) -> web.Response:
        """By what the callbacks of this API key are signed."""
        caller = request[CALLER]
        if not caller.has_key:
            raise ScopeMissing(
                "Only an API key has a secret of its own; where none are set up, the operator"
                " knows the service's: `safelight webhooks secret`."
            )
        return reply({"secrets": list(self._secrets.of_client(caller.name))}, headers=_FRESH)

    async def _counts(self) -> dict[str, int]:
        counts = await self._outbox.counts()
        return {"givenUp" if name == "given_up" else name: n for name, n in counts.items()}

    async def _look(self, request: web.Request) -> Delivery:
        delivery = await self._outbox.look(request.match_info["id"])
        if delivery is None:
            raise _unknown(request)
        return delivery

    def _endpoint_of(self, request: web.Request) -> str:
        name = request.match_info["name"]
        if name not in self._endpoints:
            known = ", ".join(self._endpoints) or "none"
            raise NotFound(f"There is no endpoint '{name[:_QUOTED]}'; known are {known}.")
        return name


def _listed(found: list[Delivery], next_place: Place | None) -> web.Response:
    cursor = None if next_place is None else f"{next_place.at_ms}.{next_place.delivery_id}"
    answer = {"deliveries": [_picture(one) for one in found], "nextCursor": cursor}
    return reply(answer, headers=_FRESH)


def _picture(delivery: Delivery) -> dict[str, Any]:
    last = delivery.history[-1] if delivery.history else None
    is_sending = delivery.begun_ms is not None
    return {
        "id": delivery.delivery_id,
        "type": delivery.event,
        "state": delivery.state.value,
        "jobId": delivery.subject_id or None,
        "client": delivery.client,
        "endpoint": delivery.endpoint,
        "url": delivery.url or None,
        "createdAt": iso(delivery.at_ms),
        "endedAt": iso(delivery.ended_ms),
        "isSending": is_sending,
        "nextAttemptAt": None if is_sending else iso(delivery.due_ms),
        "attempts": delivery.attempts,
        "why": delivery.why or None,
        "lastAttempt": None if last is None else _attempt(last),
    }


def _details(delivery: Delivery) -> dict[str, Any]:
    return _picture(delivery) | {
        "attemptHistory": [_attempt(one) for one in delivery.history],
        "body": orjson.loads(delivery.body) if delivery.body else None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": iso(attempt.at_ms),
        "takenMs": attempt.taken_ms,
        "status": attempt.status,
        "error": attempt.error or None,
        "excerpt": attempt.excerpt or None,
    }


def _endpoint(
    name: str, settings: EndpointSettings, stopped: Stopped | None, waiting: int
) -> dict[str, Any]:
    return {
        "name": name,
        "url": settings.url,
        "events": list(settings.events),
        "waiting": waiting,
        "stoppedAt": None if stopped is None else iso(stopped.since_ms),
    }


def _refuse_unknown(request: web.Request) -> None:
    for name in request.query:
        if name not in _KNOWN:
            known = ", ".join(_KNOWN)
            raise BadRequest(f"There is no field '{name[:_QUOTED]}'; known are {known}.")


def _read(request: web.Request, name: str, read: Callable[[str], T], wanted: str) -> T | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise BadRequest(f"{name}: expected {wanted}; got '{text[:_QUOTED]}'.") from error


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= _MOST:
        raise ValueError(text)
    return int(text)


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise ValueError(text)
    return text


def _place(text: str) -> Place:
    at_ms, _, delivery_id = text.partition(".")
    if not at_ms.isascii() or not at_ms.isdecimal() or len(at_ms) > 15 or not delivery_id:
        raise ValueError(text)
    return Place(int(at_ms), delivery_id)


def _unknown(request: web.Request) -> NotFound:
    quoted = request.match_info["id"][:_QUOTED]
    return NotFound(f"There is no delivery '{quoted}'; it may have been forgotten.")
