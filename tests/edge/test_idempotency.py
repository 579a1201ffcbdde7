"""Idempotency-Key: a request that comes twice makes jobs once and is answered the same."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, FormData

from server.edge.access.idempotency import Turn
from server.edge.reply import reply
from tests.edge.busy import busy_lane
from tests.edge.forms import AT_ONCE, end_of, form
from tests.edge.gated import bearer
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually, redis_of
from tests.server_process import ServerProcess

PICTURE = jpeg()


def keyed_by(key: str, **more: str) -> dict[str, str]:
    return {"Idempotency-Key": f'"{key}"', **more}


def picture(**fields: str) -> FormData:
    """The same content in a body that has a boundary of its own."""
    return form(("a.jpg", PICTURE), **fields)


async def told(response: ClientResponse) -> tuple[int, Any, str | None, str | None]:
    """What must be the same when it is said again."""
    headers = response.headers
    return (
        response.status,
        await response.json(content_type=None),
        headers.get("Location"),
        headers.get("Preference-Applied"),
    )


def admitted(server: ServerProcess) -> int:
    with redis_of(server) as redis:
        return int(redis.hget("queue", "admitted") or 0)


def held_keys(server: ServerProcess) -> int:
    with redis_of(server) as redis:
        return len(redis.keys("once:*"))


@pytest.mark.parametrize("headers", [{}, AT_ONCE, {"Prefer": "wait=20"}])
@pytest.mark.parametrize("pictures", [1, 3])
async def test_the_same_request_again_is_answered_the_same(
    client: ClientSession, shared_server: ServerProcess, headers: dict[str, str], pictures: int
) -> None:
    headers = keyed_by(uuid.uuid4().hex, **headers)
    before = admitted(shared_server)

    def body() -> FormData:
        return form(*((f"{n}.jpg", PICTURE) for n in range(pictures)), options='{"quality": 70}')

    async with client.post("/upload", data=body(), headers=headers) as response:
        first = await told(response)
        assert "Idempotency-Replayed" not in response.headers
    await end_of(client, first[1]["jobId"])
    async with client.post("/upload", data=body(), headers=headers) as response:
        again = await told(response)
        assert response.headers["Idempotency-Replayed"] == "true"
        assert response.content_type == "application/json"

    assert again == first
    assert first[0] in (200, 202)
    assert admitted(shared_server) == before + pictures


async def test_a_raw_body_is_known_again_and_so_is_a_form_with_it(client: ClientSession) -> None:
    key = uuid.uuid4().hex
    raw = keyed_by(key, **{"Content-Type": "image/jpeg", "X-File-Name": "a.jpg"})
    async with client.post("/upload", data=PICTURE, headers=raw) as response:
        first = await told(response)
    async with client.post("/upload", data=PICTURE, headers=raw) as response:
        assert await told(response) == first


@pytest.mark.parametrize(
    "other",
    [
        {"options": '{"quality": 71}'},
        {"preset": "thumb"},
        {"private": "true"},
    ],
)
async def test_another_wish_under_the_same_key_is_refused(
    client: ClientSession, other: dict[str, str]
) -> None:
    headers = keyed_by(uuid.uuid4().hex)
    async with client.post("/upload", data=picture(), headers=headers) as response:
        assert response.status == 200
    async with client.post("/upload", data=picture(**other), headers=headers) as response:
        assert response.status == 422
        assert (await problem(response))["code"] == "idempotency_mismatch"


async def test_another_picture_under_the_same_key_is_refused_and_leaves_nothing(
    client: ClientSession, shared_server: ServerProcess
) -> None:
    headers = keyed_by(uuid.uuid4().hex)
    async with client.post("/upload", data=picture(), headers=headers) as response:
        assert response.status == 200
    before = admitted(shared_server)
    data = form(("a.jpg", jpeg(65)))
    async with client.post("/upload", data=data, headers=headers) as response:
        assert (await problem(response))["code"] == "idempotency_mismatch"

    assert admitted(shared_server) == before


async def test_keys_of_two_clients_have_nothing_to_do_with_each_other(
    keyed: ClientSession,
) -> None:
    key = uuid.uuid4().hex
    jobs = set()
    for name in ("ci", "other"):
        headers = keyed_by(key, **bearer(name))
        async with keyed.post("/upload", data=picture(), headers=headers) as response:
            assert response.status == 200
            assert "Idempotency-Replayed" not in response.headers
            jobs.add((await response.json())["jobId"])

    assert len(jobs) == 2


async def test_twenty_at_once_make_one_job(
    client: ClientSession, shared_server: ServerProcess
) -> None:
    headers = keyed_by(uuid.uuid4().hex)
    before = admitted(shared_server)

    async def send() -> tuple[int, str]:
        async with client.post("/upload", data=picture(), headers=headers) as response:
            if response.status == 409:
                assert (await problem(response))["code"] == "idempotency_in_progress"
                assert int(response.headers["Retry-After"]) >= 1
                return 409, ""
            return response.status, (await response.json())["jobId"]

    answers = await asyncio.gather(*(send() for _ in range(20)))

    assert {status for status, _ in answers} <= {200, 409}
    assert len({job_id for status, job_id in answers if status == 200}) == 1
    assert admitted(shared_server) == before + 1


async def test_what_is_in_progress_is_told_so(
    lane: ClientSession, lane_server: ServerProcess
) -> None:
    headers = keyed_by(uuid.uuid4().hex, Prefer="wait=30")
    async with busy_lane(lane, lane_server):
        before = held_keys(lane_server)
        first = asyncio.create_task(lane.post("/upload", data=picture(), headers=headers))
        await eventually(lambda: held_keys(lane_server) > before)
        async with lane.post("/upload", data=picture(), headers=headers) as response:
            assert response.status == 409
            assert (await problem(response))["code"] == "idempotency_in_progress"
            assert int(response.headers["Retry-After"]) >= 1

    async with await first as response:
        assert response.status == 200
        job_id = (await response.json())["jobId"]
    async with lane.post("/upload", data=picture(), headers=headers) as response:
        assert (await response.json())["jobId"] == job_id


async def test_a_refusal_is_not_kept(client: ClientSession) -> None:
    headers = keyed_by(uuid.uuid4().hex)
    for _ in range(2):
        data = form(("a.jpg", b"no picture"))
        async with client.post("/upload", data=data, headers=headers) as response:
            assert response.status == 415
    async with client.post("/upload", data=picture(), headers=headers) as response:
        assert response.status == 200


async def test_a_failure_of_the_job_is_the_answer_again(client: ClientSession) -> None:
    cut = jpeg(1200, 1200)
    headers = keyed_by(uuid.uuid4().hex)
    answers = []
    for _ in range(2):
        data = form(("a.jpg", cut[: len(cut) // 4]))
        async with client.post("/upload", data=data, headers=headers) as response:
            answers.append((response.status, await response.json(content_type=None)))

    assert answers[0] == answers[1]
    assert answers[0][0] == 422 and answers[0][1]["jobId"]


@pytest.mark.parametrize(
    "value", ["", '""', '"a', 'a"b', '"a\tb"', "a b", '"' + "x" * 256 + '"', "k\xfc"]
)
async def test_a_key_that_is_none_is_refused(client: ClientSession, value: str) -> None:
    headers = {"Idempotency-Key": value}
    async with client.post("/upload", data=picture(), headers=headers) as response:
        assert response.status == 400
        assert "Idempotency-Key" in (await problem(response))["detail"]


async def test_the_key_may_come_without_quotes(client: ClientSession) -> None:
    key = uuid.uuid4().hex
    jobs = set()
    for value in (key, f'"{key}"'):
        headers = {"Idempotency-Key": value}
        async with client.post("/upload", data=picture(), headers=headers) as response:
            jobs.add((await response.json())["jobId"])

    assert len(jobs) == 1


async def test_keys_are_forgotten_and_say_nothing_of_themselves(
    client: ClientSession, shared_server: ServerProcess
) -> None:
    key = uuid.uuid4().hex
    async with client.post("/upload", data=picture(), headers=keyed_by(key)) as response:
        job_id = (await response.json())["jobId"]

    with redis_of(shared_server) as redis:
        kept = {name: redis.hgetall(name) for name in redis.keys("once:*")}
        (name,) = [name for name, fields in kept.items() if job_id in fields.get("answer", "")]
        assert 86_000_000 < redis.pttl(name) <= 86_400_000
        assert key not in name and key not in json.dumps(kept[name])


def test_an_answer_that_is_too_large_is_kept_without_its_lists() -> None:
    turn = Turn("name", "print", "holder", keep_ms=1000, most_bytes=100)
    answer = {"status": "processing", "jobId": "batch-1", "images": [{"imageId": "a" * 24}] * 9}
    small = turn.promise(reply({"jobId": "a"}, status=202), is_final=True)
    large = turn.promise(reply(answer, status=202, headers={"Location": "/status/batch-1"}))

    assert small is not None and large is not None
    assert json.loads(json.loads(small.answer)["body"]) == {"jobId": "a"}
    kept = json.loads(large.answer)
    assert json.loads(kept["body"]) == {"status": "processing", "jobId": "batch-1"}
    assert (kept["status"], kept["headers"]) == (202, {"Location": "/status/batch-1"})
    assert len(large.answer) < 300
