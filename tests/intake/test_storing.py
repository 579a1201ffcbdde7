"""An original is stored while its header is read; what is not admitted leaves nothing of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from pool import Lane, LaneSettings, parse_recipe
from server.config.sections import PoolSettings, QueueSettings
from server.intake.same import Sameness
from server.intake.upload import Intake, Upload
from server.jobs.connection import command_client
from server.jobs.queue import JobQueue
from server.jobs.running.dispatcher import Dispatcher
from server.jobs.running.lanes import Lanes
from server.jobs.trail.notebook import Notebook
from server.storage.disk import DiskStorage
from server.storage.spool import Spool
from tests.edge.pictures import jpeg
from tests.pool.pictures import LIMITS

LATER_S = 0.1  # long after whoever does not wait has gone on


class SlowStorage(DiskStorage):
    """Tells when a put has begun, and ends it a while after somebody has said so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, min_free_bytes=0)
        self.has_begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.deeds: list[str] = []

    async def put(self, key: str, path: Path) -> None:
        self.has_begun.set()
        await self.may_end.wait()
        await asyncio.sleep(LATER_S)
        await super().put(key, path)
        self.deeds.append("stored")

    async def delete(self, key: str) -> None:
        await super().delete(key)
        self.deeds.append("deleted")


class FailingStorage(DiskStorage):
    async def put(self, key: str, path: Path) -> None:
        raise OSError("the disk is away")


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as redis:
        yield redis


@pytest.fixture
async def probe(tmp_path: Path) -> AsyncIterator[Lane]:
    (tmp_path / "spool").mkdir()
    settings = LaneSettings(spool=str(tmp_path / "spool"))
    lane = Lane("probe", on_progress=lambda _: None, settings=settings)
    await lane.start()
    yield lane
    await lane.close()


def intake_of(storage: DiskStorage, redis: Redis, probe: Lane, tmp_path: Path) -> Intake:
    def no_lane(name: str) -> Lane:
        raise AssertionError(name)

    spool = Spool(tmp_path / "spool", max_upload_bytes=10**6, refuse_if_low=lambda: None)
    spool.prepare()
    queue = JobQueue(redis, QueueSettings(), node="here", keep_s=60)
    lanes = Lanes(no_lane, queue, PoolSettings(), most=0)

    async def carry(*_: object) -> None:
        raise AssertionError("there is no lane")

    return Intake(
        spool=spool,
        storage=storage,
        queue=queue,
        dispatcher=Dispatcher(queue, lanes, carry, budget_bytes=10**9),
        probe=probe,
        limits=LIMITS,
        budget_bytes=10**9,
        assets=(),
        sameness=Sameness(queue, {}, enabled=False),
        notebook=Notebook(),
    )


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def receive(upload: Upload, content: bytes) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    await upload.receive("a.jpg", chunks())


async def test_an_original_is_stored_while_its_header_is_read(
    redis: Redis, probe: Lane, tmp_path: Path
) -> None:
    storage = SlowStorage(tmp_path)
    intake = intake_of(storage, redis, probe, tmp_path)
    async with intake.upload() as upload:
        await receive(upload, jpeg(40, 30))  # returns when the header is read
        assert storage.has_begun.is_set()
        assert storage.deeds == []
        storage.may_end.set()
        await upload.admit(parse_recipe({}), client="me", as_batch=False)

        assert storage.deeds == ["stored"]
    assert len(files(tmp_path / "originals")) == 1
    assert files(intake.spool.incoming) == []


async def test_what_is_refused_is_taken_away_after_it_was_stored(
    redis: Redis, probe: Lane, tmp_path: Path
) -> None:
    storage = SlowStorage(tmp_path)
    intake = intake_of(storage, redis, probe, tmp_path)
    async with intake.upload() as upload:
        receiving = asyncio.create_task(receive(upload, b"no picture"))
        await storage.has_begun.wait()
        storage.may_end.set()
        await receiving
        assert [one.refusal.code for one in upload.refused] == ["not_an_image"]

        assert storage.deeds == ["stored", "deleted"]
        assert files(tmp_path / "originals") + files(intake.spool.incoming) == []


async def test_who_leaves_meanwhile_leaves_nothing_behind(
    redis: Redis, probe: Lane, tmp_path: Path
) -> None:
    storage = SlowStorage(tmp_path)
    intake = intake_of(storage, redis, probe, tmp_path)

    async def request() -> None:
        async with intake.upload() as upload:
            await receive(upload, jpeg(40, 30))
            await asyncio.Event().wait()

    leaving = asyncio.create_task(request())
    await storage.has_begun.wait()
    leaving.cancel()
    storage.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    assert storage.deeds == ["stored", "deleted"]
    assert files(tmp_path / "originals") + files(intake.spool.incoming) == []


async def test_what_cannot_be_stored_is_not_admitted(
    redis: Redis, probe: Lane, tmp_path: Path
) -> None:
    intake = intake_of(FailingStorage(tmp_path, min_free_bytes=0), redis, probe, tmp_path)
    with pytest.raises(OSError, match="the disk is away"):
        async with intake.upload() as upload:
            await receive(upload, jpeg(40, 30))
            await upload.admit(parse_recipe({}), client="me", as_batch=False)

    assert (await intake.queue.counters()).get("admitted", "0") == "0"
    assert files(intake.spool.incoming) == []
