"""Brings the tables to the version that this program knows, under a lock; never back."""

import logging
from contextlib import suppress
from typing import Any

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from server.records.database import RecordsUnfit

log = structlog.get_logger(__name__)

HEAD = "0003"
"""The newest file in migrations/versions; a test compares the two."""

_SCRIPTS = "server.records:migrations"
_LOCK = 0x5AFE_1167  # of pg_advisory_xact_lock, for all of this service's changes to tables


async def migrate(engine: AsyncEngine) -> bool:
    """Make the tables, or change those of an older version; False: they are as they should be.

    Several nodes may ask at once.

    Raises RecordsUnfit when a newer version of the program has made them.
    """
    async with engine.connect() as connection:
        if await connection.run_sync(_version) == HEAD:
            return False  # without loading the library that changes tables
    async with engine.connect() as connection:
        await connection.run_sync(_upgrade)
        await connection.commit()
    return True


def _version(connection: Connection) -> str | None:
    """What the tables are at; None where there are none."""
    with suppress(DBAPIError):  # no such table; whatever else it is, the next question meets it
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    connection.rollback()
    return None


def _upgrade(connection: Connection) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells the log of every step
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    _lock(connection)
    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.attributes["connection"] = connection
    found = _locked_version(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise RecordsUnfit(
            f"records: a newer Safelight has changed the database to version {found}, and this one"
            f" knows {HEAD} at most. Start the newer one, or name another database in records.url."
        )
    if found != HEAD:
        log.info("changing the tables of the records", found=found, wanted=HEAD)
        command.upgrade(config, "head")


def _lock(connection: Connection) -> None:
    """Until the transaction ends; whoever comes second waits, and finds the work done."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _locked_version(connection: Connection) -> str | None:
    from alembic.runtime.migration import MigrationContext

    options: dict[str, Any] = {"transactional_ddl": True}
    return MigrationContext.configure(connection, opts=options).get_current_revision()
