"""Job and batch as types: read from Redis in one place, shown to the public in one place."""

import secrets
from base64 import b32encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson
import structlog

from pool import Look
from server.jobs.source import Source

log = structlog.get_logger(__name__)

BATCH_PREFIX = "batch-"
_SHOWN = 60  # characters of what cannot be read: the id is among the first


class Unreadable(ValueError):
    """Redis holds or told something that is no job or batch, or one of another version."""


class JobState(StrEnum):
    """Where a job stands; MOVES says where it may go from there."""

    QUEUED = "queued"  # stored and in a waiting list; nobody holds it
    PROCESSING = "processing"  # a lane holds its lease
    COMPLETED = "completed"  # its variants are in storage until it expires
    FAILED = "failed"  # error_code says why; there is no result
    CANCELLED = "cancelled"  # somebody asked to stop it
    EXPIRED = "expired"  # its files are gone


MOVES: dict[JobState, tuple[JobState, ...]] = {
    # To completed: by a result that another job has made meanwhile.
    JobState.QUEUED: (JobState.PROCESSING, JobState.COMPLETED, JobState.CANCELLED),
    JobState.PROCESSING: (
        JobState.QUEUED,
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.CANCELLED,
    ),
    JobState.COMPLETED: (JobState.EXPIRED,),
    JobState.FAILED: (JobState.QUEUED, JobState.EXPIRED),
    JobState.CANCELLED: (JobState.EXPIRED,),
    JobState.EXPIRED: (),
}

SETTLED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED})


def new_job_id() -> str:
    """120 random bits in 24 characters that are safe in paths, URLs and shells."""
    return b32encode(secrets.token_bytes(15)).decode().lower()


def new_batch_id() -> str:
    """Like a job's id, told apart by its first letters."""
    return BATCH_PREFIX + new_job_id()


def is_batch_id(some_id: str) -> bool:
    """Whether an id that a client sent names a batch."""
    return some_id.startswith(BATCH_PREFIX)


@dataclass(frozen=True, slots=True)
class Variant:
    """One output file of a completed job, as it stands in storage."""

    name: str
    key: str
    format: str
    width: int
    height: int
    bytes: int
    digest: str
    frames: int = 1
    quality: int | None = None  # where it was sought


@dataclass(frozen=True, slots=True)
class Job:
    """What Redis knows of one job. Times are milliseconds since 1970 UTC, sizes bytes.

    dedup: digest of the result, "" for one that shares nothing. is_cached: it was completed by what
    was there already. leader_id: the job that does the work for it, too; maker_id: the one that
    made its files. source_url, source_image_id: where its picture comes from, if nobody sent it;
    until it is here, size and format are 0 and "".
    """

    job_id: str
    status: JobState
    revision: int
    name: str
    batch_id: str | None
    client: str
    queue_class: str
    recipe: str
    original_key: str
    original_bytes: int
    original_format: str
    width: int
    height: int
    cost_bytes: int
    digest: str
    created_ms: int
    started_ms: int | None
    settled_ms: int | None
    attempts: int
    losses: int
    token: int
    entry: str
    stage: str | None
    progress: int
    position: int | None
    eta_ms: int | None
    error_code: str | None
    error_detail: str | None
    variants: tuple[Variant, ...]
    look: Look | None
    engines: dict[str, str]
    """What did the steps that a network can do: ai or classic, by step."""
    timings_ms: dict[str, float]
    history: tuple[str, ...]
    is_quarantined: bool
    dedup: str = ""
    private: bool = False
    is_cached: bool = False
    expires_in_s: int | None = None
    leader_id: str | None = None
    maker_id: str | None = None
    source_url: str | None = None
    source_image_id: str | None = None
    source: str = Source.UPLOAD
    """By which way its picture came in."""
    picture_id: str | None = None
    """The picture that it belongs to: made of it when first asked for, gone when it goes."""
    came: str = ""
    """When its picture came in, the last attempt's times, those before it: see way.py."""
    work: str = ""
    tries: tuple[tuple[Any, ...], ...] = ()
    ticks: str = ""
    """The tenths of a millisecond of created (or arrived), started and settled."""
    asked_ms: float | None = None
    arrived_ms: int | None = None
    """When a fetched picture was let in."""
    request_id: str = ""
    """Of the request that brought it, and the trace it belongs to: see trail/context.py."""
    trace: str = ""

    @classmethod
    def from_json(cls, text: str | bytes) -> "Job":
        """Read what the scripts tell: the hash as a flat JSON object of strings.

        Raises Unreadable.
        """
        with _read_strictly(text):
            return cls.from_fields(orjson.loads(text))

    @classmethod
    def from_fields(cls, fields: dict[str, str]) -> "Job":
        """Read the fields of a job's hash."""
        return cls(
            job_id=fields["id"],
            status=JobState(fields["status"]),
            revision=int(fields["revision"]),
            name=fields["name"],
            batch_id=fields.get("batch"),
            client=fields["client"],
            queue_class=fields["class"],
            recipe=fields.get("recipe", ""),
            original_key=fields["original_key"],
            original_bytes=int(fields.get("original_bytes", 0)),
            original_format=fields.get("original_format", ""),
            width=int(fields.get("width", 0)),
            height=int(fields.get("height", 0)),
            cost_bytes=int(fields.get("cost", 0)),
            digest=fields.get("digest", ""),
            created_ms=int(fields["created"]),
            started_ms=_maybe_int(fields.get("started")),
            settled_ms=_maybe_int(fields.get("settled")),
            attempts=int(fields.get("attempts", 0)),
            losses=int(fields.get("losses", 0)),
            token=int(fields.get("token", 0)),
            entry=fields.get("entry", ""),
            stage=fields.get("stage") or None,
            progress=int(fields.get("progress", 0)),
            position=_maybe_int(fields.get("position")),
            eta_ms=_eta_ms(fields),
            error_code=fields.get("error_code") or None,
            error_detail=fields.get("error_detail") or None,
            variants=tuple(Variant(**one) for one in _listed(fields, "variants")),
            engines=_mapped(fields, "engines"),
            look=Look(**orjson.loads(fields["look"])) if "look" in fields else None,
            timings_ms=_mapped(fields, "timings"),
            history=tuple(_listed(fields, "history")),
            is_quarantined="dead" in fields,
            dedup=fields.get("dedup", ""),
            private="private" in fields,
            is_cached="cached" in fields,
            expires_in_s=int(fields["expires"]) // 1000 if "expires" in fields else None,
            leader_id=fields.get("leader") or None,
            maker_id=fields.get("maker") or None,
            source_url=fields.get("url"),
            source_image_id=fields.get("image"),
            source=fields.get("source", Source.UPLOAD),
            picture_id=fields.get("of"),
            came=fields.get("came", ""),
            work=fields.get("work", ""),
            ticks=fields.get("ticks", ""),
            tries=tuple(tuple(one) for one in _listed(fields, "tries")),
            asked_ms=float(fields["asked"]) if "asked" in fields else None,
            arrived_ms=_maybe_int(fields.get("arrived")),
            request_id=fields.get("request", ""),
            trace=fields.get("trace", ""),
        )

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will happen to it but its expiry."""
        return self.status in SETTLED


@dataclass(frozen=True, slots=True)
class Batch:
    """What Redis knows of a batch: its jobs' number in each state."""

    batch_id: str
    revision: int
    total: int
    counts: dict[str, int]
    created_ms: int
    is_open: bool = False
    """More jobs may come: its list is still being read."""
    client: str = ""

    @classmethod
    def from_json(cls, text: str | bytes) -> "Batch":
        """Read what the scripts tell of a batch. Raises Unreadable."""
        with _read_strictly(text):
            fields: dict[str, Any] = orjson.loads(text)
            return cls(
                batch_id=fields["id"],
                revision=int(fields["revision"]),
                total=int(fields["total"]),
                counts={state.value: int(fields.get(state.value, 0)) for state in JobState},
                created_ms=int(fields["created"]),
                is_open="open" in fields,
                client=fields.get("client", ""),
            )

    @property
    def settled(self) -> int:
        """How many of its jobs have ended."""
        return sum(self.counts[state] for state in SETTLED)

    @property
    def is_settled(self) -> bool:
        """Whether all of its jobs have ended, and no more can come."""
        return not self.is_open and self.settled >= self.total


@contextmanager
def _read_strictly(text: str | bytes) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        shown = text[:_SHOWN] if isinstance(text, str) else text[:_SHOWN].decode(errors="replace")
        raise Unreadable(f"{type(error).__name__}: {error}, in {shown!r}") from error


def iso(milliseconds: int | None) -> str | None:
    """Milliseconds since 1970 as ISO 8601 UTC."""
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _listed(fields: dict[str, str], name: str) -> list[Any]:
    """Any: JSON. Most jobs have none of it, and are read several times."""
    text = fields.get(name)
    return orjson.loads(text) if text is not None else []


def _mapped(fields: dict[str, str], name: str) -> dict[str, Any]:
    text = fields.get(name)
    return orjson.loads(text) if text is not None else {}


def _eta_ms(fields: dict[str, str]) -> int | None:
    """Until it is done, while it waits: by the mean time of all jobs, and what networks add to it.

    Jobs for networks have a line of their own, in which those ahead are believed to be like it.
    """
    eta_ms = _maybe_int(fields.get("eta"))
    if eta_ms is None or "network_ms" not in fields:
        return eta_ms
    ahead = int(fields.get("position", 1)) - 1
    return eta_ms + int(fields["network_ms"]) + ahead * int(fields["network_turn_ms"])


def _maybe_int(text: str | None) -> int | None:
    return int(text) if text not in (None, "") else None
