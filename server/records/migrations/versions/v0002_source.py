"""An index for the filter by source, the way in."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# As in v0001_jobs.py: what SQLite's planner shall think of the index.
_STATISTICS = {"tbl": "jobs", "idx": "jobs_by_source", "stat": "5000000 600000 150000 5 1"}


def upgrade() -> None:
    """Spelled out, since server/records/table.py goes on to change."""
    op.create_index("jobs_by_source", "jobs", ["source", "status", "created", "id"])
    if op.get_bind().dialect.name == "sqlite":
        table = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
        op.bulk_insert(table, [_STATISTICS])
