"""One fetch against servers that are slow, wrong, or hostile."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from server.config.sections import FetchSettings
from server.intake.fetch.download import Download, Downloader, Validators
from server.intake.fetch.faults import FetchFailed
from server.intake.fetch.guard import Guard
from server.intake.fetch.session import guarded_session
from server.storage.spool import Spool, Spooled
from tests.intake.names import Names
from tests.intake.origin import Origin, raw, redirect, serve_origin

MAX_BYTES = 1_000_000
BODY = bytes(range(256)) * 100
NOTHING = Validators()


@pytest_asyncio.fixture
async def origin() -> AsyncIterator[Origin]:
    """A server of strangers."""
    async with serve_origin() as served:
        yield served


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Where what is fetched goes."""
    made = Spool(tmp_path, max_upload_bytes=MAX_BYTES, refuse_if_low=lambda: None)
    made.prepare()
    return made


async def fetch(
    url: str, spool: Spool, known: Validators = NOTHING, **settings: object
) -> Download:
    """One attempt, quick to lose patience."""
    chosen = FetchSettings.model_validate(
        {
            "ports": [0],
            "allow_networks": ["127.0.0.0/8", "::1/128"],
            "connect_timeout_s": 20,
            "stall_timeout_s": 2,
            "total_timeout_s": 30,
            **settings,
        }
    )
    guard = Guard(chosen)

    async def receive(chunks: AsyncIterator[bytes]) -> Spooled:
        return await spool.receive("one", "one", chunks)

    async with guarded_session(guard, chosen, resolver=Names({})) as session:
        downloader = Downloader(session, guard, chosen, max_bytes=MAX_BYTES)
        return await downloader.fetch(url, receive, known)


async def failure(url: str, spool: Spool, **settings: object) -> FetchFailed:
    """Why it did not work; whatever the reason, nothing is left."""
    with pytest.raises(FetchFailed) as failed:
        await fetch(url, spool, **settings)
    assert spool.leftovers() == []
    return failed.value


async def test_bytes_come_as_they_are_with_what_is_needed_to_ask_again(
    origin: Origin, spool: Spool
) -> None:
    url = origin.bytes("/a", BODY, ETag='"one"', **{"Last-Modified": "yesterday"})

    download = await fetch(url, spool)

    assert download.spooled is not None
    assert download.spooled.path.read_bytes() == BODY
    assert download.validators == Validators('"one"', "yesterday")


async def test_nothing_of_ours_is_told(
    origin: Origin, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cookie, no password, no proxy; what one host sets, the next does not hear."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    origin.bytes("/end", BODY)
    sending = redirect(origin.url("/end", "[::1]"))

    async def with_cookie(request: web.Request) -> web.StreamResponse:
        response = await sending(request)
        response.set_cookie("secret", "1")
        return response

    await fetch(origin.answer("/start", with_cookie), spool, user_agent="Safelight test")

    for request in origin.seen:
        assert set(request.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding"}
        assert request.headers["User-Agent"] == "Safelight test"
        assert request.headers["Accept-Encoding"] == "identity"


async def test_what_is_known_is_asked_for_by_its_validators(origin: Origin, spool: Spool) -> None:
    async def answer(request: web.Request) -> web.Response:
        is_known = request.headers.get("If-None-Match") == '"one"'
        return web.Response(status=304) if is_known else web.Response(body=BODY)

    url = origin.answer("/a", answer)

    assert (await fetch(url, spool, Validators('"one"', ""))).spooled is None
    assert (await fetch(url, spool, Validators('"two"', ""))).spooled is not None


async def test_304_without_a_question_is_no_picture(origin: Origin, spool: Spool) -> None:
    url = origin.answer("/a", raw("HTTP/1.1 304 Not Modified"))

    assert (await failure(url, spool)).code == "fetch_failed"


@pytest.mark.parametrize("hops", [0, 3])
async def test_a_chain_of_redirects_is_followed(hops: int, origin: Origin, spool: Spool) -> None:
    origin.bytes("/0", BODY)
    for hop in range(1, hops + 1):
        origin.answer(f"/{hop}", redirect(f"/{hop - 1}"))

    assert (await fetch(origin.url(f"/{hops}"), spool)).spooled is not None


async def test_a_longer_chain_is_not(origin: Origin, spool: Spool) -> None:
    url = origin.answer("/", redirect("/"))

    failed = await failure(url, spool)

    assert (failed.code, failed.may_recover) == ("fetch_failed", False)
    assert origin.hits["/"] == 4


@pytest.mark.parametrize(
    ("status", "may_recover"),
    [
        *((204, False), (206, False), (401, False), (404, False), (410, False), (501, False)),
        *((429, True), (500, True), (503, True), (504, True)),
    ],
)
async def test_a_status_says_whether_to_come_again(
    status: int, may_recover: bool, origin: Origin, spool: Spool
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Retry-After": "7"})

    failed = await failure(origin.answer("/", answer), spool)

    assert (failed.code, failed.may_recover) == ("fetch_failed", may_recover)
    assert failed.retry_after_s == 7


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        *(("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("0", 0)),
        *(("soon", None), ("-1", None), ("1e9", None), ("9" * 12, None)),
    ],
)
async def test_retry_after_is_seconds_or_a_date(
    written: str, seconds: float | None, origin: Origin, spool: Spool
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": written})

    assert (await failure(origin.answer("/", answer), spool)).retry_after_s == seconds


async def test_too_many_bytes_are_refused_when_announced(origin: Origin, spool: Spool) -> None:
    head = f"HTTP/1.1 200 OK\nContent-Length: {MAX_BYTES + 1}"

    assert (await failure(origin.answer("/", raw(head)), spool)).code == "fetch_too_large"


async def test_too_many_bytes_are_refused_when_they_come(origin: Origin, spool: Spool) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(bytes(100_000))
        return response

    assert (await failure(origin.answer("/", answer), spool)).code == "fetch_too_large"


async def test_a_bomb_is_unpacked_no_further_than_the_limit(origin: Origin, spool: Spool) -> None:
    bomb = gzip.compress(bytes(300 * MAX_BYTES), compresslevel=9)
    assert len(bomb) < MAX_BYTES
    url = origin.bytes("/", bomb, **{"Content-Encoding": "gzip"})

    assert (await failure(url, spool)).code == "fetch_too_large"


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY, wbits=-15)),
        ("identity", BODY),
        ("", BODY),
    ],
)
async def test_packed_bytes_are_unpacked_though_nobody_asked(
    coding: str, packed: bytes, origin: Origin, spool: Spool
) -> None:
    download = await fetch(origin.bytes("/", packed, **{"Content-Encoding": coding}), spool)

    assert download.spooled is not None
    assert download.spooled.path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("coding", "packed"),
    [("br", BODY), ("gzip, gzip", BODY), ("gzip", BODY), ("gzip", gzip.compress(BODY)[:-20])],
)
async def test_what_cannot_be_unpacked_fails(
    coding: str, packed: bytes, origin: Origin, spool: Spool
) -> None:
    url = origin.bytes("/", packed, **{"Content-Encoding": coding})

    assert (await failure(url, spool)).code == "fetch_failed"


@pytest.mark.parametrize(
    "answer",
    [
        raw("HTTP/1.1 200 OK\nContent-Length: 50000", BODY),
        raw("HTTP/1.1 200 OK\nContent-Length: 10", BODY),
        raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"6400\r\n" + BODY),
        raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"zz\r\n"),
        raw("HTTP/1.1 200 OK\nContent-Length: many", BODY),
        raw("nonsense"),
        raw(f"HTTP/1.1 200 OK\nX-Long: {'a' * 100_000}"),
        raw("HTTP/1.1 200 OK\n" + "\n".join(f"X-{number}: 1" for number in range(1000))),
    ],
    ids=[
        "less",
        "more",
        "cut chunk",
        "no chunk",
        "no length",
        "no HTTP",
        "long header",
        "many headers",
    ],
)
async def test_an_answer_that_breaks_off_may_come_whole_another_time(
    answer: object, origin: Origin, spool: Spool
) -> None:
    failed = await failure(origin.answer("/", answer), spool)  # type: ignore[arg-type]

    assert (failed.code, failed.may_recover) == ("fetch_failed", True)


async def test_no_bytes_are_no_picture(origin: Origin, spool: Spool) -> None:
    assert (await failure(origin.bytes("/", b""), spool)).code == "fetch_not_image"


@pytest.mark.parametrize("sends_head", [True, False])
async def test_silence_is_not_waited_out(sends_head: bool, origin: Origin, spool: Spool) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        if sends_head:
            await response.prepare(request)
            await response.write(b"x")
        await asyncio.sleep(3600)
        return response

    failed = await failure(origin.answer("/", answer), spool)

    assert (failed.code, failed.may_recover) == ("fetch_timeout", True)


async def test_a_trickle_ends_with_the_time_for_all(origin: Origin, spool: Spool) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    failed = await failure(origin.answer("/", answer), spool, total_timeout_s=0.5)

    assert failed.code == "fetch_timeout"


async def test_nobody_listening_and_no_such_name_are_told_apart(
    origin: Origin, spool: Spool, unused_tcp_port: int
) -> None:
    nobody = await failure(f"http://127.0.0.1:{unused_tcp_port}/", spool)
    nowhere = await failure("http://no-such-name.example/", spool)

    assert (nobody.code, nobody.may_recover) == ("fetch_failed", True)
    assert (nowhere.code, nowhere.may_recover) == ("fetch_failed", False)
    assert nobody.detail != nowhere.detail


async def test_a_server_without_tls_is_a_failure_of_its_own(origin: Origin, spool: Spool) -> None:
    failed = await failure(replace(origin).url("/").replace("http:", "https:"), spool)

    assert (failed.code, failed.may_recover) == ("fetch_failed", False)
