"""Records of presigned uploads: one at a time works on each, and one job comes of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from server.jobs import names
from server.jobs.connection import command_client
from server.jobs.direct import Agreement, DirectUpload, DirectUploads, ended
from server.jobs.job import new_job_id
from server.jobs.queue import JobQueue
from server.refusals import QueueFull, Refusal, TooManyUploads, UploadMismatch, UploadTaken
from tests.jobs.test_queue import arrival, make_queue

AGREED = Agreement(
    name="cat.jpg",
    key="incoming/x",
    recipe="{}",
    media_type="image/jpeg",
    exact_bytes=7,
    max_bytes=None,
    sha256="ab",
    private=True,
    keep_s=60,
)


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


@pytest.fixture
async def queue(redis: Redis) -> JobQueue:
    return await make_queue(redis, node="here")


@pytest.fixture
def records(redis: Redis) -> DirectUploads:
    return DirectUploads(redis, max_pending=3, keep_s=60, lease_s=15)


async def opened(records: DirectUploads, *, client: str = "me", good_s: int = 60) -> str:
    upload_id = new_job_id()
    await records.open(upload_id, AGREED, client=client, good_s=good_s)
    return upload_id


async def taken(records: DirectUploads, upload_id: str) -> DirectUpload:
    is_ours, upload = await records.take(upload_id)
    assert is_ours and upload is not None
    return upload


async def admit(queue: JobQueue, upload: DirectUpload) -> str:
    one = arrival()
    await queue.admit(
        [one],
        client=upload.client,
        queue_class="interactive",
        batch_id=None,
        brought=(upload.upload_id, upload.token),
    )
    return one.job_id


async def test_what_was_agreed_on_comes_back_as_it_was(records: DirectUploads) -> None:
    upload = await taken(records, await opened(records))

    assert (upload.agreed, upload.client, upload.state) == (AGREED, "me", "open")


async def test_an_upload_in_hand_is_nobody_elses(records: DirectUploads) -> None:
    upload_id = await opened(records)
    await taken(records, upload_id)
    is_ours, upload = await records.take(upload_id)

    assert not is_ours
    assert upload is not None
    with pytest.raises(UploadTaken):
        ended(upload)


async def test_admission_ends_the_upload_with_the_job(
    records: DirectUploads, queue: JobQueue
) -> None:
    upload_id = await opened(records)
    job_id = await admit(queue, await taken(records, upload_id))
    is_ours, upload = await records.take(upload_id)

    assert upload is not None
    assert (is_ours, upload.state, ended(upload)) == (False, "completed", job_id)


async def test_who_was_silent_for_too_long_admits_nothing(
    redis: Redis, records: DirectUploads, queue: JobQueue
) -> None:
    hasty = DirectUploads(redis, max_pending=3, keep_s=60, lease_s=0.001)
    upload_id = await opened(records)
    first = await taken(hasty, upload_id)
    await asyncio.sleep(0.01)
    second = await taken(records, upload_id)
    with pytest.raises(UploadTaken):
        await admit(queue, first)
    job_id = await admit(queue, second)
    with pytest.raises(UploadTaken):
        await admit(queue, first)

    assert second.token == first.token + 1
    assert await queue.look(job_id) is not None
    assert (await queue.counters())["admitted"] == "1"


async def test_a_lease_that_is_held_does_not_run_out(redis: Redis) -> None:
    records = DirectUploads(redis, max_pending=3, keep_s=60, lease_s=1)
    upload_id = await opened(records)
    async with records.hold(await taken(records, upload_id)):
        await asyncio.sleep(1.5)
        is_ours, _ = await records.take(upload_id)

    assert not is_ours


@pytest.mark.parametrize(
    ("refusal", "state"),
    [
        (UploadMismatch("SHA-256: expected a, got b.", limit=1, actual=2), "refused"),
        (QueueFull("Come again."), "open"),
        (OSError("the bucket is away"), "open"),
        (asyncio.CancelledError(), "open"),
    ],
    ids=repr,
)
async def test_only_a_refusal_of_the_bytes_ends_it(
    records: DirectUploads, refusal: BaseException, state: str
) -> None:
    upload_id = await opened(records)
    upload = await taken(records, upload_id)
    with pytest.raises(type(refusal)):
        async with records.hold(upload):
            raise refusal
    _, after = await records.take(upload_id)

    assert after is not None
    assert after.state == state


async def test_a_refusal_is_told_again_as_it_was(records: DirectUploads) -> None:
    upload_id = await opened(records)
    refusal = UploadMismatch("Expected 1 byte, got 2.", limit=1, actual=2)
    with pytest.raises(UploadMismatch):
        async with records.hold(await taken(records, upload_id)):
            raise refusal
    _, after = await records.take(upload_id)

    assert after is not None
    with pytest.raises(Refusal) as again:
        ended(after)
    told, wanted = again.value, refusal
    assert (told.status, told.code, told.title) == (wanted.status, wanted.code, wanted.title)
    assert (told.detail, told.limit, told.actual) == (wanted.detail, 1, 2)


async def test_a_full_queue_leaves_the_upload_in_hand(
    records: DirectUploads, queue: JobQueue
) -> None:
    await queue.admit(
        [arrival() for _ in range(50)], client="me", queue_class="bulk", batch_id=None
    )
    upload_id = await opened(records)
    upload = await taken(records, upload_id)
    with pytest.raises(QueueFull):
        await admit(queue, upload)
    _, after = await records.take(upload_id)

    assert after is not None
    assert after.state == "taken"


async def test_a_client_may_have_so_many_open_and_ended_ones_do_not_count(
    records: DirectUploads, queue: JobQueue
) -> None:
    ids = [await opened(records) for _ in range(3)]
    await opened(records, client="another")
    with pytest.raises(TooManyUploads) as refusal:
        await opened(records)
    await admit(queue, await taken(records, ids[0]))
    await opened(records)

    assert (refusal.value.limit, refusal.value.actual) == (3, 3)


async def test_opening_the_same_upload_again_changes_nothing(records: DirectUploads) -> None:
    upload_id = await opened(records)
    first = await records.open(upload_id, AGREED, client="me", good_s=60)
    await taken(records, upload_id)
    again = await records.open(upload_id, AGREED, client="me", good_s=600)
    is_ours, _ = await records.take(upload_id)

    assert (again, is_ours) == (first, False)


async def test_what_is_due_is_forgotten_whole_unless_it_is_in_hand(redis: Redis) -> None:
    records = DirectUploads(redis, max_pending=9, keep_s=0, lease_s=15)
    left, held = await opened(records, good_s=0), await opened(records, good_s=0)
    await opened(records)
    upload = await taken(records, held)
    due = await records.due()
    outcomes = [await records.forget(left), await records.forget(held)]
    outcomes.append(await records.forget(held, token=upload.token))

    assert set(due) == {left, held}
    assert outcomes == [True, False, True]
    assert await redis.exists(names.UPLOAD + left, names.UPLOAD + held) == 0
    assert await redis.zcard(names.UPLOADS) == 1
