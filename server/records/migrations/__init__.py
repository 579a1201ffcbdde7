"""One file a change of the tables, oldest first; alembic runs those that are missing."""
