"""What takes pictures in: sent to us, brought to the storage, or only named."""

from dataclasses import dataclass

from pool import Lane, parse_recipe
from server.intake.direct.events import StorageEvents
from server.intake.direct.presign import Presign
from server.intake.fetch.download import Downloader
from server.intake.fetch.fetcher import Fetcher
from server.intake.fetch.guard import Guard
from server.intake.fetch.job import JobFetcher
from server.intake.fetch.session import guarded_session
from server.intake.ordering import Ordering
from server.intake.same import Sameness
from server.intake.tus.uploads import TusUploads
from server.intake.upload import Intake
from server.jobs.direct import DirectUploads
from server.jobs.urls import UrlQueue
from server.storage.bucket import BucketStorage
from server.wiring.ground import Ground
from server.wiring.running import Running


@dataclass(frozen=True, slots=True)
class Incoming:
    """Every way in."""

    intake: Intake
    tus: TusUploads
    presign: Presign
    storage_events: StorageEvents | None
    ordering: Ordering
    urls: UrlQueue
    fetcher: Fetcher


async def build_incoming(ground: Ground, running: Running, probe: Lane) -> Incoming:
    """probe: the lane that only reads headers."""
    intake = _intake(ground, running, probe)
    presign, storage_events = _direct(ground, intake)
    settings = ground.settings
    guard = Guard(settings.fetch)
    urls = UrlQueue(ground.redis, ground.queue, settings.fetch, settings.queue)
    return Incoming(
        intake=intake,
        tus=TusUploads(intake, settings.tus, max_bytes=settings.upload.max_upload_bytes),
        presign=presign,
        storage_events=storage_events,
        ordering=Ordering(guard, ground.queue),
        urls=urls,
        fetcher=await _fetcher(ground, intake, guard, urls),
    )


def _intake(ground: Ground, running: Running, probe: Lane) -> Intake:
    settings = ground.settings
    return Intake(
        spool=ground.spool,
        storage=ground.storage,
        queue=ground.queue,
        dispatcher=running.dispatcher,
        probe=probe,
        limits=ground.limits,
        budget_bytes=min(ground.budget_bytes, settings.pool.memory_kill_bytes),
        assets=ground.assets,
        sameness=Sameness(
            ground.queue,
            ground.assets,
            enabled=settings.dedup.enabled,
            public_images=settings.auth.public_images,
            engines=ground.engines,
        ),
        notebook=ground.notebook,
        tracer=ground.tracer,
    )


def _direct(ground: Ground, intake: Intake) -> tuple[Presign, StorageEvents | None]:
    """What takes in pictures that clients or others bring to the storage themselves."""
    settings = ground.settings
    records = DirectUploads(
        ground.redis,
        max_pending=settings.presign.max_pending,
        keep_s=settings.presign.keep_s,
        lease_s=settings.queue.lease_s,
    )
    presign = Presign(intake, records, ground.storage, settings.presign)
    if not isinstance(ground.storage, BucketStorage):
        return presign, None
    recipe = settings.presets.get(settings.hooks.preset) or parse_recipe({})
    events = StorageEvents(
        presign,
        records,
        ground.storage,
        drop_prefix=settings.hooks.prefix,
        recipe=recipe.canonical(),
    )
    return presign, events


async def _fetcher(ground: Ground, intake: Intake, guard: Guard, urls: UrlQueue) -> Fetcher:
    """What takes in pictures that clients only name."""
    settings = ground.settings.fetch
    session = await ground.closing.enter_async_context(guarded_session(guard, settings))
    max_bytes = ground.settings.upload.max_upload_bytes
    jobs = JobFetcher(
        urls=urls,
        queue=ground.queue,
        intake=intake,
        downloader=Downloader(session, guard, settings, max_bytes=max_bytes),
        settings=settings,
    )
    return Fetcher(urls, ground.queue, jobs, settings, beat_s=ground.settings.queue.lease_s / 3)
