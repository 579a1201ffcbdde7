"""What may be asked of the records, and the query that one index answers."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, tuple_, union_all
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CompoundSelect

from server.records.table import ENDED, jobs

_CURSOR = re.compile(r"1:(\d{1,15}):([a-z0-9-]{1,64})")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are wanted: those that every given field fits. Times in milliseconds UTC."""

    statuses: tuple[str, ...] = ENDED
    batch: str | None = None
    client: str | None = None
    original_format: str | None = None
    name: str | None = None
    source: str | None = None
    error_code: str | None = None
    is_cached: bool | None = None
    is_quarantined: bool | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    """The first moment that is no longer wanted."""


@dataclass(frozen=True, slots=True)
class Place:
    """Between two records, after the one that is named here."""

    created_ms: int
    job_id: str

    def cursor(self) -> str:
        """As a client gets it: to be sent back, not to be understood."""
        return urlsafe_b64encode(f"1:{self.created_ms}:{self.job_id}".encode()).decode().rstrip("=")

    @classmethod
    def of_cursor(cls, cursor: str) -> "Place":
        """Raises ValueError for what `cursor` cannot have made."""
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            found = _CURSOR.fullmatch(urlsafe_b64decode(padded).decode("ascii"))
        except (UnicodeError, binascii.Error) as error:
            raise ValueError("not a cursor") from error
        if found is None:
            raise ValueError("not a cursor")
        place = cls(int(found[1]), found[2])
        if place.cursor() != cursor:
            raise ValueError("not a cursor")
        return place


def page_query(wanted: Filter, after: Place | None, most: int) -> CompoundSelect[Any]:
    """The `most` newest records that fit and come after `after`, newest first.

    One branch a status, each read off an index in order and cut short; so no question about many
    statuses sorts more than a few pages. https://use-the-index-luke.com/no-offset
    """
    branches = [_branch(wanted, status, after, most) for status in dict.fromkeys(wanted.statuses)]
    parts = [select(branch.subquery()) for branch in branches]
    union = union_all(*parts)
    columns = union.selected_columns
    return union.order_by(columns.created.desc(), columns.id.desc()).limit(most)


def _branch(wanted: Filter, status: str, after: Place | None, most: int) -> Select[Any]:
    conditions = [jobs.c.status == status, *_conditions(wanted), *_times(wanted, after)]
    return (
        select(jobs)
        .where(*conditions)
        .order_by(jobs.c.created.desc(), jobs.c.id.desc())
        .limit(most)
    )


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    equal = {
        jobs.c.batch: wanted.batch,
        jobs.c.client: wanted.client,
        jobs.c.original_format: wanted.original_format,
        jobs.c.name: wanted.name,
        jobs.c.source: wanted.source,
        jobs.c.error_code: wanted.error_code,
    }
    found = [column == value for column, value in equal.items() if value is not None]
    flags = {jobs.c.cached: wanted.is_cached, jobs.c.quarantined: wanted.is_quarantined}
    for flag, value in flags.items():
        if value is not None:
            found.append(flag if value else ~flag)
    return found


def _times(wanted: Filter, after: Place | None) -> Iterator[ColumnElement[bool]]:
    """One bound from below and one from above: of two, an index could use either."""
    if wanted.from_ms is not None:
        yield jobs.c.created >= wanted.from_ms
    is_before = wanted.to_ms is None or after is None or after.created_ms < wanted.to_ms
    if after is not None and is_before:
        yield tuple_(jobs.c.created, jobs.c.id) < (after.created_ms, after.job_id)
    elif wanted.to_ms is not None:
        yield jobs.c.created < wanted.to_ms
