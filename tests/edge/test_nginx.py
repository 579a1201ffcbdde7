"""Behind a real nginx with the sample of deploy/: everything works as it does without."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, TCPConnector

from tests import server_process
from tests.edge.busy import busy_lane
from tests.edge.forms import AT_ONCE, form, upload
from tests.edge.gated import bearer, settings
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.nginx_process import Nginx, nginx_program, sample
from tests.patience import PATIENCE_S
from tests.ports import free_port
from tests.server_process import ServerProcess

pytestmark = pytest.mark.skipif(nginx_program() is None, reason="nginx is not installed")

HOT_FILE_BYTES = 100_000
SMALL, LARGE = (60, 40), (400, 300)  # pixels of PNGs of noise, on both sides of that
UNSAID_IN_304 = {"Content-Type", "Content-Length", "Accept-Ranges"}
KEPT_BY_NGINX = "X-Accel-Expires"
SAME = (
    *("ETag", "Content-Type", "Content-Length", "Cache-Control", "Accept-Ranges", "Vary"),
    *("X-Content-Type-Options", "Content-Security-Policy", "Cross-Origin-Resource-Policy"),
    *("Content-Disposition", "Content-Location", "Content-Range", "Last-Modified"),
)


@dataclass(frozen=True)
class Front:
    """Clients of a server, without nginx and through it."""

    server: ServerProcess
    plain: ClientSession
    nginx: ClientSession
    nginx_url: str


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, Nginx]]:
    folder = tmp_path_factory.mktemp("nginx")
    server = server_process.start(
        folder / "data",
        environment={
            **settings(max_wrong_keys=2),
            "SAFELIGHT_SERVER__TRUSTED_PROXIES": '["127.0.0.1/32"]',
            "SAFELIGHT_HOSTING__X_ACCEL_PREFIX": "/_pictures/",
            "SAFELIGHT_HOSTING__PROXY_CACHE_S": "1",
            "SAFELIGHT_HOSTING__HOT_FILE_BYTES": str(HOT_FILE_BYTES),
            "SAFELIGHT_POOL__MAX_LANES": "1",
        },
    )
    port = free_port()
    nginx = Nginx(folder / "nginx", port, sample(server.url, server.data_dir, folder, port))
    try:
        nginx.start()
        yield server, nginx
    finally:
        nginx.stop()
        server.close()


@pytest_asyncio.fixture
async def front(pair: tuple[ServerProcess, Nginx]) -> AsyncIterator[Front]:
    server, nginx = pair
    async with (
        ClientSession(server.url, headers=bearer("ci")) as plain,
        ClientSession(nginx.url, headers=bearer("ci")) as through,
    ):
        yield Front(server, plain, through, nginx.url)


async def picture(front: Front, size: tuple[int, int], **fields: str) -> str:
    """The id of a PNG that came through nginx."""
    data = form(("Katze.jpg", jpeg(*size)), options='{"format": "png"}', **fields)
    async with front.nginx.post("/upload", data=data) as response:
        answer: dict[str, Any] = await response.json()
    assert response.status == 200, answer
    return str(answer["imageId"])


async def asked(
    url: str, path: str, *, method: str = "GET", anybody: bool = True, **headers: str
) -> tuple[int, dict[str, str | None], bytes]:
    """Status, the headers that matter and the body, asked for without a key unless said so."""
    headers = headers if anybody else headers | bearer("ci")
    async with (
        ClientSession(url) as session,
        session.request(method, path, headers=headers) as response,
    ):
        body = await response.read()
        return response.status, {name: response.headers.get(name) for name in SAME}, body


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "bytes=10-99"},
        {"Range": "bytes=-7"},
        {"Range": "bytes=10-99", "If-Range": "{etag}"},
        {"Range": "bytes=10-99", "If-Range": '"another"'},
        {"If-None-Match": "{etag}"},
        {"If-None-Match": "W/{etag}"},
        {"If-None-Match": '"another"'},
    ],
    ids=lambda headers: " ".join(headers.values()) or "plain",
)
async def test_a_picture_is_the_same_through_nginx(
    front: Front, size: tuple[int, int], method: str, headers: dict[str, str]
) -> None:
    path = f"/image/{await picture(front, size)}"
    status, head, _ = await asked(front.server.url, path)
    etag = head["ETag"] or ""
    headers = {name: value.format(etag=etag) for name, value in headers.items()}
    wanted = await asked(front.server.url, path, method=method, **headers)
    for _ in range(2):  # the second time it may come from nginx's cache
        found = await asked(front.nginx_url, path, method=method, **headers)
        assert found[0] == wanted[0]
        assert found[2] == wanted[2]
        # Of a body that is not there or not whole both need not say all that they could.
        apart = {200: set(), 206: {"Accept-Ranges"}, 304: UNSAID_IN_304}[found[0]]
        assert {name: value for name, value in found[1].items() if name not in apart} == {
            name: value for name, value in wanted[1].items() if name not in apart
        }

    assert status == 200


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
async def test_bytes_behind_the_end_are_416(front: Front, size: tuple[int, int]) -> None:
    path = f"/image/{await picture(front, size)}"
    status, headers, _ = await asked(front.nginx_url, path, Range="bytes=99999999-")

    assert status == 416
    assert str(headers["Content-Range"]).startswith("bytes */")


async def test_a_large_picture_is_read_from_the_disk_by_nginx(front: Front) -> None:
    image_id = await picture(front, LARGE)
    headers = {"X-Sendfile-Type": "X-Accel-Redirect"}
    async with front.plain.get(f"/image/{image_id}", headers=headers) as response:
        body = await response.read()

    assert (response.status, body) == (200, b"")
    assert response.headers["X-Accel-Redirect"] == (
        f"/_pictures/results/{image_id[:2]}/{image_id}/default.png"
    )
    assert KEPT_BY_NGINX not in response.headers


async def test_a_small_picture_is_kept_by_nginx_for_the_time_it_may(front: Front) -> None:
    image_id = await picture(front, SMALL)
    headers = {"X-Sendfile-Type": "X-Accel-Redirect"}
    etag = ""
    for extra in ({}, {"If-None-Match": "{etag}"}):
        extra = {name: value.format(etag=etag) for name, value in extra.items()}
        async with front.plain.get(f"/image/{image_id}", headers=headers | extra) as response:
            etag = response.headers["ETag"]
            assert response.headers[KEPT_BY_NGINX] == "1"
    ids = set()
    async with ClientSession(front.nginx_url) as session:
        for _ in range(20):
            async with session.get(f"/image/{image_id}") as response:
                ids.add(response.headers["X-Request-Id"])

    assert len(ids) < 20  # some were answered with what was kept


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
async def test_a_deleted_picture_is_gone_behind_nginx_too(
    front: Front, size: tuple[int, int]
) -> None:
    path = f"/image/{await picture(front, size)}"
    for _ in range(3):
        assert (await asked(front.nginx_url, path))[0] == 200
    async with front.nginx.delete(path) as response:
        assert response.status == 204
    async with asyncio.timeout(PATIENCE_S):
        while (await asked(front.nginx_url, path))[0] != 410:  # noqa: ASYNC110 (nobody tells us)
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
async def test_a_private_picture_is_for_its_owner_alone(
    front: Front, size: tuple[int, int]
) -> None:
    path = f"/image/{await picture(front, size, private='true')}"
    for _ in range(2):
        status, headers, body = await asked(front.nginx_url, path, anybody=False)
        assert (status, headers["Cache-Control"]) == (200, "private, no-store")
        assert body
        assert (await asked(front.nginx_url, path))[0] == 404


async def test_a_file_that_went_this_moment_is_told_by_the_server(front: Front) -> None:
    image_id = await picture(front, LARGE)
    (front.server.data_dir / "results" / image_id[:2] / image_id / "default.png").unlink()
    async with front.nginx.get(f"/image/{image_id}") as response:
        assert (response.status, (await problem(response))["code"]) == (410, "expired")


async def test_nobody_reaches_the_files_past_the_server(front: Front) -> None:
    image_id = await picture(front, SMALL, private="true")
    for path in (
        f"/_pictures/results/{image_id[:2]}/{image_id}/default.png",
        "/_pictures/signing-keys",
        "/_pictures/../_pictures/signing-keys",
    ):
        status, _, body = await asked(front.nginx_url, path)
        assert status == 404
        assert b"PNG" not in body


async def test_a_download_has_its_name(front: Front) -> None:
    path = f"/image/{await picture(front, LARGE)}?download"
    for url in (front.server.url, front.nginx_url):
        _, headers, _ = await asked(url, path)
        assert headers["Content-Disposition"] == 'attachment; filename="Katze.png"'


async def test_a_large_upload_streams_through(front: Front) -> None:
    content = jpeg(2000, 1500)
    assert len(content) > 1024 * 1024  # what nginx would take by itself
    answer = await upload(front.nginx, content, options={"resize": {"width": 10}})

    assert answer["status"] == "completed"


async def test_events_come_through_while_the_work_goes_on(front: Front) -> None:
    """Over WebSocket and SSE: a proxy that waited for a full buffer would tell the end only."""
    data = form(*[(f"{n}.jpg", jpeg(160 + n, 120)) for n in range(6)])
    told = []
    async with asyncio.timeout(PATIENCE_S), front.nginx.ws_connect("/ws") as socket:
        async with busy_lane(front.plain, front.server):
            async with front.nginx.post("/upload", data=data, headers=AT_ONCE) as response:
                batch_id = (await response.json())["jobId"]
            async with front.nginx.get(f"/events/{batch_id}") as stream:
                assert stream.headers["Content-Type"].startswith("text/event-stream")
                async for line in stream.content:
                    if line.startswith(b"data:"):
                        told.append(json.loads(line.removeprefix(b"data:")))
                        break
            await socket.send_json({"type": "subscribe", "jobId": batch_id})
            told.append(await socket.receive_json())
        while told[-1]["status"] != "completed":
            told.append(await socket.receive_json())

    assert {one["jobId"] for one in told} == {batch_id}
    assert told[0]["status"] == told[1]["status"] == "processing"


async def test_the_client_is_who_asked_nginx(front: Front) -> None:
    """Neither nginx itself nor whom somebody claims to speak for: wrong keys are counted so."""
    told = []
    for address, claimed in (
        ("127.0.0.2", 1),
        ("127.0.0.2", 2),
        ("127.0.0.2", 3),
        ("127.0.0.3", 4),
    ):
        headers = {"X-Api-Key": "sl_wrong", "X-Forwarded-For": f"203.0.113.{claimed}"}
        async with (
            ClientSession(connector=TCPConnector(local_addr=(address, 0))) as session,
            session.get(f"{front.nginx_url}/status/x", headers=headers) as response,
        ):
            told.append(response.status)

    assert told == [401, 401, 429, 401]


async def test_a_wrong_key_is_refused_however_hot_the_picture_is(front: Front) -> None:
    path = f"/image/{await picture(front, SMALL)}"
    for _ in range(3):
        assert (await asked(front.nginx_url, path))[0] == 200
    status, _, _ = await asked(front.nginx_url, path, **{"X-Api-Key": "sl_wrong"})

    assert status == 401
