"""One webhook as a type: read from Redis in one place, with the attempts to deliver it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

_ENDPOINT = "@"


class DeliveryState(StrEnum):
    """Where a webhook stands. Only what waits is sent."""

    WAITING = "waiting"  # for its first attempt or the next; being sent, too
    DELIVERED = "delivered"  # the receiver said 2xx
    GONE = "gone"  # the receiver said 410, now or before
    GIVEN_UP = "given_up"  # after the last attempt, or to make room


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. at_ms: since 1970 UTC. status: of the answer, None where there was none."""

    at_ms: int
    taken_ms: int | None
    status: int | None
    error: str
    excerpt: str

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Attempt":
        """Read what the scripts keep."""
        return cls(
            at_ms=int(fields["at"]),
            taken_ms=fields.get("ms"),
            status=fields.get("status"),
            error=fields.get("error", ""),
            excerpt=fields.get("excerpt", ""),
        )

    def fields(self) -> dict[str, Any]:
        """What the scripts keep."""
        fields = {
            "at": self.at_ms,
            "ms": self.taken_ms,
            "status": self.status,
            "error": self.error,
            "excerpt": self.excerpt,
        }
        return {name: value for name, value in fields.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook as it stands. Times are milliseconds since 1970 UTC.

    endpoint: its name; None for a callback, whose address is `url`. snapshot: the job or batch at
    the event, until `body` is made of it. due_ms: of the next attempt. why: it was given up.
    """

    delivery_id: str
    event: str
    at_ms: int
    subject_id: str
    client: str
    endpoint: str | None
    url: str
    target: str
    state: DeliveryState
    attempts: int
    token: int
    snapshot: str
    body: str
    history: tuple[Attempt, ...]
    ended_ms: int | None
    begun_ms: int | None
    why: str
    due_ms: int | None = None
    request_id: str = ""
    """Of the request that brought what it tells of, and its trace: see trail/context.py."""
    trace: str = ""
    turn: int | None = None
    """Token of the attempt that led to it, where there was one and it is traced."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, str], *, due_ms: float | None = None) -> "Delivery":
        """Read the fields of the hash."""
        target = fields["target"]
        return cls(
            delivery_id=fields["id"],
            event=fields["type"],
            at_ms=int(fields["at"]),
            subject_id=fields["subject"],
            client=fields["client"],
            endpoint=target.removeprefix(_ENDPOINT) if target.startswith(_ENDPOINT) else None,
            url=fields["url"],
            target=target,
            state=DeliveryState(fields["state"]),
            attempts=int(fields["attempts"]),
            token=int(fields["token"]),
            snapshot=fields.get("snapshot", ""),
            body=fields.get("body", ""),
            history=tuple(map(Attempt.from_fields, orjson.loads(fields.get("history", "[]")))),
            ended_ms=_maybe_int(fields.get("ended")),
            begun_ms=_maybe_int(fields.get("begun")),
            why=fields.get("why", ""),
            due_ms=None if due_ms is None else int(due_ms),
            request_id=fields.get("request", ""),
            trace=fields.get("trace", ""),
            turn=_maybe_int(fields.get("turn")),
        )


def target_of_endpoint(name: str) -> str:
    """The target that stands for an endpoint of the configuration."""
    return f"{_ENDPOINT}{name}"


def _maybe_int(text: str | None) -> int | None:
    return int(text) if text else None
