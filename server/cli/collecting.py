"""What `safelight gc` does: look for what nobody needs, list it, remove it."""

import asyncio

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from server.config import Settings
from server.jobs.connection import command_client
from server.jobs.queue import JobQueue
from server.ops.garbage import Garbage, find_garbage
from server.ops.janitor import Janitor
from server.ops.valkey import EmbeddedValkey
from server.storage.opening import open_storage

_NODE = "gc"
_MOST_SHOWN = 1000


def collect(settings: Settings, *, removes: bool) -> None:
    """Show what would be removed, or remove it. Raises RedisError or OSError."""
    garbage = asyncio.run(_collect(settings, removes=removes))
    _show(garbage, verb="removed" if removes else "would be removed")


async def _collect(settings: Settings, *, removes: bool) -> list[Garbage]:
    data_dir = settings.server.data_dir.resolve()
    url = settings.redis.url or EmbeddedValkey(data_dir).url
    incoming = data_dir / "spool" / "incoming"

    def coming_in() -> list[str]:
        return [path.name for path in incoming.iterdir()] if incoming.is_dir() else []

    async with command_client(url, timeout_s=settings.redis.timeout_s) as redis:
        images = settings.images
        queue = JobQueue(
            redis,
            settings.queue,
            node=_NODE,
            keep_s=images.keep_s,
            keep_original_s=images.keep_original_s or None,
            has_records=settings.records.enabled,
        )
        storage = open_storage(settings.storage, data_dir)
        garbage = await find_garbage(
            queue, storage, grace_s=images.orphan_grace_s, incoming=coming_in()
        )
        if removes:
            janitor = Janitor(queue, storage, images, incoming=coming_in)
            await janitor.clean()
            await janitor.sweep()
        return garbage


def _show(garbage: list[Garbage], *, verb: str) -> None:
    total = decimal(sum(one.bytes for one in garbage))
    if garbage:
        table = Table("what", "why", "bytes")
        for one in garbage[:_MOST_SHOWN]:
            table.add_row(one.files.member, one.why, str(one.bytes))
        Console().print(table)
    if len(garbage) > _MOST_SHOWN:
        print(f"and {len(garbage) - _MOST_SHOWN} more")
    print(f"{len(garbage)} {verb}, {total}.")
