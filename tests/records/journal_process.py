"""A journal to be killed: `-m tests.records.journal_process REDIS_URL RECORDS_URL FOLDER`."""

import asyncio
import sys
from pathlib import Path

from server.config.recording import RecordSettings
from server.jobs.connection import command_client
from server.ops.journal import Journal
from server.records.database import open_database
from server.records.store import Records


async def write_for_ever(redis_url: str, records_url: str, folder: Path) -> None:
    """Small batches without a pause, so that a kill finds it at any point between two."""
    records = Records(open_database(records_url, folder), query_timeout_s=10)
    settings = RecordSettings(batch=3, flush_s=0)
    async with command_client(redis_url, timeout_s=30) as redis:
        journal = Journal(redis, records, settings, node="killed", timeout_s=5)
        await journal.run()


if __name__ == "__main__":
    asyncio.run(write_for_ever(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
