"""GET /image: what a cache, a player and a browser ask of a picture's address."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientPayloadError, ClientSession

from tests.edge.busy import busy_lane
from tests.edge.forms import upload
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.server_process import ServerProcess

PNG = {"format": "png"}  # noise without loss: as many bytes as wanted


@dataclass(frozen=True)
class Hosted:
    """A result, and its bytes as they lie in the storage."""

    url: str
    content: bytes
    path: Path


@pytest_asyncio.fixture
async def hosted(client: ClientSession, shared_server: ServerProcess) -> Hosted:
    """A picture of some kB."""
    return await _hosted(client, shared_server, jpeg(60, 40))


@pytest_asyncio.fixture
async def large(client: ClientSession, shared_server: ServerProcess) -> Hosted:
    """A picture of more than one piece."""
    found = await _hosted(client, shared_server, jpeg(700, 500))
    assert len(found.content) > 512 * 1024
    return found


async def _hosted(client: ClientSession, server: ServerProcess, content: bytes) -> Hosted:
    answer = await upload(client, content, options=PNG)
    job_id = answer["jobId"]
    path = server.data_dir / "results" / job_id[:2] / job_id / "default.png"
    return Hosted(answer["url"], path.read_bytes(), path)


async def test_a_picture_comes_as_it_is_stored_with_headers_for_caches(
    client: ClientSession, hosted: Hosted
) -> None:
    async with client.get(hosted.url) as response:
        content = await response.read()

    assert content == hosted.content
    headers = response.headers
    assert headers["Content-Type"] == "image/png"
    assert headers["ETag"] == f'"{hashlib.sha256(hosted.content).hexdigest()[:32]}"'
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in headers


async def test_a_large_picture_streams_whole(client: ClientSession, large: Hosted) -> None:
    async with client.get(large.url, headers={"X-Request-Id": "mine"}) as response:
        content = await response.read()

    assert hashlib.sha256(content).digest() == hashlib.sha256(large.content).digest()
    assert response.headers["X-Request-Id"] == "mine"


async def test_the_variant_has_an_address_of_its_own(client: ClientSession, hosted: Hosted) -> None:
    async with client.get(f"{hosted.url}/default") as response:
        assert await response.read() == hosted.content


@pytest.mark.parametrize("kind", ["same", "weak", "list", "star"])
async def test_a_picture_that_the_client_has_is_not_sent_again(
    client: ClientSession, hosted: Hosted, kind: str
) -> None:
    etag = await _etag(client, hosted.url)
    asked = {"same": etag, "weak": f"W/{etag}", "list": f'"a", W/"b",{etag}', "star": "*"}[kind]
    async with client.get(hosted.url, headers={"If-None-Match": asked}) as response:
        content = await response.read()

    assert (response.status, content) == (304, b"")
    assert response.headers["ETag"] == etag
    assert "immutable" in response.headers["Cache-Control"]


@pytest.mark.parametrize("asked", ['"another"', "", '""', "nonsense"])
async def test_another_picture_is_sent(client: ClientSession, hosted: Hosted, asked: str) -> None:
    async with client.get(hosted.url, headers={"If-None-Match": asked}) as response:
        assert (response.status, await response.read()) == (200, hosted.content)


@pytest.mark.parametrize("asked", [{}, {"Range": "bytes=10-19"}], ids=["whole", "range"])
@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
async def test_head_tells_what_get_would(
    client: ClientSession, hosted: Hosted, large: Hosted, is_large: bool, asked: dict[str, str]
) -> None:
    picture = large if is_large else hosted
    headers = asked | {"X-Request-Id": "the-same"}
    async with client.get(picture.url, headers=headers) as response:
        status, wanted = response.status, dict(response.headers)
        await response.read()
    async with client.head(picture.url, headers=headers) as response:
        found, body = dict(response.headers), await response.read()

    assert (response.status, body) == (status, b"")
    assert found | {"Date": ""} == wanted | {"Date": ""}


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=0-0", 0, 1),
        ("bytes=100-299", 100, 300),
        ("bytes=300000-399999", 300_000, 400_000),
        ("bytes=1000-", 1000, None),
        ("bytes=-77", -77, None),
        ("bytes=-99999999", 0, None),
        ("bytes=5-99999999", 5, None),
        ("bytes= 7 - 9 ", 7, 10),
    ],
)
async def test_a_range_is_sent_alone(
    client: ClientSession, large: Hosted, asked: str, start: int, end: int | None
) -> None:
    wanted = large.content[start:end]
    first = start if start >= 0 else len(large.content) + start
    async with client.get(large.url, headers={"Range": asked}) as response:
        content = await response.read()

    assert response.status == 206
    assert content == wanted
    assert response.headers["Content-Length"] == str(len(wanted))
    span = f"{first}-{first + len(wanted) - 1}"
    assert response.headers["Content-Range"] == f"bytes {span}/{len(large.content)}"


async def test_the_last_byte_can_be_asked_for(client: ClientSession, hosted: Hosted) -> None:
    size = len(hosted.content)
    async with client.get(hosted.url, headers={"Range": f"bytes={size - 1}-"}) as response:
        assert (response.status, await response.read()) == (206, hosted.content[-1:])


@pytest.mark.parametrize("asked", ["bytes={size}-", "bytes=99999999-99999999", "bytes=-0"])
async def test_a_range_behind_the_end_cannot_be_sent(
    client: ClientSession, hosted: Hosted, asked: str
) -> None:
    size = len(hosted.content)
    async with client.get(hosted.url, headers={"Range": asked.format(size=size)}) as response:
        found = await problem(response)

    assert (found["status"], found["code"], found["limit"]) == (416, "range_not_satisfiable", size)
    assert response.headers["Content-Range"] == f"bytes */{size}"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "asked",
    [
        *("bytes=0-1,4-5", "bytes=-", "bytes=9-5", "bytes=a-b", "lines=0-1", "bytes", ""),
        *("bytes=--5", "bytes=1.5-2", "bytes=٣-٤", f"bytes=0-{'9' * 5000}"),
    ],
)
async def test_what_is_no_single_range_is_answered_whole(
    client: ClientSession, hosted: Hosted, asked: str
) -> None:
    async with client.get(hosted.url, headers={"Range": asked}) as response:
        assert (response.status, await response.read()) == (200, hosted.content)


async def test_a_range_holds_only_for_the_picture_it_was_begun_with(
    client: ClientSession, hosted: Hosted
) -> None:
    etag = await _etag(client, hosted.url)
    statuses = {}
    for condition in (etag, '"another"', f"W/{etag}", "Sat, 21 Nov 2026 10:00:00 GMT"):
        headers = {"Range": "bytes=0-9", "If-Range": condition}
        async with client.get(hosted.url, headers=headers) as response:
            await response.read()
            statuses[condition] = response.status

    assert list(statuses.values()) == [206, 200, 200, 200]


async def test_an_unknown_variant_is_told_the_known_ones(client: ClientSession) -> None:
    options = {"variants": [{"name": "small", "format": "png"}, {"name": "large"}]}
    answer = await upload(client, jpeg(), options=options)
    async with client.get(f"{answer['url']}/medium") as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (404, "not_found")
    assert "small, large" in found["detail"]


async def test_the_first_variant_is_the_pictures_own(client: ClientSession) -> None:
    options = {"variants": [{"name": "small", "format": "png"}, {"name": "large"}]}
    answer = await upload(client, jpeg(), options=options)
    async with client.get(answer["url"]) as response:
        assert response.headers["Content-Type"] == "image/png"


async def test_a_file_that_is_gone_is_told_so(client: ClientSession, hosted: Hosted) -> None:
    hosted.path.unlink()
    async with client.get(hosted.url) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (410, "expired")


async def test_a_file_that_became_shorter_breaks_off_instead_of_seeming_whole(
    client: ClientSession, large: Hosted
) -> None:
    os.truncate(large.path, 300_000)
    with pytest.raises(ClientPayloadError):
        async with client.get(large.url) as response:
            await response.read()


async def test_a_picture_that_is_not_ready_is_told_so(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with busy_lane(lane, lane_server) as running:
        waiting = (await upload(lane, jpeg(), at_once=True))["jobId"]
        told = {}
        for job_id in (running, waiting):
            async with lane.get(f"/image/{job_id}") as response:
                told[job_id] = await problem(response)

    assert [(one["status"], one["code"]) for one in told.values()] == [(409, "not_ready")] * 2
    assert "processing" in told[running]["detail"]
    assert "queued" in told[waiting]["detail"]


async def _etag(client: ClientSession, url: str) -> str:
    async with client.head(url) as response:
        return response.headers["ETag"]
