"""The log of a real server, line by line, and what keeps it short and without secrets."""

import asyncio
import json
import logging
import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog
from aiohttp import ClientSession

from server.edge.observed import masked
from server.ops.alike import WINDOW_S, Alike, Kind
from server.ops.logs import Lines, _as_json, _FromStandardLibrary
from server.ops.secretless import without_secrets
from tests import server_process
from tests.chaos.parts import lane_pids, stopped, valkey_pid
from tests.conftest import SERVERS
from tests.edge.forms import AT_ONCE, form, status_of
from tests.edge.gated import bearer, key_of, settings
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess
from tests.webhooks.conftest import LOOPBACK
from tests.webhooks.receiver import Receiver, receiver_in_thread

# About a second of work for one lane.
A_WHILE = {"resize": {"width": 1400, "enlarge": True}, "format": "avif", "quality": 70}
WORKING = ("processing", "encoding")  # a worker has begun; decoding is told before it has
KIND: Kind = ("warning", "part", "it rains", "")
SECRET = "whsec_bmV3ZXIgc2VjcmV0IG9mIHRlc3RzLCAyNCBieXRlcysgbG9uZw=="


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiver_in_thread() as one:
        yield one


@pytest.fixture(scope="module")
def told_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Logs at debug, may call loopback, has keys, and hangs no longer than a second on Redis."""
    server = server_process.start(
        tmp_path_factory.mktemp("told-server") / "data",
        environment={
            **LOOPBACK,
            **settings(),
            "SAFELIGHT_LOGGING__LEVEL": "debug",
            "SAFELIGHT_LOGGING__MAX_ALIKE": "3",
            "SAFELIGHT_POOL__MAX_LANES": "1",
            "SAFELIGHT_REDIS__TIMEOUT_S": "1",
        },
    )
    yield server
    server.close()


@pytest.fixture(autouse=True)
def shown_when_it_fails(request: pytest.FixtureRequest) -> None:
    if "told_server" in request.fixturenames:
        request.node.stash[SERVERS] = [request.getfixturevalue("told_server")]


def lines_of(server: ServerProcess) -> list[dict[str, Any]]:
    """Every line; one that is no JSON object fails."""
    return [json.loads(line) for line in server.log.read_text().strip().split("\n")]


def about(server: ServerProcess, request_id: str) -> list[dict[str, Any]]:
    return [one for one in lines_of(server) if one.get("request_id") == request_id]


async def until(client: ClientSession, job_id: str, member: str, *values: str) -> None:
    """Wait until a member of the job's status has one of the values."""
    async with asyncio.timeout(PATIENCE_S):
        while (await status_of(client, job_id))[member] not in values:  # noqa: ASYNC110 (as told)
            await asyncio.sleep(0.02)


async def test_the_life_of_a_picture_can_be_read_by_its_request_s_id(
    told_server: ServerProcess, receiver: Receiver
) -> None:
    headers = {**AT_ONCE, **bearer("ci"), "X-Request-ID": "life-of-a-cat"}
    url = receiver.at("/cat", 204) + "?token=a-secret-of-the-receiver"
    data = form(("cat.jpg", jpeg(800, 600)), options=json.dumps(A_WHILE), callbackUrl=url)
    async with ClientSession(told_server.url, headers=bearer("boss")) as client:
        [worker] = await lane_pids(client)
        async with client.post("/upload", data=data, headers=headers) as response:
            job_id = (await response.json())["jobId"]
            assert response.headers["X-Request-Id"] == "life-of-a-cat"
        await until(client, job_id, "stage", *WORKING)
        os.kill(worker, signal.SIGKILL)
        await until(client, job_id, "status", "completed")
    told = "webhook delivered"
    await eventually(lambda: told in [one["event"] for one in about(told_server, "life-of-a-cat")])
    lines = about(told_server, "life-of-a-cat")

    assert [one["event"] for one in lines] == [
        *("request", "job is given back", "job settled", "webhook delivered")
    ]
    asked, back, settled, delivered = lines
    assert (asked["method"], asked["route"], asked["status"]) == ("POST", "/upload", 202)
    assert asked["client"] == "ci"
    assert asked["bytes_in"] > 10_000
    assert asked["bytes_out"] > 50
    assert {one["job_id"] for one in (back, settled, delivered)} == {job_id}
    assert (back["reason"], back["level"]) == ("signal 9", "warning")
    assert (settled["to"], settled["attempt"]) == ("completed", 2)
    assert delivered["status"] == 204


async def test_every_line_has_the_same_fields_and_none_has_a_secret(
    told_server: ServerProcess,
) -> None:
    async with ClientSession(told_server.url) as client:
        for headers in (bearer("ci"), {"X-Api-Key": "sl_wrong-key-0123456789"}):
            async with client.get("/jobs?cursor=secretquery", headers=headers) as response:
                await response.read()
    text = told_server.log.read_text()
    for line in lines_of(told_server):
        assert list(line)[:4] == ["timestamp", "level", "event", "logger"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z", line["timestamp"])

    assert "/jobs" in text
    for secret in (key_of("ci"), "wrong-key", "secretquery", "a-secret-of-the-receiver"):
        assert secret not in text


async def test_a_refusal_is_told_with_its_code_and_the_id_of_its_problem(
    told_server: ServerProcess,
) -> None:
    async with (
        ClientSession(told_server.url) as client,
        client.get("/status/nobody", headers=bearer("ci", **{"X-Request-ID": "bad id!"})) as answer,
    ):
        problem = await answer.json(content_type=None)

    await eventually(lambda: bool(about(told_server, problem["requestId"])))
    [line] = about(told_server, problem["requestId"])
    assert problem["requestId"] == answer.headers["X-Request-Id"] != "bad id!"
    assert (line["code"], line["status"], line["route"]) == ("not_found", 404, "/status/{id}")


async def test_an_outage_of_redis_is_told_a_few_times_and_counted(
    told_server: ServerProcess,
) -> None:
    async def send(client: ClientSession, number: int) -> int:
        named = {"X-Request-ID": f"outage-{number}", "Content-Type": "image/jpeg"}
        async with client.post("/upload", data=jpeg(), headers=bearer("ci", **named)) as response:
            return response.status

    async with ClientSession(told_server.url) as client:
        with stopped(valkey_pid(told_server)):
            statuses = await asyncio.gather(*(send(client, number) for number in range(40)))

        def kept() -> list[dict[str, Any]]:
            return [one for one in lines_of(told_server) if one.get("code") == "unavailable"]

        await eventually(lambda: sum(one.get("times", 1) for one in kept()) >= 40)

    assert set(statuses) == {503}
    told = [one for one in kept() if one["event"] == "request"]
    counted = [one for one in kept() if one["event"] == "and more like this"]
    assert 3 <= len(told) < 20  # three in each ten seconds
    assert counted[0]["like"] == "request"


def test_lines_of_a_kind_are_counted_once_there_were_many() -> None:
    now = [0.0]
    alike = Alike(2, clock=lambda: now[0])
    written = [alike.admits(KIND) for _ in range(5)]
    other = alike.admits(("error", "part", "it snows", ""))
    early = list(alike.due())
    now[0] = WINDOW_S
    late = list(alike.due())

    assert written == [True, True, False, False, False]
    assert other
    assert early == []
    assert late == [(KIND, 3, WINDOW_S)]
    assert alike.admits(KIND)


def test_kinds_without_end_are_not_all_remembered() -> None:
    alike = Alike(1, clock=lambda: 0.0)
    for number in range(3000):
        for _ in range(2):
            alike.admits(("warning", "part", f"kind {number}", ""))
        list(alike.due())

    assert len(alike._seen) <= 501


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("redis://:hunter2@host:6379/0 is away", "redis://host:6379/0 is away"),
        ("postgresql://me:pw@db/x", "postgresql://db/x"),
        ("GET https://s3/b/k?X-Amz-Signature=abc&x=1 failed", "GET https://s3/b/k?… failed"),
        ("Authorization: Bearer sl_0123456789abcdef", "Authorization: Bearer …"),
        ("the key sl_0123456789abcdef is wrong", "the key sl_… is wrong"),
        (f"signed with {SECRET}", "signed with whsec_…"),
        ("signature=abc123, expires=5", "signature=… expires=5"),
        ("plain text = plain text", "plain text = plain text"),
    ],
)
def test_what_would_let_somebody_in_is_not_written(line: str, shown: str) -> None:
    assert without_secrets(line.encode()).decode() == shown


def test_a_text_that_is_no_utf_8_is_written_with_a_question_mark() -> None:
    line = orjson.loads(
        Lines(_as_json, Alike(0)).line("info", "x", {"event": "e", "path": "\udc80"})
    )

    assert line["path"] == "?"
    assert line["timestamp"].endswith("Z")


def test_lines_of_libraries_look_like_ours(capfd: pytest.CaptureFixture[str]) -> None:
    handler = _FromStandardLibrary(Lines(_as_json, Alike(1)))
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        for number in (1, 2):
            record = logging.LogRecord(
                "lib", logging.WARNING, __file__, 1, "no %d", (number,), None
            )
            handler.handle(record)
    [line] = [json.loads(one) for one in capfd.readouterr().err.splitlines()]

    assert (line["event"], line["logger"], line["request_id"]) == ("no 1", "lib", "r-1")


def test_addresses_are_masked_and_names_are_not() -> None:
    assert masked("203.0.113.77") == "203.0.113.0/24"
    assert masked("2001:db8:1:2::/64") == "2001:db8:1::/48"
    assert masked("website") == "website"
