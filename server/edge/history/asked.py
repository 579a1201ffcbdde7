"""The query of GET /jobs, read strictly: what is unknown or wrong is refused, never passed over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from multidict import MultiMapping

from server.jobs.source import Source
from server.records.filters import Filter, Place
from server.records.table import ENDED
from server.refusals import BadRequest, ScopeMissing

MOST = 500
"""Of one page."""

_USUAL = 100
_LONGEST_TEXT = 300
_FLAGS: Mapping[str, bool] = {"true": True, "false": False}
_FILTERS = {
    *("status", "batch", "client", "format", "name", "source", "errorCode", "cached"),
    *("quarantined", "from", "to"),
}
_PAGING = {"limit", "cursor"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request wants."""

    wanted: Filter
    after: Place | None
    most: int


def asked_of(query: "MultiMapping[str]", *, is_page: bool, only_client: str | None) -> Asked:
    """Raises BadRequest. `only_client`: the one whose jobs may be told; None: anybody's."""
    _refuse_unknown(query, _FILTERS | _PAGING if is_page else _FILTERS)
    statuses = query.getall("status", [])
    client = _text(query, "client")
    if only_client is not None and client not in (None, only_client):
        raise ScopeMissing("client: the jobs of others are told to keys with the scope admin.")
    wanted = Filter(
        statuses=_statuses(statuses) if statuses else ENDED,
        batch=_text(query, "batch"),
        client=only_client or client,
        original_format=_text(query, "format"),
        name=_text(query, "name"),
        source=_read(query, "source", _source),
        error_code=_text(query, "errorCode"),
        is_cached=_read(query, "cached", _flag),
        is_quarantined=_read(query, "quarantined", _flag),
        from_ms=_read(query, "from", _moment),
        to_ms=_read(query, "to", _moment),
    )
    most = _read(query, "limit", _limit)
    return Asked(wanted, _read(query, "cursor", _place), _USUAL if most is None else most)


def _refuse_unknown(query: "MultiMapping[str]", known: set[str]) -> None:
    for name in query:
        if name not in known:
            raise BadRequest(
                f"{name[:50]!r} is not known here; known are {', '.join(sorted(known))}."
            )
        if name != "status" and len(query.getall(name)) > 1:
            raise BadRequest(f"{name}: expected one value, got {len(query.getall(name))}.")


def _statuses(values: list[str]) -> tuple[str, ...]:
    found = [part for value in values for part in value.split(",")]
    for status in found:
        if status not in ENDED:
            raise BadRequest(
                f"status: expected {', '.join(ENDED)}, got {status[:50]!r}. How a job stands that"
                " has not ended is told by /status/{id}, /events/{id} and /ws."
            )
    return tuple(dict.fromkeys(found))


def _read(query: "MultiMapping[str]", name: str, read: Callable[[str], T]) -> T | None:
    if name not in query:
        return None
    try:
        return read(query[name])
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name}: {_EXPECTED[name]}, got {query[name][:50]!r}.") from error


def _text(query: "MultiMapping[str]", name: str) -> str | None:
    return _read(query, name, _checked_text)


def _checked_text(value: str) -> str:
    value.encode()  # a surrogate is no text: UnicodeEncodeError is a ValueError
    if not 1 <= len(value) <= _LONGEST_TEXT or "\x00" in value:
        raise ValueError(value)
    return value


def _source(value: str) -> str:
    return Source(value).value


def _flag(value: str) -> bool:
    if value not in _FLAGS:
        raise ValueError(value)
    return _FLAGS[value]


def _limit(value: str) -> int:
    if not value.isascii() or not value.isdecimal() or not 1 <= int(value[:9]) <= MOST:
        raise ValueError(value)
    return int(value)


def _moment(value: str) -> int:
    """Milliseconds since 1970; a moment without an offset is UTC."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _place(value: str) -> Place:
    return Place.of_cursor(value)


_TEXT = f"expected 1 to {_LONGEST_TEXT} characters"
_EXPECTED: Mapping[str, str] = {
    "batch": _TEXT,
    "client": _TEXT,
    "format": _TEXT,
    "name": _TEXT,
    "source": f"expected one of {', '.join(Source)}",
    "errorCode": _TEXT,
    "cached": "expected true or false",
    "quarantined": "expected true or false",
    "from": "expected a moment such as 2026-11-30T12:00:00Z (in a URL + is %2B)",
    "to": "expected a moment such as 2026-11-30T12:00:00Z (in a URL + is %2B)",
    "limit": f"expected 1 to {MOST}",
    "cursor": "expected the nextCursor of an earlier answer",
}
