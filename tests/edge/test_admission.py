"""No more jobs wait than may wait, however many come in the same moment."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aiohttp import ClientSession
from redis.asyncio import Redis

from server.config.sections import QueueSettings
from server.jobs import names
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.job import new_batch_id, new_job_id
from server.jobs.queue import JobQueue
from server.refusals import QueueFull
from tests.conftest import StartServer
from tests.edge.busy import busy_lane
from tests.edge.conftest import MAX_DEPTH, MIB
from tests.edge.forms import AT_ONCE, end_of, form
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually, files_of, traces
from tests.edge.wire import exchange, head, wire
from tests.server_process import ServerProcess

COMERS = 300


def picture() -> bytes:
    """Another one each time: the same would wait for one place in the queue together."""
    return jpeg(32, 24)


async def test_hundreds_at_once_fill_the_queue_exactly(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with busy_lane(lane, lane_server):
        before = traces(lane_server)
        watching = asyncio.create_task(_deepest(lane_server))
        answers = await asyncio.gather(*(_post(lane) for _ in range(COMERS)))
        watching.cancel()
        deepest = await _result(watching)
        full = traces(lane_server)

    taken = [answer["jobId"] for answer in answers if "jobId" in answer]
    refused = [answer for answer in answers if "jobId" not in answer]
    assert Counter(answer["status"] for answer in refused) == {429: COMERS - MAX_DEPTH}
    assert len(taken) == len(set(taken)) == MAX_DEPTH
    assert deepest <= MAX_DEPTH
    assert full.counters["waiting:interactive"] == MAX_DEPTH
    assert full.counters["admitted"] - before.counters["admitted"] == MAX_DEPTH
    wanted = {f"originals/{job_id[:2]}/{job_id}" for job_id in taken}
    new = {name for name in full.files - before.files if not name.startswith("spool/work/")}
    assert new == wanted  # of the refused not even a spool file
    assert {key for key in full.keys - before.keys if key.startswith(names.JOB)} == {
        names.job(job_id) for job_id in taken
    }
    ended = [await end_of(lane, job_id) for job_id in taken]
    assert {status["status"] for status in ended} == {"completed"}


async def _post(client: ClientSession) -> dict[str, Any]:
    async with client.post("/upload", data=form(("a.jpg", picture())), headers=AT_ONCE) as response:
        if response.status == 202:
            answer: dict[str, Any] = await response.json()
            return answer
        found = await problem(response)
    assert found["code"] == "queue_full"
    assert found["limit"] == MAX_DEPTH
    assert 0 < found["actual"] <= MAX_DEPTH
    assert int(response.headers["Retry-After"]) >= 1
    return found


async def _deepest(server: ServerProcess) -> int:
    """The deepest that the queue was seen until this is cancelled."""
    deepest = 0
    try:
        while True:
            counters = await asyncio.to_thread(lambda: traces(server).counters)
            deepest = max(deepest, counters["waiting:interactive"] + counters["waiting:bulk"])
    except asyncio.CancelledError:
        return deepest


async def _result(task: "asyncio.Task[int]") -> int:
    return await task


async def test_a_batch_that_does_not_fit_is_refused_whole(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with busy_lane(lane, lane_server):
        async with lane.post(
            "/upload", data=form(("first.jpg", picture())), headers=AT_ONCE
        ) as first:
            assert first.status == 202
        await eventually(lambda: names.TRASH not in traces(lane_server).keys)
        before = traces(lane_server)
        files = [(f"{number}.jpg", picture()) for number in range(MAX_DEPTH)]
        async with lane.post("/upload", data=form(*files)) as response:
            found = await problem(response)
        after = traces(lane_server)

    assert (found["status"], found["code"]) == (429, "queue_full")
    assert int(response.headers["Retry-After"]) >= 1
    assert after == before


async def test_a_batch_that_can_never_fit_is_not_told_to_come_again(
    start_server: StartServer,
) -> None:
    server = start_server(SAFELIGHT_QUEUE__MAX_DEPTH="3")
    files = [(f"{number}.jpg", picture()) for number in range(4)]
    async with (
        ClientSession(server.url) as client,
        client.post("/upload", data=form(*files)) as response,
    ):
        found = await problem(response)

    assert (found["status"], found["code"]) == (413, "batch_too_large")
    assert (found["limit"], found["actual"]) == (3, 4)
    assert "Retry-After" not in response.headers
    assert traces(server).files == frozenset()


async def test_a_full_queue_refuses_before_reading_the_body(
    lane_server: ServerProcess, lane: ClientSession
) -> None:
    async with busy_lane(lane, lane_server):
        files = [(f"{number}.jpg", picture()) for number in range(MAX_DEPTH)]
        async with lane.post("/upload", data=form(*files)) as response:
            batch = await response.json()
        told = []
        for expect in ((), ("Expect: 100-continue",)):
            lines = ("Content-Type: image/jpeg", f"Content-Length: {MIB}", *expect)
            async with wire(lane_server.url) as connection:
                await connection.send(head("POST", "/upload", *lines))
                told.append(await connection.answer())  # no byte of the body was sent

    assert [answer.problem()["code"] for answer in told] == ["queue_full"] * 2
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in told)
    status = await end_of(lane, batch["jobId"])
    assert status["counts"]["completed"] == MAX_DEPTH


async def test_a_full_disk_refuses_before_reading_the_body(start_server: StartServer) -> None:
    server = start_server(SAFELIGHT_STORAGE__MIN_FREE_BYTES=str(2**60))
    lines = ("Content-Type: image/jpeg", f"Content-Length: {MIB}")
    answer = await exchange(server.url, head("POST", "/upload", *lines))

    found = answer.problem()
    assert (found["status"], found["code"], found["limit"]) == (507, "disk_full", 2**60)
    assert files_of(server) == frozenset()


@pytest.fixture
def arrivals() -> list[Arrival]:
    """Many that come at once."""
    return [_arrival() for _ in range(COMERS)]


async def test_of_many_admissions_exactly_the_allowed_number_succeeds(
    valkey_url: str, arrivals: list[Arrival]
) -> None:
    async with command_client(valkey_url, timeout_s=30) as redis:
        queue = _queue(redis, max_depth=50)
        results = await asyncio.gather(*(_admit(queue, [one]) for one in arrivals))
        keys = await redis.keys(names.job("*"))
        counters = await queue.counters()

    assert Counter(results) == {"admitted": 50, "full": COMERS - 50}
    assert len(keys) == 50
    assert counters["waiting:interactive"] == counters["admitted"] == "50"
    assert counters["rejected"] == str(COMERS - 50)


async def test_batches_are_admitted_whole_or_not_at_all(
    valkey_url: str, arrivals: list[Arrival]
) -> None:
    batches = [arrivals[start : start + 7] for start in range(0, 210, 7)]
    async with command_client(valkey_url, timeout_s=30) as redis:
        queue = _queue(redis, max_depth=50)
        results = await asyncio.gather(*(_admit(queue, batch) for batch in batches))
        keys = await redis.keys(names.job("*"))

    assert Counter(results) == {"admitted": 7, "full": 23}  # 7 batches of 7 are 49
    assert len(keys) == 49


async def test_an_admission_sent_twice_counts_once(valkey_url: str) -> None:
    one = _arrival()
    async with command_client(valkey_url, timeout_s=30) as redis:
        queue = _queue(redis, max_depth=50)
        await asyncio.gather(_admit(queue, [one]), _admit(queue, [one]))

        assert (await queue.counters())["waiting:interactive"] == "1"


async def _admit(queue: JobQueue, arrivals: list[Arrival]) -> str:
    is_batch = len(arrivals) > 1
    try:
        await queue.admit(
            arrivals,
            client="10.0.0.1",
            queue_class="bulk" if is_batch else "interactive",
            batch_id=new_batch_id() if is_batch else None,
        )
    except QueueFull as full:
        assert full.limit == 50
        assert full.actual is not None and 50 - len(arrivals) < full.actual <= 50
        assert full.retry_after_s is not None and full.retry_after_s >= 1
        return "full"
    return "admitted"


def _queue(redis: "Redis", *, max_depth: int) -> JobQueue:
    return JobQueue(redis, QueueSettings(max_depth=max_depth), node="test", keep_s=60)


def _arrival() -> Arrival:
    job_id = new_job_id()
    return Arrival(
        job_id=job_id,
        name="x",
        recipe="{}",
        original_key=f"originals/{job_id}",
        original_bytes=1,
        original_format="jpeg",
        width=1,
        height=1,
        cost_bytes=1,
        group="",
        digest=job_id,
    )
