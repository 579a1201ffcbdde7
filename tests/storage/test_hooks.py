"""POST /hooks/storage: a bucket tells of new objects, by its own webhook and by S3's records."""

import asyncio
import io
import json
from typing import Any
from urllib.parse import quote_plus

import obstore
import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from server.edge.incoming.hooks import created_objects
from server.intake.direct.events import Created
from server.jobs import names
from server.storage.storage import incoming_key
from tests.edge.forms import end_of
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually, redis_of
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess
from tests.storage.objects import bucket_of, keys_below
from tests.storage.weed import NOTIFIED_BUCKET, Weed

HOOK = "/hooks/storage"
TOKEN = {"Authorization": "Bearer token"}
PREFIX = "safe/light/"


def record(
    key: str, *, bucket: str = "pictures", event: str = "ObjectCreated:Put"
) -> dict[str, Any]:
    """One of S3's records, with what is of no use to us left out."""
    s3 = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/"), "size": 1}}
    return {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event, "s3": s3}


async def tell(client: ClientSession, *records: dict[str, Any]) -> dict[str, Any]:
    """Send S3's notification with the right token."""
    async with client.post(HOOK, json={"Records": records}, headers=TOKEN) as response:
        answer: dict[str, Any] = await response.json()
    assert response.status == 200, answer
    return answer


async def begin_and_put(client: ClientSession, content: bytes, **wish: object) -> dict[str, Any]:
    """An upload whose bytes are in the bucket."""
    async with client.post("/uploads", json=wish) as response:
        begun: dict[str, Any] = await response.json()
    async with (
        ClientSession() as anybody,
        anybody.put(begun["url"], data=content, headers=begun["headers"]) as put,
    ):
        assert put.status == 200
    return begun


async def test_a_put_is_completed_by_the_buckets_own_notification(
    notified: ClientSession, notified_server: ServerProcess
) -> None:
    begun = await begin_and_put(notified, jpeg(50, 40), options={"format": "png"})
    record_key = names.UPLOAD + begun["uploadId"]

    with redis_of(notified_server) as redis:
        await eventually(lambda: redis.hget(record_key, "state") == "completed")
        job_id = redis.hget(record_key, "job_id")
    ended = await end_of(notified, job_id)
    async with notified.post(begun["completeUrl"]) as response:
        answer = await response.json()

    assert ended["status"] == "completed"
    assert answer["jobId"] == job_id


async def test_an_object_that_is_dropped_starts_a_job(notified: ClientSession, weed: Weed) -> None:
    store = bucket_of(weed, NOTIFIED_BUCKET, "pre")
    before = await keys_below(store, "results")
    picture = jpeg(64, 48)
    await obstore.put_async(store, "drop/färöer + more/cat 1.jpg", picture)
    await obstore.put_async(store, "elsewhere/cat.jpg", picture)

    async with asyncio.timeout(PATIENCE_S):
        while len(found := await keys_below(store, "results") - before) < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    job_id = found.pop().split("/")[2]
    async with notified.get(f"/job/{job_id}") as response:
        job = await response.json()

    assert job["name"] == "cat 1.jpg"
    assert job["source"] == "event"
    assert job["variants"][0]["width"] == 16
    assert await keys_below(store, "drop") == {"drop/färöer + more/cat 1.jpg"}


async def test_records_of_s3_complete_uploads_once(bucket: ClientSession) -> None:
    first = await begin_and_put(bucket, jpeg(50, 40))
    second = await begin_and_put(bucket, jpeg(51, 40))
    keys = [PREFIX + incoming_key(one["uploadId"]) for one in (first, second)]

    told = await tell(bucket, record(keys[0]), record(keys[1], event="s3:ObjectCreated:Copy"))
    again = await tell(bucket, record(keys[1]), record(keys[0]), record(keys[0]))
    async with bucket.post(first["completeUrl"]) as response:
        answer = await response.json()

    jobs = {one["key"]: one["jobId"] for one in told["jobs"]}
    assert (told["records"], len(jobs), told["ignored"]) == (2, 2, 0)
    assert {one["key"]: one["jobId"] for one in again["jobs"]} == jobs
    assert answer["jobId"] == jobs[incoming_key(first["uploadId"])]


async def test_many_tell_of_the_same_object_at_once_and_one_job_comes_of_it(
    bucket: ClientSession,
) -> None:
    begun = await begin_and_put(bucket, jpeg(50, 40))
    key = PREFIX + incoming_key(begun["uploadId"])
    answers = await asyncio.gather(*(tell(bucket, record(key)) for _ in range(8)))

    assert len({one["jobs"][0]["jobId"] for one in answers}) == 1


async def test_what_concerns_nobody_is_counted_and_not_heard_again(bucket: ClientSession) -> None:
    told = await tell(
        bucket,
        record(f"{PREFIX}incoming/unknown"),
        record("safe/lighter/incoming/x"),
        record(f"{PREFIX}results/aa/x/y.png"),
        record(f"{PREFIX}drop/cat.jpg"),  # no hooks.prefix here
        record(f"{PREFIX}incoming/x", bucket="another"),
        record(f"{PREFIX}incoming/x", event="ObjectRemoved:Delete"),
        record(f"{PREFIX}incoming/{'x' * 2000}"),
        record(f"{PREFIX}incoming/../../x\x00"),
    )

    assert (told["records"], told["jobs"], told["refused"], told["ignored"]) == (7, [], [], 7)


async def test_an_object_that_is_no_picture_is_refused_once_and_told(bucket: ClientSession) -> None:
    begun = await begin_and_put(bucket, b"no picture")
    key = incoming_key(begun["uploadId"])
    told = [await tell(bucket, record(PREFIX + key)) for _ in range(2)]
    async with bucket.post(begun["completeUrl"]) as response:
        found = await problem(response)

    assert [one["refused"] for one in told] == [[{"key": key, "code": "not_an_image"}]] * 2
    assert found["code"] == "not_an_image"


async def test_a_test_event_is_fine(bucket: ClientSession) -> None:
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "pictures"}
    async with bucket.post(HOOK, json=event, headers=TOKEN) as response:
        assert (response.status, (await response.json())["records"]) == (200, 0)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer Token"},
        {"Authorization": "Basic token"},
        {"Authorization": "token"},
        {"X-Safelight-Token": "tokem"},
        {"X-Safelight-Token": "tökén"},
    ],
    ids=str,
)
async def test_a_stranger_is_turned_away(bucket: ClientSession, headers: dict[str, str]) -> None:
    async with bucket.post(HOOK, json={"Records": []}, headers=headers) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (401, "hook_token_wrong")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_token_may_come_in_a_header_of_our_own(bucket: ClientSession) -> None:
    async with bucket.post(HOOK, json={}, headers={"X-Safelight-Token": "token"}) as response:
        assert response.status == 200


async def test_without_a_token_in_the_settings_there_is_no_hook(local: ClientSession) -> None:
    async with local.post(HOOK, json={}, headers={"X-Safelight-Token": ""}) as response:
        assert (await problem(response))["code"] == "not_found"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"\xff\xfe", 400), (b"[" * 100_000, 400), (b" " * 2**21, 413)],
    ids=["nothing", "cut", "no text", "deep", "long"],
)
async def test_what_is_no_json_is_refused(bucket: ClientSession, body: bytes, status: int) -> None:
    async with bucket.post(HOOK, data=io.BytesIO(body), headers=TOKEN) as response:
        assert (await problem(response))["status"] == status


async def test_seaweed_tells_of_a_rename_where_the_object_is_now() -> None:
    entry = {"name": "cat.jpg", "attributes": {"file_size": 5}}
    event = {
        "key": "/buckets/b/tmp/x",
        "event_type": "rename",
        "message": {"old_entry": {}, "new_entry": entry, "new_parent_path": "/buckets/b/drop"},
    }

    assert list(created_objects(event)) == [Created("b", "drop/cat.jpg")]


def anything_like(shape: Any) -> SearchStrategy[Any]:
    """The shape itself, or with any JSON at any place of it."""
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=6,
    )
    if isinstance(shape, dict):
        parts = {name: anything_like(part) for name, part in shape.items()}
        return st.fixed_dictionaries({}, optional=parts) | json_values
    if isinstance(shape, list):
        return st.lists(anything_like(shape[0]), max_size=3) | json_values
    return st.just(shape) | json_values


S3 = {"Records": [record(f"{PREFIX}incoming/x")]}
FILER = {
    "key": "/buckets/pictures/safe/light/incoming/x",
    "event_type": "create",
    "message": {"new_entry": {"name": "x", "is_directory": True}, "new_parent_path": "/buckets"},
}


@settings(max_examples=400, deadline=None)
@given(anything_like(S3) | anything_like(FILER))
def test_no_notification_is_too_strange_to_be_read(notification: Any) -> None:
    for created in created_objects(notification):
        assert isinstance(created.bucket, str) and isinstance(created.path, str)


async def test_no_notification_is_answered_by_a_fault_of_ours(bucket: ClientSession) -> None:
    """The same over HTTP, where what is read from it goes to the storage, too."""
    strange: list[Any] = []
    examples = settings(max_examples=120, deadline=None, database=None)

    @examples
    @given(anything_like(S3) | anything_like(FILER))
    def collect(notification: Any) -> None:
        strange.append(notification)

    collect()
    statuses = set()
    for notification in strange:
        body = json.dumps(notification).encode()
        async with bucket.post(HOOK, data=body, headers=TOKEN) as response:
            await response.read()
            statuses.add(response.status)

    assert statuses <= {200, 400}
