"""POST /uploads: a URL for one picture, kept to the letter, on disk and in a bucket alike."""

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientError, ClientResponse, ClientSession

from server.jobs import names
from tests.edge.pictures import jpeg, png
from tests.edge.problem import checked_problem, problem
from tests.edge.traces import eventually, is_idle, redis_of, traces
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess
from tests.storage.conftest import MAX_PENDING
from tests.storage.objects import bucket_of, keys_below
from tests.storage.weed import Weed

PICTURE = jpeg(60, 40)


@dataclass(frozen=True)
class Answer:
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """What it says."""
        said: dict[str, Any] = json.loads(self.body)
        return said

    def problem(self) -> dict[str, Any]:
        """The checked problem."""
        return checked_problem(self.status, self.headers, self.body)


async def answered(response: ClientResponse) -> Answer:
    return Answer(response.status, dict(response.headers), await response.read())


@dataclass(frozen=True)
class Way:
    """One kind of storage, and how its URLs behave."""

    kind: str
    client: ClientSession
    server: ServerProcess

    async def begin(self, **wish: object) -> dict[str, Any]:
        """Agree on an upload."""
        async with self.client.post("/uploads", json=wish) as response:
            answer: dict[str, Any] = await response.json()
        assert response.status == 201, answer
        assert response.headers["Cache-Control"] == "no-store"
        return answer

    async def put(self, begun: dict[str, Any], content: bytes, **headers: str) -> Answer:
        """PUT as whoever was given the URL would, with no key of any kind."""
        url, headers = begun["url"], begun["headers"] | headers
        async with (
            ClientSession(self.server.url) as anybody,
            anybody.put(url, data=io.BytesIO(content), headers=headers) as response,
        ):
            return await answered(response)

    async def complete(self, begun: dict[str, Any], **headers: str) -> Answer:
        """Ask for the job."""
        async with self.client.post(begun["completeUrl"], headers=headers) as response:
            return await answered(response)

    async def bring(self, begun: dict[str, Any], content: bytes, **headers: str) -> Answer:
        """PUT, and complete where that is a second step: the answer about the job."""
        if self.kind == "disk":
            return await self.put(begun, content, **headers)
        assert (await self.put(begun, content)).status == 200
        return await self.complete(begun, **headers)


@pytest_asyncio.fixture(params=["disk", "bucket"])
async def way(request: pytest.FixtureRequest) -> AsyncIterator[Way]:
    """Both, one after the other."""
    name = "shared_server" if request.param == "disk" else "bucket_server"
    server: ServerProcess = request.getfixturevalue(name)
    async with ClientSession(server.url) as client:
        yield Way(request.param, client, server)


async def test_a_picture_brought_by_its_url_becomes_a_job(way: Way) -> None:
    begun = await way.begin(
        filename="../../cat photo.jpg",
        contentType="image/jpeg",
        bytes=len(PICTURE),
        sha256=hashlib.sha256(PICTURE).hexdigest(),
        options={"format": "png", "resize": {"width": 20}},
    )
    answer = (await way.bring(begun, PICTURE)).json()
    async with way.client.get(f"/job/{answer['jobId']}") as response:
        job = await response.json()
    async with way.client.get(answer["url"]) as response:
        content = await response.read()

    assert begun["method"] == "PUT"
    assert begun["headers"]["Content-Type"] == "image/jpeg"
    assert begun["expiresAt"].endswith("Z")
    assert answer["status"] == "completed"
    assert (answer["variants"][0]["width"], answer["variants"][0]["format"]) == (20, "png")
    assert job["name"] == "cat photo.jpg"
    assert content.startswith(b"\x89PNG")


async def test_completing_again_answers_the_same_job(way: Way) -> None:
    begun = await way.begin(options={"format": "png"})
    first = (await way.bring(begun, PICTURE)).json()
    answers = await asyncio.gather(*(way.complete(begun) for _ in range(4)))

    assert [one.json()["jobId"] for one in answers] == [first["jobId"]] * 4


async def test_who_completes_at_the_same_moment_gets_the_same_job(
    bucket_server: ServerProcess, bucket: ClientSession
) -> None:
    way = Way("bucket", bucket, bucket_server)
    begun = await way.begin()
    await way.put(begun, PICTURE)
    answers = await asyncio.gather(*(way.complete(begun) for _ in range(6)))

    assert {one.status for one in answers} == {200}
    assert len({one.json()["jobId"] for one in answers}) == 1


async def test_a_client_that_does_not_wait_gets_202(way: Way) -> None:
    begun = await way.begin()
    large = jpeg(1600, 1200)  # not done before the answer is
    answer = await way.bring(begun, large, Prefer="respond-async")

    assert answer.status == 202
    assert answer.headers["Location"] == f"/status/{answer.json()['jobId']}"
    assert answer.headers["Preference-Applied"] == "respond-async"


@pytest.mark.parametrize(
    ("wish", "content", "code"),
    [
        ({"bytes": len(PICTURE) + 1}, PICTURE, "upload_mismatch"),
        ({"bytes": len(PICTURE) - 1}, PICTURE, "upload_mismatch"),
        ({"maxBytes": 100}, PICTURE, "too_large"),
        ({"sha256": "0" * 64}, PICTURE, "upload_mismatch"),
        ({"contentType": "image/png"}, PICTURE, "upload_mismatch"),
        ({}, b"no picture at all", "not_an_image"),
        (
            {"options": {"crop": {"x": 50, "y": 0, "width": 500, "height": 9}}},
            PICTURE,
            "crop_outside",
        ),
    ],
    ids=["longer", "shorter", "too long", "other bytes", "other type", "no picture", "bad crop"],
)
async def test_what_was_not_agreed_on_is_refused_and_removed(
    way: Way, weed: Weed, wish: dict[str, Any], content: bytes, code: str
) -> None:
    begun = await way.begin(**wish)
    await eventually(lambda: is_idle(way.server))
    before = traces(way.server)
    found = (await way.bring(begun, content)).problem()

    after = traces(way.server)
    assert found["code"] == code
    assert (after.files - before.files, after.counters) == (set(), before.counters)
    if way.kind == "bucket":
        left = await keys_below(bucket_of(weed, "pictures", "safe/light"), "incoming")
        assert f"incoming/{begun['uploadId']}" not in left
        again = (await way.complete(begun)).problem()
        assert again | {"requestId": ""} == found | {"requestId": ""}


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "image/png"}, {"Content-Type": "image/jpeg; x=y"}], ids=str
)
async def test_another_content_type_than_agreed_is_refused(
    way: Way, headers: dict[str, str]
) -> None:
    begun = await way.begin(contentType="image/jpeg")
    answer = await way.put(begun, PICTURE, **headers)
    if way.kind == "bucket":
        answer = await way.complete(begun)

    found = answer.problem()
    assert (found["status"], found["code"]) == (422, "upload_mismatch")


async def test_a_second_put_is_refused_and_changes_nothing(way: Way) -> None:
    begun = await way.begin(options={"format": "png"})
    first = (await way.bring(begun, PICTURE)).json()
    second = await way.put(begun, jpeg(10, 10))
    again = (await way.complete(begun)).json()

    if way.kind == "disk":
        found = second.problem()
        assert (found["status"], found["code"]) == (409, "already_uploaded")
    assert again == first


async def test_a_bucket_takes_no_second_put_before_the_first_is_completed(
    bucket_server: ServerProcess, bucket: ClientSession
) -> None:
    way = Way("bucket", bucket, bucket_server)
    begun = await way.begin()
    statuses = [(await way.put(begun, content)).status for content in (PICTURE, png())]

    assert statuses == [200, 412]


async def test_completing_before_the_put_says_so_and_may_be_asked_again(way: Way) -> None:
    begun = await way.begin()
    early = (await way.complete(begun)).problem()
    answer = (await way.bring(begun, PICTURE)).json()

    assert (early["status"], early["code"]) == (409, "nothing_uploaded")
    assert answer["status"] == "completed"


async def test_a_late_put_is_refused(way: Way) -> None:
    begun = await way.begin(urlExpiresIn=1)
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await way.put(begun, b"early")).status in (200, 409, 412, 415):  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    if way.kind == "disk":
        assert answer.problem()["code"] == "signature_expired"
    assert answer.status == {"disk": 410, "bucket": 403}[way.kind]


async def test_an_abandoned_upload_leaves_nothing(
    bucket_server: ServerProcess, bucket: ClientSession, weed: Weed
) -> None:
    way = Way("bucket", bucket, bucket_server)
    begun = await way.begin(urlExpiresIn=2)
    await way.put(begun, PICTURE)
    store = bucket_of(weed, "pictures", "safe/light")
    key = f"incoming/{begun['uploadId']}"
    assert key in await keys_below(store, "incoming")

    async with asyncio.timeout(PATIENCE_S):
        while key in await keys_below(store, "incoming"):  # noqa: ASYNC110 (the server)
            await asyncio.sleep(0.1)
    with redis_of(bucket_server) as redis:
        left = [name for name in redis.scan_iter() if begun["uploadId"] in str(name)]
    assert left == []


async def test_a_put_that_is_cut_short_may_come_again(
    shared_server: ServerProcess, local: ClientSession
) -> None:
    way = Way("disk", local, shared_server)
    begun = await way.begin()

    async def half() -> AsyncIterator[bytes]:
        yield PICTURE[:100]
        raise ConnectionError("the client is gone")

    with pytest.raises(ClientError):
        await local.put(begun["url"], data=half())
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await way.put(begun, PICTURE)).status == 409:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # the server is still at the first

    assert (answer.status, answer.json()["status"]) == (200, "completed")


@pytest.mark.parametrize("change", ["bytes", "id", "signature", "expires", "more", "twice"])
async def test_a_changed_address_is_refused(
    shared_server: ServerProcess, local: ClientSession, change: str
) -> None:
    way = Way("disk", local, shared_server)
    begun, other = await way.begin(bytes=len(PICTURE)), await way.begin()
    url = begun["url"]
    changed = {
        "bytes": url.replace(f"bytes={len(PICTURE)}", "bytes=5000"),
        "id": url.replace(begun["uploadId"], other["uploadId"]),
        "signature": url.partition("&signature=")[0],
        "expires": url.replace("expires=1", "expires=2"),
        "more": f"{url}&contentType=image%2Fpng",
        "twice": f"{url}&bytes=5000",
    }[change]
    assert changed != url
    found = (await way.put(begun | {"url": changed}, PICTURE)).problem()

    assert (found["status"], found["code"]) == (403, "signature_wrong")


async def test_a_wrong_address_is_refused_before_the_picture_is_sent(
    shared_server: ServerProcess, local: ClientSession
) -> None:
    begun = await Way("disk", local, shared_server).begin()
    sent = []

    async def picture() -> AsyncIterator[bytes]:
        sent.append(PICTURE)
        yield PICTURE

    url = begun["url"].replace("maxBytes=1", "maxBytes=9")
    async with local.put(url, data=picture(), expect100=True) as response:
        found = await problem(response)
    async with local.put(begun["url"], data=picture(), expect100=True) as response:
        assert response.status == 200

    assert (found["code"], len(sent)) == ("signature_wrong", 1)


async def test_a_private_picture_stays_private(way: Way) -> None:
    begun = await way.begin(private=True)
    answer = (await way.bring(begun, PICTURE)).json()
    async with way.client.get(f"/job/{answer['jobId']}") as response:
        job = await response.json()

    assert job["private"] is True


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"bytes": 10, "maxBytes": 10}, 400, "bad_request"),
        ({"bytes": 0}, 400, "bad_request"),
        ({"bytes": "10"}, 400, "bad_request"),
        ({"bytes": 10**12}, 413, "too_large"),
        ({"sha256": "abc"}, 400, "bad_request"),
        ({"contentType": "text/html"}, 415, "unsupported_media_type"),
        ({"colour": 1}, 400, "bad_request"),
        ({"options": {"format": "bmp"}}, 422, "bad_options"),
        ({"options": {"watermark": {"asset": "none"}}}, 422, "bad_options"),
        ({"preset": "none"}, 422, "bad_options"),
        ({"urlExpiresIn": 10**7}, 400, "bad_request"),
        ({"expiresIn": 10**12}, 400, "bad_request"),
        ({"filename": "x" * 2000}, 400, "bad_request"),
        ([], 400, "bad_request"),
    ],
    ids=str,
)
async def test_a_wish_that_cannot_be_met_is_refused(
    local: ClientSession, wish: Any, status: int, code: str
) -> None:
    async with local.post("/uploads", json=wish) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (status, code)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"x" * 100_000], ids=["cut", "no text", "long"])
async def test_a_body_that_is_no_wish_is_refused(local: ClientSession, body: bytes) -> None:
    async with local.post("/uploads", data=body) as response:
        found = await problem(response)

    assert found["status"] in (400, 413)


async def test_an_unknown_upload_is_not_found(way: Way) -> None:
    async with way.client.post("/uploads/nothing/complete") as response:
        assert (await problem(response))["code"] == "not_found"


async def test_one_client_may_have_so_many_open_and_no_more(
    bucket_server: ServerProcess, bucket: ClientSession
) -> None:
    for _ in range(MAX_PENDING + 1):
        async with bucket.post("/uploads", json={"urlExpiresIn": 3600}) as response:
            answer = await answered(response)
        if answer.status != 201:
            break
    found = answer.problem()
    with redis_of(bucket_server) as redis:  # the tests after this one have room again
        redis.delete(f"{names.PENDING}127.0.0.1")

    assert (found["status"], found["code"]) == (429, "too_many_uploads")
    assert (found["limit"], found["actual"]) == (MAX_PENDING, MAX_PENDING)
    assert int(answer.headers["Retry-After"]) > 0
