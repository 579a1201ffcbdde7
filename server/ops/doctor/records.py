"""The history's database: reachable, of a version that this program knows. Nothing is changed."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from server.ops.doctor.finding import Finding, Surroundings, good, size, skipped, wrong
from server.records.database import RECORDS_FILE, RecordsUnfit, open_database
from server.records.schema import HEAD

_ANSWER_S = 10.0
_LARGEST_CHECKED = 256 * 1024 * 1024  # a whole look at more would take too long

_MEANINGS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("password", "authentication"), "user or password in records.url is not right"),
    (
        ("does not exist",),
        "createdb makes the database, createuser the user; or change records.url",
    ),
    (("refused", "no such file", "connect call failed"), "does PostgreSQL run, and listen there?"),
    (("name or service", "name resolution", "getaddrinfo"), "no machine has this name"),
    (("timeout", "timed out"), "a firewall between, or it is overloaded"),
    (("too many",), "raise max_connections of PostgreSQL: each node takes up to four"),
    (("ssl", "certificate"), "its TLS is not what records.url asks for (?ssl=…)"),
)


async def check(here: Surroundings) -> AsyncIterator[Finding]:
    """SQLite or PostgreSQL."""
    settings = here.settings.records
    if not settings.enabled:
        yield skipped("records.enabled is false: there is no history")
    elif not settings.url:
        yield await asyncio.to_thread(_sqlite, here.data_dir / RECORDS_FILE)
    else:
        async for finding in _postgres(settings.url, here.data_dir):
            yield finding


def _sqlite(path: Path) -> Finding:
    if not path.exists():
        return good("the history is a SQLite file in the data folder; serve makes it")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            version = _version_of(connection)
            is_small = path.stat().st_size <= _LARGEST_CHECKED
            verdict = "ok"
            if is_small:
                verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except (sqlite3.Error, OSError) as error:
        return wrong(
            f"{path} cannot be read: {error}",
            "put it aside and serve makes a new one: the history is lost, pictures are not",
        )
    if verdict != "ok":
        return wrong(
            f"{path} is damaged: {verdict}",
            "`sqlite3 old .recover | sqlite3 new` saves what can be; pictures are not concerned",
        )
    return _of_version(f"SQLite, {size(path.stat().st_size)}", version)


def _version_of(connection: sqlite3.Connection) -> str | None:
    try:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return None if found is None else str(found[0])


async def _postgres(url: str, data_dir: Path) -> AsyncIterator[Finding]:
    try:
        engine = open_database(url, data_dir, answer_s=_ANSWER_S)
    except RecordsUnfit as error:
        yield wrong(str(error), "see docs/records.md")
        return
    try:
        async with asyncio.timeout(_ANSWER_S), engine.connect() as connection:
            server = (await connection.execute(text("SHOW server_version"))).scalar()
            may_create = (
                await connection.execute(
                    text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
                )
            ).scalar()
            has_table = (
                await connection.execute(text("SELECT to_regclass('alembic_version')"))
            ).scalar()
            version = None
            if has_table is not None:
                found = await connection.execute(text("SELECT version_num FROM alembic_version"))
                version = found.scalar()
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        yield _silent(url, error)
        return
    finally:
        await engine.dispose()
    finding = _of_version(f"PostgreSQL {server}", version)
    if version != HEAD and not may_create:
        yield wrong(
            f"PostgreSQL {server}: this user may not make the tables",
            "GRANT CREATE ON SCHEMA public TO the user of records.url, or let serve run once as"
            " the owner",
        )
        return
    yield finding


def _of_version(what: str, version: str | None) -> Finding:
    if version is None:
        return good(f"{what}: it answers; serve makes the tables")
    if version > HEAD:
        return wrong(
            f"{what}: a newer Safelight has changed it to version {version}, this one knows {HEAD}",
            "start the newer one, or name another database in records.url",
        )
    if version < HEAD:
        return good(f"{what}: it answers; serve brings it from version {version} to {HEAD}")
    return good(f"{what}: it answers, its tables are up to date (version {HEAD})")


def _silent(url: str, error: Exception) -> Finding:
    told = error.orig if isinstance(error, DBAPIError) else error
    says = f"{told or type(error).__name__}".splitlines()[0][:300]
    lower = f"{type(told).__name__} {told}".lower()
    for words, meaning in _MEANINGS:
        if any(word in lower for word in words):
            return wrong(f"{_place(url)}: {says}", meaning)
    return wrong(f"{_place(url)}: {says}", "try psql with the same address")


def _place(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
