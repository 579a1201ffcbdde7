"""What a worker is to do for one job: its picture fetched, its recipe read, its deadline told."""

from collections.abc import Mapping
from pathlib import Path

from pool import Limits, Recipe, Task
from server.jobs.job import Job
from server.jobs.queue import JobQueue
from server.jobs.recipes import recipe_of
from server.jobs.running.speeds import Speeds
from server.jobs.trail.behalf import ids_of
from server.storage.storage import Storage


class Preparer:
    """Makes tasks of jobs."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        storage: Storage,
        limits: Limits,
        speeds: Speeds,
        assets: Mapping[str, str],
        public_images: bool,
    ) -> None:
        self._queue = queue
        self._storage = storage
        self._limits = limits
        self._speeds = speeds
        self._assets = assets
        self._public_images = public_images

    async def task(self, job: Job, workdir: Path, threads: int) -> Task:
        """Raises FileNotFoundError where the original is gone, OSError where it does not come."""
        source = workdir / "source"
        await self._storage.fetch(job.original_key, source)
        recipe = recipe_of(job.recipe)
        return Task(
            job_id=job.job_id,
            attempt=job.token,
            source=str(source),
            recipe=recipe,
            workdir=str(workdir),
            limits=self._limits,
            deadline_s=self._speeds.deadline_s(job, recipe),
            threads=threads,
            assets={**self._assets, **await self._watermark(job, recipe, workdir)},
            log_ids=ids_of(job.job_id, job.request_id, job.trace),
        )

    async def _watermark(self, job: Job, recipe: Recipe, workdir: Path) -> dict[str, str]:
        """A picture made here before, brought beside the one it marks; {} where it is gone."""
        if recipe.watermark is None or recipe.watermark.image_id is None:
            return {}
        marked = await self._queue.look(recipe.watermark.image_id)
        if not isinstance(marked, Job) or not marked.variants:
            return {}
        if marked.client != job.client and (marked.private or not self._public_images):
            return {}  # or whoever knows its id could see it through his own
        path = workdir / "watermark"
        await self._storage.fetch(marked.variants[0].key, path)
        return {recipe.watermark.source: str(path)}
