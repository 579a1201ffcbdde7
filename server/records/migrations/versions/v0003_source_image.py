"""Of which picture a job is made, where its bytes came from one that was here."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Spelled out, since server/records/table.py goes on to change."""
    op.add_column("jobs", sa.Column("source_image", sa.Text))
