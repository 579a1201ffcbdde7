"""The table of jobs and its indexes."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

# SQLite's planner guesses without statistics, and guesses wrong where a client and a time are
# given together. These are those of a large table; being fixed, they make its choice so, too.
# Rows in all, then how many have the same first column, first two ... of the index.
# https://www.sqlite.org/fileformat2.html#the_sqlite_stat1_table
_STATISTICS = {
    "jobs_by_status": "5000000 1250000 10 1",
    "jobs_by_client": "5000000 500000 125000 5 1",
    "jobs_by_batch": "1000000 100 50 2 1",
    "jobs_by_format": "5000000 800000 200000 5 1",
    "jobs_by_name": "5000000 50 20 2 1",
    "jobs_by_error": "250000 20000 10000 2 1",
    "jobs_cached": "500000 150000 2 1",
    "jobs_quarantined": "1000 300 2 1",
}


def upgrade() -> None:
    """Spelled out, since server/records/table.py goes on to change."""
    json = sa.JSON().with_variant(JSONB(), "postgresql")
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("batch", sa.Text),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("original_bytes", sa.BigInteger, nullable=False),
        sa.Column("original_format", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("recipe", json, nullable=False),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("cached", sa.Boolean, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error_detail", sa.Text),
        sa.Column("quarantined", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("history", json, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("started", sa.BigInteger),
        sa.Column("settled", sa.BigInteger),
        sa.Column("expired", sa.BigInteger),
        sa.Column("waited_ms", sa.BigInteger),
        sa.Column("taken_ms", sa.BigInteger),
        sa.Column("timings", json, nullable=False),
        sa.Column("outputs", json, nullable=False),
        sa.Column("bytes_out", sa.BigInteger, nullable=False),
    )
    _index("jobs_by_status", "status")
    _index("jobs_by_client", "client", "status")
    _index("jobs_by_batch", "batch", "status", where="batch IS NOT NULL")
    _index("jobs_by_format", "original_format", "status")
    _index("jobs_by_name", "name", "status")
    _index("jobs_by_error", "error_code", "status", where="error_code IS NOT NULL")
    _index("jobs_cached", "status", where="cached", sqlite_where="cached = 1")
    _index("jobs_quarantined", "status", where="quarantined", sqlite_where="quarantined = 1")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("ANALYZE")  # makes the table that the statistics stand in
        op.bulk_insert(
            sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat")),
            [{"tbl": "jobs", "idx": name, "stat": stat} for name, stat in _STATISTICS.items()],
        )


def _index(
    name: str, *columns: str, where: str | None = None, sqlite_where: str | None = None
) -> None:
    op.create_index(
        name,
        "jobs",
        [*columns, "created", "id"],
        sqlite_where=_condition(sqlite_where or where),
        postgresql_where=_condition(where),
    )


def _condition(where: str | None) -> Any:
    return None if where is None else sa.text(where)
