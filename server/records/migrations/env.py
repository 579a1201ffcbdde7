"""Run by alembic, inside the transaction that server/records/schema.py has begun and locked."""

from alembic import context

from server.records.table import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
