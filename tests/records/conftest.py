"""Both databases, with the same tests over each."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from server.records.database import open_database
from server.records.schema import migrate
from server.records.store import Records
from tests.edge.conftest import client
from tests.records import postgres
from tests.records.postgres import Postgres

__all__ = ["client"]


@pytest.fixture(scope="session")
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that only this run of the tests uses."""
    binaries = postgres.programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: this test needs initdb and postgres")
    with postgres.running(binaries) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """`records.url` of an empty database of each kind."""
    if request.param == "sqlite":
        return ""
    found: Postgres = request.getfixturevalue("own_postgres")
    return found.url()


@pytest_asyncio.fixture
async def engine(database_url: str, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """Connections to it."""
    opened = open_database(database_url, tmp_path)
    yield opened
    await opened.dispose()


@pytest_asyncio.fixture
async def records(engine: AsyncEngine) -> Records:
    """Its tables, made."""
    made = Records(engine, query_timeout_s=10)
    await made.prepare()
    return made


@pytest_asyncio.fixture
async def sqlite_records(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """A SQLite with the tables."""
    async with _with_tables("", tmp_path) as engine:
        yield engine


@pytest_asyncio.fixture
async def postgres_records(own_postgres: Postgres, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """A PostgreSQL with the tables."""
    async with _with_tables(own_postgres.shared_url(), tmp_path) as engine:
        yield engine


@asynccontextmanager
async def _with_tables(url: str, folder: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_database(url, folder)
    await migrate(engine)
    yield engine
    await engine.dispose()
