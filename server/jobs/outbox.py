"""Webhooks in Redis: born by the script that ends a job or batch, claimed, sent, and kept a while.

What is sent, and over what, is not known here; targets are a host, or @ and an endpoint's name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from redis.asyncio import Redis

from server.config.webhooks import WebhookSettings
from server.jobs import names
from server.jobs.delivery import Attempt, Delivery, DeliveryState
from server.jobs.scripts import Scripts

_LOOKED_AT = 1000  # deliveries that one question may look at
_ATTEMPTS_KEPT = 20
_USUAL = WebhookSettings()


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim brought, when there may be more (None: nothing waits), and whether now."""

    deliveries: list[Delivery]
    next_s: float | None
    has_more: bool


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some deliveries, the newest first, and the place after which the next page begins."""

    deliveries: list[Delivery]
    next_place: "Place | None"


@dataclass(frozen=True, slots=True)
class Place:
    """A delivery in the order of events; at_ms finds where it stood when it is gone."""

    at_ms: int
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Since when an endpoint is sent nothing (ms since 1970), and the digest of the URL it had."""

    since_ms: int
    url_digest: str


@dataclass(frozen=True, slots=True)
class OutboxRules:
    """What the scripts know of webhooks: the endpoints of each event, and the bounds."""

    subscribers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=lambda: _numbers(_USUAL))

    @classmethod
    def of(cls, settings: WebhookSettings) -> "OutboxRules":
        """As they are configured."""
        subscribers: dict[str, list[str]] = {}
        for name, endpoint in settings.endpoints.items():
            for event in dict.fromkeys(endpoint.events):
                subscribers.setdefault(event, []).append(name)
        return cls(subscribers, _numbers(settings))


class Outbox:
    """Webhooks of all nodes.

    `clock` tells the milliseconds since 1970 to go by; None: Redis' own clock, which is one for all
    nodes.
    """

    def __init__(
        self, redis: Redis, scripts: Scripts, *, clock: Callable[[], int] | None = None
    ) -> None:
        self._redis = redis
        self._scripts = scripts
        self._clock = clock

    async def claim(
        self,
        wanted: int,
        *,
        lease_s: float,
        attempts_most: int,
        room: int,
        rooms: Mapping[str, int],
    ) -> Claimed:
        """Take up to `wanted` that are due, `room` of a target at most, or as `rooms` has it."""
        next_ms, has_more, *texts = await self._scripts.deliveries_claim(
            args=[
                *(self._now(), wanted, int(lease_s * 1000), attempts_most, room),
                orjson.dumps(dict(rooms)),
            ]
        )
        return Claimed(
            [Delivery.from_fields(orjson.loads(text)) for text in texts],
            None if int(next_ms) < 0 else int(next_ms) / 1000,
            bool(has_more),
        )

    async def fix_body(self, delivery: Delivery, body: str) -> str | None:
        """Keep the body for all attempts; returns the one that stands, None: no longer ours."""
        fixed = await self._scripts.delivery_fix(args=[delivery.delivery_id, delivery.token, body])
        return None if fixed is None else str(fixed)

    async def end(
        self,
        delivery: Delivery,
        state: DeliveryState,
        attempt: Attempt,
        *,
        wait_s: float = 0,
        pause_s: float = 0,
        url_digest: str = "",
    ) -> bool:
        """An attempt is over. False: the delivery was no longer ours.

        wait_s: until the next one, of what waits on. pause_s: its endpoint wants nothing before.
        """
        return bool(
            await self._scripts.delivery_end(
                args=[
                    *(self._now(), delivery.delivery_id, delivery.token, state.value),
                    orjson.dumps(attempt.fields()),
                    *(round(wait_s * 1000), round(pause_s * 1000), url_digest),
                ]
            )
        )

    async def give_back(self, delivery: Delivery) -> None:
        """What was not sent after all is anybody's at once."""
        await self._scripts.delivery_end(
            args=[self._now(), delivery.delivery_id, delivery.token, "back", "{}", 0, 0, ""]
        )

    async def replay(self, delivery_id: str) -> str | None:
        """Send it again: 'waiting', 'sending' (it is just now), 'stopped', None: unknown."""
        state = await self._scripts.delivery_replay(args=[self._now(), delivery_id])
        return None if state is None else str(state)

    async def ping(self, delivery_id: str, endpoint: str, *, client: str) -> None:
        """A webhook of the type webhook.ping for an endpoint."""
        await self._scripts.delivery_ping(args=[delivery_id, endpoint, client])

    async def look(self, delivery_id: str) -> Delivery | None:
        """One delivery."""
        return (await self._look_all([delivery_id]))[0]

    async def page(
        self,
        *,
        state: DeliveryState | None,
        target: str | None,
        after: Place | None,
        most: int,
    ) -> DeliveryPage:
        """The newest first. Of one target 1,000 are looked at: a page may be short, with a next."""
        key = names.DELIVERIES if state is None else names.deliveries_in(state)
        span = most if target is None else _LOOKED_AT
        first = 0 if after is None else await self._rank_behind(key, after)
        pairs: Any = await self._redis.zrange(
            key, first, first + span - 1, desc=True, withscores=True
        )
        places = [Place(int(float(score)), str(one)) for one, score in pairs]
        found: list[Delivery] = []
        looked = await self._look_all([one.delivery_id for one in places])
        for place, delivery in zip(places, looked, strict=True):
            if delivery is not None and target in (None, delivery.target):
                found.append(delivery)
                if len(found) == most:
                    return DeliveryPage(found, place)
        return DeliveryPage(found, places[-1] if len(places) == span else None)

    async def _rank_behind(self, key: str, place: Place) -> int:
        """What came meanwhile moves all ranks, but not the delivery's own place among them."""
        rank: Any = await self._redis.zrevrank(key, place.delivery_id)
        if rank is not None:
            return int(rank) + 1
        return int(await self._redis.zcount(key, f"({place.at_ms}", "+inf"))

    async def of_subject(self, subject_id: str, *, most: int) -> list[Delivery]:
        """The deliveries that tell of one job or batch, in the order of their events."""
        ids = await self._redis.zrange(
            names.DELIVERY_IDS,
            f"[msg_{subject_id}_",
            f"(msg_{subject_id}`",  # the character behind the underscore
            bylex=True,
            offset=0,
            num=most,
        )
        found = await self._look_all([str(one) for one in ids])
        return sorted((one for one in found if one is not None), key=lambda one: one.at_ms)

    async def waiting(self) -> int:
        """How many are on their way."""
        return int(await self._redis.zcard(names.deliveries_in(DeliveryState.WAITING)))

    async def waiting_for(self, targets: Sequence[str]) -> list[int]:
        """The same by target."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for target in targets:
                pipeline.zcard(names.due(target))
            return [int(one) for one in await pipeline.execute()]

    async def stopped(self) -> dict[str, Stopped]:
        """The endpoints that have said 410, and since when."""
        found: Any = await self._redis.hgetall(names.DELIVERIES_STOPPED)
        return {
            str(name): Stopped(int(value.split()[0]), value.partition(" ")[2])
            for name, value in found.items()
        }

    async def enable(self, endpoint: str) -> bool:
        """Send to an endpoint again; False: it was not stopped."""
        return bool(await self._redis.hdel(names.DELIVERIES_STOPPED, endpoint))

    async def counts(self) -> dict[str, int]:
        """Since the beginning: born, delivered, retried, given_up, gone, overflowed, replayed."""
        found: Any = await self._redis.hgetall(names.DELIVERY_COUNTS)
        usual = dict.fromkeys(COUNTS, 0)
        return usual | {str(name): int(value) for name, value in found.items()}

    async def _look_all(self, ids: Sequence[str]) -> list[Delivery | None]:
        if not ids:
            return []
        async with self._redis.pipeline(transaction=False) as pipeline:
            for one in ids:
                pipeline.hgetall(names.delivery(one))
            found: Any = await pipeline.execute()
            waiting = [fields for fields in found if fields and fields["state"] == "waiting"]
            for fields in waiting:
                pipeline.zscore(names.due(fields["target"]), fields["id"])
            scores: Any = await pipeline.execute() if waiting else []
        due = {fields["id"]: score for fields, score in zip(waiting, scores, strict=True)}
        return [
            Delivery.from_fields(fields, due_ms=due.get(fields["id"])) if fields else None
            for fields in found
        ]

    def _now(self) -> int | str:
        return "" if self._clock is None else self._clock()


COUNTS = ("born", "delivered", "retried", "given_up", "gone", "overflowed", "replayed")


def _numbers(settings: WebhookSettings) -> dict[str, int]:
    return {
        "WAITING_MOST": settings.max_waiting,
        "TARGET_MOST": settings.max_waiting_target,
        "KEEP_DELIVERY_MS": settings.keep_s * 1000,
        "KEPT_MOST": settings.max_kept,
        "ATTEMPTS_KEPT": _ATTEMPTS_KEPT,
    }
