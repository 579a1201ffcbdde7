"""The tables: made once however many nodes start, and never taken back."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import CreateIndex, DropIndex

from server.records import schema
from server.records.database import RecordsUnfit, open_database
from server.records.schema import migrate
from server.records.table import jobs, metadata


def scripts() -> ScriptDirectory:
    """All changes of the tables."""
    config = Config()
    config.set_main_option("script_location", "server.records:migrations")
    return ScriptDirectory.from_config(config)


def differences(connection: Connection) -> list[object]:
    """What the tables lack, or have too much, beside server/records/table.py."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


def indexes(connection: Connection) -> dict[str, str]:
    """How they were made, by name, from the database itself."""
    table = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        if connection.dialect.name == "sqlite"
        else "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'jobs'"
    )
    found = {str(name): str(how) for name, how in connection.execute(text(table))}
    found.pop("jobs_pkey", None)
    return found


def made_anew(connection: Connection) -> dict[str, str]:
    """The same after they were made by what server/records/table.py says."""
    for index in jobs.indexes:
        connection.execute(DropIndex(index))
        connection.execute(CreateIndex(index))
    return indexes(connection)


def test_the_version_that_is_known_is_that_of_the_newest_change() -> None:
    assert scripts().get_heads() == [schema.HEAD]


async def test_the_changes_make_the_tables_that_the_program_means(engine: AsyncEngine) -> None:
    await migrate(engine)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        found = await connection.run_sync(indexes)
        assert set(found) == {str(one.name) for one in jobs.indexes}
        assert await connection.run_sync(made_anew) == found  # conditions included


async def test_nodes_that_start_at_once_make_the_tables_once(
    database_url: str, tmp_path: Path
) -> None:
    engines = [open_database(database_url, tmp_path) for _ in range(4)]
    await asyncio.gather(*map(migrate, engines))
    async with engines[0].connect() as connection:
        versions = await connection.execute(text("SELECT version_num FROM alembic_version"))
        assert [row[0] for row in versions] == [schema.HEAD]
    for engine in engines:
        await engine.dispose()


async def test_tables_of_a_newer_program_are_refused_and_left_alone(engine: AsyncEngine) -> None:
    await migrate(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(RecordsUnfit, match=rf"version 9999.*knows {schema.HEAD} at most"):
        await migrate(engine)

    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT version_num FROM alembic_version"))
        assert found.scalar() == "9999"


async def test_a_change_that_breaks_off_leaves_nothing_behind(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables and their version are written in one transaction."""
    async with engine.begin() as connection:  # in the way of the second index
        await connection.execute(text("CREATE TABLE jobs_by_client (x INTEGER)"))
    with pytest.raises(Exception, match="jobs_by_client"):
        await migrate(engine)

    async with engine.begin() as connection:
        assert await connection.run_sync(indexes) == {}
        await connection.execute(text("DROP TABLE jobs_by_client"))
    await migrate(engine)


async def test_a_commit_of_sqlite_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    engine = open_database("", tmp_path)
    async with engine.connect() as connection:
        found = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    await engine.dispose()

    assert found == ["wal", 2, 10_000]
