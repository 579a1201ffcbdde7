"""The layer that turns errors into problems, around handlers that fail in every way."""

import errno
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientPayloadError, ClientSession, web
from aiohttp.test_utils import TestServer
from redis.exceptions import OutOfMemoryError, RedisError

from server.edge.problems import tell_problems
from server.refusals import BadRequest
from tests.edge.problem import problem

ERRORS: dict[str, tuple[Exception, int, str]] = {
    "disk": (OSError(errno.ENOSPC, "no space", "/var/data/x"), 507, "disk_full"),
    "redis": (RedisError("connection to /run/redis.sock refused"), 503, "unavailable"),
    "memory": (OutOfMemoryError("OOM command not allowed"), 503, "unavailable"),
    "defect": (RuntimeError("secret at /srv/safelight/app.py"), 500, "internal_error"),
    "os": (OSError(errno.EIO, "i/o", "/var/data/x"), 500, "internal_error"),
    "surrogate": (BadRequest("got '\udcff'"), 400, "bad_request"),
    "markup": (BadRequest("got '<script>'"), 400, "bad_request"),
    "http": (web.HTTPBadRequest(reason="Bad Request"), 400, "bad_request"),
    "large": (web.HTTPRequestEntityTooLarge(max_size=1), 413, "too_large"),
}


async def _fail(request: web.Request) -> web.Response:
    raise ERRORS[request.match_info["kind"]][0]


async def _fail_in_the_middle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"x" * 10)
    raise RuntimeError("the disk went away")


@pytest_asyncio.fixture
async def client() -> AsyncIterator[ClientSession]:
    app = web.Application(middlewares=[tell_problems])
    app.add_routes([web.get("/middle", _fail_in_the_middle), web.get("/{kind}", _fail)])
    async with TestServer(app) as server, ClientSession(server.make_url("/")) as session:
        yield session


@pytest.mark.parametrize("kind", ERRORS)
async def test_every_error_is_a_problem_that_gives_nothing_away(
    client: ClientSession, kind: str
) -> None:
    _, status, code = ERRORS[kind]
    async with client.get(f"/{kind}") as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (status, code)
    assert ("Retry-After" in response.headers) == (status == 503)


async def test_an_error_after_the_head_breaks_the_response_off(client: ClientSession) -> None:
    with pytest.raises(ClientPayloadError):
        async with client.get("/middle") as response:
            assert response.status == 200
            await response.read()

    async with client.get("/http") as response:
        assert response.status == 400


async def test_a_browser_that_opens_the_address_is_shown_a_page(client: ClientSession) -> None:
    browsers = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "X-Request-Id": "me"}
    async with client.get("/markup", headers=browsers) as response:
        page = await response.text()

    assert (response.status, response.content_type) == (400, "text/html")
    assert "The request cannot be understood" in page and "request me" in page
    assert "&lt;script&gt;" in page and "<script" not in page and "$" not in page
    assert "script-src" not in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("accept", ["*/*", "image/avif,image/*", "application/json, text/html"])
async def test_programs_and_pictures_get_the_problem_itself(
    client: ClientSession, accept: str
) -> None:
    async with client.get("/http", headers={"Accept": accept}) as response:
        assert (await problem(response))["code"] == "bad_request"
