"""A service whose pictures lie in a bucket: the same answers, only the bytes are elsewhere."""

import asyncio
import hashlib
from typing import Any

import obstore
import pytest
from aiohttp import ClientSession

from tests.edge.forms import form, upload
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually, files_of
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess
from tests.storage.objects import bucket_of, keys_below
from tests.storage.weed import NOTIFIED_BUCKET, Weed

VARIANTS = {
    "variants": [
        {"name": "small", "format": "webp", "resize": {"width": 20}},
        {"name": "large", "format": "png"},
    ]
}


async def test_originals_and_variants_lie_in_the_bucket_and_not_on_the_disk(
    bucket_server: ServerProcess, bucket: ClientSession, weed: Weed
) -> None:
    picture = jpeg(300, 200)
    answer = await upload(bucket, picture, options=VARIANTS)
    job_id = answer["jobId"]
    store = bucket_of(weed, "pictures", "safe/light")
    original = await obstore.get_async(store, f"originals/{job_id[:2]}/{job_id}")
    results = await keys_below(store, f"results/{job_id[:2]}/{job_id}")

    assert answer["status"] == "completed"
    assert bytes(await original.bytes_async()) == picture
    assert len(results) == 2
    for name in ("originals", "results"):
        assert not list((bucket_server.data_dir / name).rglob("*"))
    await eventually(lambda: not files_of(bucket_server))


@pytest.mark.parametrize("variant", ["small", "large"])
async def test_a_variant_is_streamed_with_all_headers_for_caches(
    bucket: ClientSession, variant: str
) -> None:
    answer = await upload(bucket, jpeg(700, 500), options=VARIANTS)
    told = {one["name"]: one for one in answer["variants"]}[variant]
    async with bucket.get(told["url"]) as response:
        content, headers = await response.read(), response.headers
    async with bucket.head(told["url"]) as head:
        assert (head.status, await head.read()) == (200, b"")
    async with bucket.get(told["url"], headers={"If-None-Match": headers["ETag"]}) as known:
        assert (known.status, await known.read()) == (304, b"")

    assert len(content) == told["bytes"] == int(headers["Content-Length"])
    assert headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert head.headers["ETag"] == headers["ETag"]
    assert head.headers["Content-Length"] == headers["Content-Length"]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-299", 100, 300),
        ("bytes=-77", -77, None),
        ("bytes=1000-", 1000, None),
        ("bytes=100000-599999", 100_000, 600_000),
    ],
)
async def test_a_range_is_read_from_the_bucket_alone(
    bucket: ClientSession, large: "tuple[str, bytes]", asked: str, start: int, end: int | None
) -> None:
    url, content = large
    async with bucket.get(url, headers={"Range": asked}) as response:
        found = await response.read()

    first = start if start >= 0 else len(content) + start
    assert response.status == 206
    assert found == content[start:end]
    span = f"{first}-{first + len(found) - 1}"
    assert response.headers["Content-Range"] == f"bytes {span}/{len(content)}"


async def test_a_range_behind_the_end_is_416(
    bucket: ClientSession, large: "tuple[str, bytes]"
) -> None:
    url, content = large
    async with bucket.get(url, headers={"Range": f"bytes={len(content)}-"}) as response:
        found = await problem(response)

    assert (found["status"], found["limit"]) == (416, len(content))


async def test_a_file_that_is_gone_from_the_bucket_is_told_so(
    bucket: ClientSession, weed: Weed
) -> None:
    answer = await upload(bucket, jpeg(50, 40))
    store = bucket_of(weed, "pictures", "safe/light")
    await obstore.delete_async(store, sorted(await keys_below(store, _results(answer))))

    async with bucket.get(answer["url"]) as response:
        found = await problem(response)
    async with bucket.head(answer["url"]) as head:
        assert head.status == 410
    assert (found["status"], found["code"]) == (410, "expired")


async def test_a_removed_picture_leaves_the_bucket(bucket: ClientSession, weed: Weed) -> None:
    answer = await upload(bucket, jpeg(50, 40), options=VARIANTS)
    store = bucket_of(weed, "pictures", "safe/light")
    assert len(await _all_of(store, answer["jobId"])) == 3

    async with bucket.delete(answer["url"]) as response:
        assert response.status < 300, await response.text()
    await _until_gone(store, answer["jobId"])


async def test_an_expired_picture_leaves_the_bucket(bucket: ClientSession, weed: Weed) -> None:
    data = form(("a.jpg", jpeg(50, 40)), expiresIn="1")
    async with bucket.post("/upload", data=data) as response:
        answer = await response.json()
    assert response.status == 200, answer

    await _until_gone(bucket_of(weed, "pictures", "safe/light"), answer["jobId"])


async def test_a_picture_made_before_can_be_a_watermark(bucket: ClientSession) -> None:
    mark = await upload(bucket, jpeg(20, 20), options={"format": "png"})
    options = {"watermark": {"imageId": mark["jobId"]}}
    answer = await upload(bucket, jpeg(100, 80), options=options)

    assert answer["status"] == "completed"


async def test_health_tells_where_pictures_lie(bucket: ClientSession) -> None:
    async with bucket.get("/health") as response:
        health = await response.json()
    async with bucket.get("/readyz") as response:
        ready = await response.json()

    assert response.status == 200
    assert health["storage"]["kind"] == "s3"
    assert health["checks"]["storage"] is ready["checks"]["storage"] is True


async def test_a_redirect_leads_to_the_same_bytes_in_the_bucket(
    notified: ClientSession, weed: Weed
) -> None:
    answer = await upload(notified, jpeg(60, 40), options={"format": "webp"})
    async with notified.get(answer["url"], allow_redirects=False) as response:
        location, headers = response.headers["Location"], response.headers
    async with ClientSession() as anybody, anybody.get(location) as there:
        content = await there.read()
    async with notified.head(answer["url"], allow_redirects=True) as head:
        assert head.status == 200

    assert response.status == 302
    assert location.startswith(f"{weed.url}/{NOTIFIED_BUCKET}/pre/results/")
    assert headers["Cache-Control"] == "private, max-age=150"
    assert there.headers["Content-Type"] == "image/webp"
    assert headers.get("ETag") is None
    assert (len(content), content[8:12]) == (answer["variants"][0]["bytes"], b"WEBP")


@pytest.fixture
async def large(bucket: ClientSession) -> "tuple[str, bytes]":
    """A picture of more than one piece: its address and bytes."""
    answer = await upload(bucket, jpeg(700, 500), options={"format": "png"})
    async with bucket.get(answer["url"]) as response:
        content = await response.read()
    assert len(content) > 600_000
    return answer["url"], content


def _results(answer: dict[str, Any]) -> str:
    return f"results/{answer['jobId'][:2]}/{answer['jobId']}"


async def _all_of(store: Any, job_id: str) -> set[str]:
    found = await keys_below(store, "originals") | await keys_below(store, "results")
    return {key for key in found if job_id in key}


async def _until_gone(store: Any, job_id: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await _all_of(store, job_id):  # noqa: ASYNC110 (the server makes it so)
            await asyncio.sleep(0.1)
