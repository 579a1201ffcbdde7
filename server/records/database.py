"""Where the records lie: SQLite in the data folder, or PostgreSQL by its URL."""

import sqlite3
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

RECORDS_FILE = "records.sqlite3"
_CONNECTIONS = 4  # one writes, the others answer questions
_BUSY_MS = 10_000
_CONNECT_S = 5.0  # also: to wait for one of ours that others use
_ANSWER_S = 60.0  # of PostgreSQL, for anything at all; questions have records.query_timeout_s

# A commit must be on the disk before the entry leaves the journal: FULL, since NORMAL may forget
# the last commits of a write-ahead log when the power fails. It costs one fsync a batch.
# https://www.sqlite.org/pragma.html#pragma_synchronous
_PRAGMAS = (
    f"PRAGMA busy_timeout = {_BUSY_MS}",  # first: the next one waits for it, too
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -1024",  # KiB of each connection
    "PRAGMA journal_size_limit = 67108864",
)


_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class RecordsUnfit(Exception):
    """The records cannot be kept as the settings ask; the message says what to change."""


def open_database(url: str, data_dir: Path, *, answer_s: float = _ANSWER_S) -> AsyncEngine:
    """The engine; it connects when it is first used. Raises RecordsUnfit.

    answer_s: the longest that PostgreSQL may take for anything.
    """
    if not url:
        return _sqlite(data_dir / RECORDS_FILE)
    parsed = _parsed(url)
    try:
        return _postgres(parsed, answer_s)
    except ModuleNotFoundError as error:
        raise RecordsUnfit(
            "records.url: PostgreSQL needs the package asyncpg;"
            " install it with: pip install 'safelight[postgres]'"
        ) from error


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise RecordsUnfit("records.url: expected postgresql://user@host/name, or nothing") from (
            error
        )
    if parsed.drivername not in ("postgresql", "postgres", "postgresql+asyncpg"):
        raise RecordsUnfit(
            f"records.url: expected postgresql://user@host/name, got {parsed.drivername}://…"
        )
    return parsed.set(drivername="postgresql+asyncpg")


def _sqlite(path: Path) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)), **_pool(), **_json()
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    return engine


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that its file is none, or contradicts itself.

    By the primary code; https://www.sqlite.org/rescode.html.
    """
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def _postgres(url: URL, answer_s: float) -> AsyncEngine:
    return create_async_engine(
        url,
        **_pool(),
        pool_pre_ping=True,  # a restart of PostgreSQL costs no question its answer
        connect_args={
            "timeout": _CONNECT_S,
            "command_timeout": answer_s,
            "server_settings": {"application_name": "safelight"},
        },
        **_json(),
    )


def _pool() -> dict[str, Any]:
    return {"pool_size": _CONNECTIONS, "max_overflow": 0, "pool_timeout": _CONNECT_S}


def _json() -> dict[str, Any]:
    return {
        "json_serializer": lambda value: orjson.dumps(value).decode(),
        "json_deserializer": orjson.loads,
    }


def _prepare(connection: Any, _record: Any) -> None:
    """`connection` is SQLAlchemy's synchronous face of aiosqlite, which has no type of its own."""
    cursor = connection.cursor()
    try:
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
    except sqlite3.Error:  # the pool knows nothing of it yet, and would leave it and its thread
        connection.close()
        raise
    cursor.close()
