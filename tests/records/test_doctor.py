"""`safelight doctor` on PostgreSQL: one that works, and the ways in which it is set up wrongly."""

import subprocess
from pathlib import Path

from server.ops.doctor import records
from server.ops.doctor.finding import Finding, State
from server.records.database import open_database
from server.records.schema import HEAD, migrate
from tests.ops.doctor.places import found, settings_for
from tests.records.postgres import Postgres


async def looked(url: str, folder: Path) -> Finding:
    """The one thing that is said."""
    [told] = await found(records.check, settings_for(folder, records={"url": url}), folder)
    return told


def run(postgres: Postgres, url: str, *statements: str) -> None:
    """As its owner."""
    database = url.partition("?")[0].rpartition("/")[2]
    command = [str(postgres.bin / "psql"), "-q", "-h", str(postgres.folder), "-U", "postgres"]
    words = [word for statement in statements for word in ("-c", statement)]
    subprocess.run([*command, "-d", database, *words], check=True)


async def test_a_new_database_and_one_that_is_up_to_date_are_good(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    url = own_postgres.url()
    before = await looked(url, tmp_path)
    engine = open_database(url, tmp_path)
    await migrate(engine)
    await engine.dispose()
    after = await looked(url, tmp_path)

    assert (before.state, after.state) == (State.GOOD, State.GOOD)
    assert "serve makes the tables" in before.says
    assert f"up to date (version {HEAD})" in after.says


async def test_a_database_that_is_not_there_is_named(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    told = await looked(f"postgresql://postgres@/nothing?host={own_postgres.folder}", tmp_path)

    assert told.state is State.WRONG
    assert "createdb" in told.advice


async def test_a_user_who_may_make_no_tables_is_told_how(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    url = own_postgres.url()
    run(own_postgres, url, "CREATE ROLE reader LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")

    told = await looked(url.replace("postgres@", "reader@"), tmp_path)

    assert told.state is State.WRONG
    assert "GRANT CREATE ON SCHEMA public" in told.advice


async def test_a_newer_program_s_database_is_wrong(own_postgres: Postgres, tmp_path: Path) -> None:
    url = own_postgres.url()
    engine = open_database(url, tmp_path)
    await migrate(engine)
    await engine.dispose()
    run(own_postgres, url, "UPDATE alembic_version SET version_num = '9999'")

    told = await looked(url, tmp_path)

    assert told.state is State.WRONG
    assert "start the newer one" in told.advice


async def test_one_that_does_not_run_is_told_and_its_password_is_not(tmp_path: Path) -> None:
    told = await looked("postgresql://me:hidden@127.0.0.1:9/records", tmp_path)

    assert told.state is State.WRONG
    assert "does PostgreSQL run" in told.advice
    assert "hidden" not in told.says
