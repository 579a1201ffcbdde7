"""POST /process with application/x-ndjson: lists of any length, read while they come."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientConnectionError, ClientSession, web

from server.jobs import names
from tests import server_process
from tests.conftest import SERVERS
from tests.edge.forms import end_of, status_of, upload
from tests.edge.problem import problem
from tests.edge.traces import eventually, is_idle, redis_of
from tests.intake.asking import NDJSON, ask, ask_in_lines, in_lines
from tests.intake.conftest import MAX_LINE_BYTES, PICTURE, fetching
from tests.intake.origin import Origin
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

LINES = 3000
JSON = {"Content-Type": "application/json"}
BUDGET_BYTES = 700  # of Redis for each job that waits


def waiting_urls(server: ServerProcess) -> int:
    """How many URLs stand in line."""
    fields = [names.waiting_count(one) for one in names.FETCH_CLASSES]
    with redis_of(server) as redis:
        return sum(int(value or 0) for value in redis.hmget(names.QUEUE, fields))


def stuck(origin: Origin) -> str:
    """A URL whose answer never comes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    return origin.answer("/stuck", answer)


async def test_lines_become_a_batch_in_their_order(
    fetching_client: ClientSession, origin: Origin
) -> None:
    url = origin.url("/picture.jpg")
    here = (await upload(fetching_client, PICTURE))["imageId"]
    lines = [
        {"imageUrl": url},
        {"imageUrl": f"{url}?2", "name": "two/../2nd.jpg"},
        {"imageUrl": f"{url}?3", "options": {"resize": {"width": 5}}},
        {"imageId": here, "name": "here"},
        {"imageUrl": origin.url("/none")},
    ]

    answer = await ask_in_lines(fetching_client, lines, options='{"resize": {"width": 7}}')
    batch = await end_of(fetching_client, answer["jobId"])

    assert (answer["accepted"], answer["refusedCount"], answer["refused"]) == (5, 0, [])
    images = batch["images"]
    assert [one["name"] for one in images] == [
        "picture.jpg",
        "2nd.jpg",
        "picture.jpg",
        "here",
        "none",
    ]
    assert [one["variants"][0]["width"] for one in images[:4]] == [7, 7, 5, 7]
    assert [one["status"] for one in images] == ["completed"] * 4 + ["failed"]
    async with fetching_client.get(f"/job/{images[4]['jobId']}") as response:
        assert (await response.json())["recipe"]["resize"]["width"] == 7


async def test_a_bad_line_is_told_by_its_number_and_stops_nobody(
    fetching_client: ClientSession, origin: Origin
) -> None:
    good = {"imageUrl": origin.url("/picture.jpg")}
    bad = [
        (2, b"{", "bad_request"),
        (3, b"[]", "bad_request"),
        (4, b'{"imageUrl": "\xff"}', "bad_request"),
        (5, b'{"imageUrl": "' + b"a" * MAX_LINE_BYTES + b'"}', "too_large"),
        (6, b"[" * 1500 + b"]" * 400, "bad_request"),
        (7, {"imageUrl": "http://10.0.0.1/"}, "fetch_refused"),
        (8, {"imageId": "nothing"}, "not_found"),
        (9, {}, "bad_request"),
        (10, {**good, "imageId": "x"}, "bad_request"),
        (11, {**good, "callbackUrl": "x"}, "bad_request"),
        (12, {**good, "options": {"resize": {"width": -1}}}, "bad_options"),
        (13, {**good, "name": 1}, "bad_request"),
    ]
    lines = [good, *(line for _, line, _ in bad), b"", b"  \r", good]

    answer = await ask_in_lines(fetching_client, b"\xef\xbb\xbf" + in_lines(lines).rstrip(b"\n"))
    batch = await end_of(fetching_client, answer["jobId"])

    told = [(one["line"], one["problem"]["type"].rpartition("/")[2]) for one in answer["refused"]]
    assert sorted(told) == [(number, code) for number, _, code in bad]
    assert (answer["accepted"], answer["refusedCount"]) == (2, len(bad))
    assert batch["counts"]["completed"] == batch["total"] == 2


async def test_only_the_first_hundred_bad_lines_are_told(
    fetching_client: ClientSession, origin: Origin
) -> None:
    lines = [*(b"x" for _ in range(150)), {"imageUrl": origin.url("/picture.jpg")}]

    answer = await ask_in_lines(fetching_client, lines)
    await end_of(fetching_client, answer["jobId"])

    assert [one["line"] for one in answer["refused"]] == list(range(1, 101))
    assert answer["refusedCount"] == 150


@pytest.mark.parametrize("body", [b"", b"\n\n \n", b"{\n", b'{"imageUrl":"http://10.0.0.1/"}'])
async def test_a_list_without_a_good_line_makes_nothing(
    body: bytes, fetching_client: ClientSession, fetch_server: ServerProcess
) -> None:
    with redis_of(fetch_server) as redis:
        before = redis.dbsize()
        async with fetching_client.post("/process", data=body, headers=NDJSON) as response:
            await problem(response)

        assert response.status in (400, 422)
        assert redis.dbsize() <= before


async def test_wrong_fields_are_refused_before_any_line(fetching_client: ClientSession) -> None:
    for query, status in (({"size": "3"}, 400), ({"preset": "none"}, 422)):
        async with fetching_client.post(
            "/process", data=b"{}", headers=NDJSON, params=query
        ) as response:
            await problem(response)
        assert response.status == status


async def test_a_batch_is_in_work_for_as_long_as_its_list_comes(
    fetching_client: ClientSession, fetch_server: ServerProcess, origin: Origin
) -> None:
    """Its first picture is done long before, and that is not the end of it."""
    url = origin.url("/picture.jpg")
    may_end = asyncio.Event()

    async def lines() -> AsyncIterator[bytes]:
        yield in_lines([{"imageUrl": url}])
        await may_end.wait()
        yield in_lines([{"imageUrl": f"{url}?2"}])

    asking = asyncio.create_task(ask_in_lines(fetching_client, lines()))
    batch_id = await open_batch(fetch_server)
    async with asyncio.timeout(PATIENCE_S):
        while (batch := await status_of(fetching_client, batch_id))["counts"]["completed"] < 1:
            pass
    assert batch["status"] == "processing"
    may_end.set()
    answer = await asking

    assert answer["jobId"] == batch_id
    batch = await end_of(fetching_client, batch_id)
    assert (batch["status"], batch["total"]) == ("completed", 2)


async def test_a_list_that_breaks_off_stops_what_it_began(
    fetching_client: ClientSession, fetch_server: ServerProcess, origin: Origin
) -> None:
    may_break = asyncio.Event()
    url = stuck(origin)

    async def lines() -> AsyncIterator[bytes]:
        yield in_lines([{"imageUrl": f"{url}?{number}"} for number in range(20)])
        await may_break.wait()
        raise ConnectionResetError("the client is gone")

    asking = asyncio.create_task(ask_in_lines(fetching_client, lines()))
    batch_id = await open_batch(fetch_server)
    await eventually(lambda: origin.open > 0)
    may_break.set()
    with pytest.raises((ClientConnectionError, ConnectionResetError)):
        await asking

    batch = await end_of(fetching_client, batch_id)
    assert (batch["status"], batch["counts"]["cancelled"]) == ("completed", 20)
    await eventually(lambda: origin.open == 0)


async def test_a_batch_that_is_cancelled_takes_no_more_lines(
    fetching_client: ClientSession, fetch_server: ServerProcess, origin: Origin
) -> None:
    may_go_on = asyncio.Event()
    url = stuck(origin)

    async def lines() -> AsyncIterator[bytes]:
        yield in_lines([{"imageUrl": url}])
        await may_go_on.wait()
        yield in_lines([{"imageUrl": url}])

    asking = asyncio.create_task(fetching_client.post("/process", data=lines(), headers=NDJSON))
    batch_id = await open_batch(fetch_server)
    async with fetching_client.delete(f"/job/{batch_id}") as response:
        assert response.status == 200
    may_go_on.set()

    async with await asking as response:
        found = await problem(response)
    assert (response.status, found["code"]) == (409, "already_ended")
    assert (await end_of(fetching_client, batch_id))["counts"]["cancelled"] == 1


async def open_batch(server: ServerProcess) -> str:
    """The batch whose list is being read just now."""
    with redis_of(server) as redis:
        await eventually(lambda: redis.zcard(names.OPEN) == 1)
        return str(redis.zrange(names.OPEN, 0, -1)[0])


async def test_watching_a_list_of_ten_thousand_costs_one_subscription(
    fetching_client: ClientSession, fetch_server: ServerProcess, origin: Origin
) -> None:
    url = stuck(origin)
    lines = [{"imageUrl": f"{url}?{number}"} for number in range(10_000)]
    batch_id = (await ask_in_lines(fetching_client, lines))["jobId"]
    with redis_of(fetch_server) as redis:
        before = set(redis.pubsub_channels("events:*"))
        async with (
            fetching_client.ws_connect("/ws") as socket,
            fetching_client.get(f"/events/{batch_id}") as stream,
        ):
            await socket.send_json({"type": "subscribe", "jobId": batch_id})
            first = await socket.receive_json()
            await stream.content.readline()
            channels = set(redis.pubsub_channels("events:*")) - before
    async with fetching_client.delete(f"/job/{batch_id}"):
        await end_of(fetching_client, batch_id)

    assert (first["total"], channels) == (10_000, {f"events:{batch_id}"})


@pytest.fixture(scope="module")
def held_server(
    shared_origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """Fetches one thing at a time, asks for it once a minute, lets so many URLs wait."""
    settings = {
        "SAFELIGHT_FETCH__CONCURRENCY": "1",
        "SAFELIGHT_FETCH__MAX_WAITING": str(LINES),
        "SAFELIGHT_FETCH__CACHE_S": "60",
        "SAFELIGHT_QUEUE__LEASE_S": "2",
    }
    server = server_process.start(
        tmp_path_factory.mktemp("held-server") / "data",
        environment=fetching(shared_origin, **settings),
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def held(
    request: pytest.FixtureRequest, held_server: ServerProcess
) -> AsyncIterator[ClientSession]:
    """Talks to it; afterwards it has nothing to do."""
    request.node.stash[SERVERS] = [held_server]
    async with ClientSession(held_server.url) as session:
        yield session
    await eventually(lambda: is_idle(held_server) and not waiting_urls(held_server))


async def test_what_was_fetched_just_now_is_not_asked_for(
    held: ClientSession, origin: Origin
) -> None:
    url = origin.url("/picture.jpg")
    first = await ask(held, imageUrl=url)
    again = await ask(held, imageUrl=url)
    other = await ask(held, imageUrl=url, options={"resize": {"width": 9}})

    assert origin.hits["/picture.jpg"] == 1
    assert [one["cached"] for one in (first, again, other)] == [False, True, False]
    assert other["variants"][0]["width"] == 9


def bytes_of_all_keys(server: ServerProcess) -> int:
    """What all of Redis' keys take, with their values."""
    with redis_of(server) as redis, redis.pipeline(transaction=False) as pipeline:
        for key in redis.scan_iter(count=1000):
            pipeline.memory_usage(key, samples=0)
        return sum(size or 0 for size in pipeline.execute())


async def test_a_long_list_costs_little_and_is_shown_in_parts(
    held: ClientSession, held_server: ServerProcess, origin: Origin
) -> None:
    url = stuck(origin)
    path = "/catalogue/2026/autumn/products/picture-"
    first = {"imageUrl": url}
    rest = [{"imageUrl": origin.url(f"{path}{number:06}-large.jpg")} for number in range(1, LINES)]
    before = bytes_of_all_keys(held_server)
    answer = await ask_in_lines(held, [first, *rest], preset="thumb")
    taken = bytes_of_all_keys(held_server) - before

    batch_id = answer["jobId"]
    page = await status_of(held, batch_id)
    pages = [page]
    while "next" in pages[-1]:
        async with held.get(pages[-1]["next"]) as response:
            pages.append(await response.json())
    async with held.delete(f"/job/{batch_id}") as response:
        assert response.status == 200
    ended = await end_of(held, batch_id)

    assert answer["accepted"] == LINES
    assert taken / LINES <= BUDGET_BYTES
    assert [len(one["images"]) for one in pages] == [500] * (LINES // 500)
    ids = [one["imageId"] for part in pages for one in part["images"]]
    assert len(set(ids)) == LINES
    assert pages[1]["images"][0]["name"] == "picture-000500-large.jpg"
    assert ended["status"] == "completed"
    assert ended["counts"]["cancelled"] > LINES - 100  # a few are fetched before it comes to them


async def test_a_full_line_is_waited_for_by_a_list_and_refused_to_others(
    held: ClientSession, held_server: ServerProcess, origin: Origin
) -> None:
    """One list nearly fills the line; of another the rest goes in when there is room again."""
    url = stuck(origin)
    nearly = await ask_in_lines(held, ({"imageUrl": url} for _ in range(LINES - 100)))
    more = [{"imageUrl": url}] * 1000
    asking = asyncio.create_task(ask_in_lines(held, more))
    batch_id = await open_batch(held_server)
    for body, headers in ((b"{}", NDJSON), (json.dumps({"imageUrl": url}).encode(), JSON)):
        await eventually(lambda: waiting_urls(held_server) == LINES)
        async with held.post("/process", data=body, headers=headers) as response:
            found = await problem(response)
        assert (response.status, found["code"]) == (429, "queue_full")
        assert "Retry-After" in response.headers
    assert not asking.done()  # and what it has read of its list, it has not refused

    async with held.delete(f"/job/{nearly['jobId']}") as response:
        assert response.status == 200
    answer = await asking

    assert (answer["jobId"], answer["accepted"]) == (batch_id, 1000)
    async with held.delete(f"/job/{batch_id}") as response:
        assert response.status == 200
