"""What a janitor's round would remove now, and how much room that gives; it removes nothing."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from server.jobs.job import Job
from server.jobs.queue import JobQueue
from server.jobs.trash import Discarded
from server.ops.orphans import find_orphans
from server.storage.storage import Storage, results_prefix

_TRASH_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Garbage:
    """Files to be removed, their bytes, and why: `expired`, `discarded` or `orphan`."""

    files: Discarded
    bytes: int
    why: str


async def find_garbage(
    queue: JobQueue, storage: Storage, *, grace_s: float, incoming: Collection[str]
) -> list[Garbage]:
    """All of it, each file once."""
    found = [
        *await _expired(queue),
        *await _discarded(queue, storage),
        *(
            Garbage(orphan.files, orphan.bytes, "orphan")
            for orphan in await find_orphans(
                storage, queue.trash, grace_s=grace_s, incoming=incoming
            )
        ),
    ]
    first: dict[Discarded, Garbage] = {}
    for one in found:
        first.setdefault(one.files, one)
    return list(first.values())


async def _expired(queue: JobQueue) -> list[Garbage]:
    """Of what is due, the files that nobody holds whose time is not over, too."""
    ended, without_original = await queue.trash.coming()
    jobs = await _jobs(queue, ended | without_original)
    found: list[Garbage] = []
    for job in jobs:
        if job.original_key:
            files = Discarded("original", job.original_key)
            if await queue.trash.holders(files, job.digest) <= ended | without_original:
                found.append(Garbage(files, job.original_bytes, "expired"))
        if job.maker_id and job.job_id in ended:
            files = Discarded("results", job.maker_id)
            if await queue.trash.holders(files, "") <= ended:
                total = sum(variant.bytes for variant in job.variants)
                found.append(Garbage(files, total, "expired"))
    return found


async def _jobs(queue: JobQueue, job_ids: Iterable[str]) -> list[Job]:
    return [job for job in await queue.look_all(sorted(job_ids)) if isinstance(job, Job)]


async def _discarded(queue: JobQueue, storage: Storage) -> list[Garbage]:
    found: list[Garbage] = []
    for files in await queue.trash.due(_TRASH_MOST):
        if files.kind == "original":
            stored = await storage.head(files.what)
            total = stored.bytes if stored is not None else 0
        else:
            prefix = results_prefix(files.what)
            total = sum([one.bytes async for one in storage.objects(prefix)])
        found.append(Garbage(files, total, "discarded"))
    return found
