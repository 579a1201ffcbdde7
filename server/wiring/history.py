"""What remembers jobs that have ended: the database, and who carries the journal into it."""

from dataclasses import dataclass

import structlog

from server.ops.journal import Journal
from server.records.database import open_database
from server.records.store import Records, RecordsAway
from server.wiring.ground import Ground

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class History:
    """Records and the journal's reader."""

    records: Records
    journal: Journal


async def open_history(ground: Ground) -> History | None:
    """None where no records are kept, and on a worker, whose ends a node that meets clients writes
    down. A database that is away is waited for, but not at start."""
    settings = ground.settings.records
    if not settings.enabled or not ground.settings.server.meets_clients:
        return None
    engine = open_database(settings.url, ground.data_dir)
    records = Records(engine, query_timeout_s=settings.query_timeout_s)
    ground.closing.push_async_callback(records.close)
    try:
        await records.prepare()
    except RecordsAway as error:
        log.warning("the history's database does not answer", error=str(error))
    journal = Journal(
        ground.redis,
        records,
        settings,
        node=ground.queue.node,
        timeout_s=ground.settings.redis.timeout_s,
        notebook=ground.notebook,
    )
    ground.queue.door.refuse_if_behind = journal.refuse_if_behind
    return History(records, journal)
