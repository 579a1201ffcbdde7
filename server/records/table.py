"""The table of records as the newest migration leaves it, with what each column means.

Every index begins with what is asked for by equality and ends with (created, id), the order in
which rows are told: a page of any filter is read off one index without sorting.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

# How a job can end. A failed one that is tried again stands as `queued`, which nobody is told,
# until it ends anew: its revision must not be forgotten, or a late double would bring it back.
ENDED = ("completed", "failed", "cancelled")
TRIED_AGAIN = "queued"

metadata = MetaData()
_Json = JSON().with_variant(JSONB(), "postgresql")

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),  # the job's own; a lower one changes nothing
    Column("status", Text, nullable=False),  # how it ended, also after its files are gone
    Column("batch", Text),
    Column("client", Text, nullable=False),
    Column("source", Text, nullable=False),  # server/jobs/source.py
    Column("name", Text, nullable=False),
    Column("original_bytes", BigInteger, nullable=False),
    Column("original_format", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 of the original
    Column("recipe", _Json, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("cached", Boolean, nullable=False),  # completed from an earlier job's result
    Column("error_code", Text),
    Column("error_detail", Text),
    Column("quarantined", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("history", _Json, nullable=False),  # what earlier attempts ended with
    Column("created", BigInteger, nullable=False),  # this and below: milliseconds since 1970 UTC
    Column("started", BigInteger),
    Column("settled", BigInteger),
    Column("expired", BigInteger),  # since when its files are gone
    Column("waited_ms", BigInteger),  # created to started
    Column("taken_ms", BigInteger),  # started to settled
    Column("timings", _Json, nullable=False),  # milliseconds by stage
    Column("outputs", _Json, nullable=False),  # name, key, format, width, height, bytes of each
    Column("bytes_out", BigInteger, nullable=False),
    Column("source_image", Text),  # the picture that it is made of, where it is one
)


def _index(name: str, *first: str, where: str | None = None) -> Index:
    """`where` as PostgreSQL spells it; SQLite has no booleans, and asks for 1 in its questions."""
    columns = [jobs.c[column] for column in (*first, "created", "id")]
    condition = None if where is None else text(where)
    is_flag = where is not None and where in jobs.c
    sqlite_condition = text(f"{where} = 1") if is_flag else condition
    return Index(name, *columns, sqlite_where=sqlite_condition, postgresql_where=condition)


_index("jobs_by_status", "status")
_index("jobs_by_client", "client", "status")
_index("jobs_by_batch", "batch", "status", where="batch IS NOT NULL")
_index("jobs_by_format", "original_format", "status")
_index("jobs_by_name", "name", "status")
_index("jobs_by_source", "source", "status")
_index("jobs_by_error", "error_code", "status", where="error_code IS NOT NULL")
_index("jobs_cached", "status", where="cached")
_index("jobs_quarantined", "status", where="quarantined")
