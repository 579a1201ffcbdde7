"""GET /events/{id}: what an EventSource is told, and what it cannot do to others."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, TCPConnector

from server.live.sse import last_event_id
from tests import server_process
from tests.conftest import StartServer
from tests.edge.busy import busy_lane
from tests.edge.forms import end_of, status_of, upload
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually, redis_of
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

PICTURE = jpeg(32, 24)
UNKNOWN = "a" * 24
MIB = 1024 * 1024


@dataclass
class Message:
    """What stands between two empty lines; a comment has no fields."""

    fields: dict[str, str] = field(default_factory=dict)
    is_comment: bool = False

    @property
    def revision(self) -> int:
        return int(self.fields["id"])

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.fields["data"])
        return found


class Stream:
    """An event stream, read as the standard says."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def next(self) -> Message | None:
        """The next message; None at the end of the stream."""
        message = Message()
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self._line()).decode().rstrip("\n"):
                if line.startswith(":"):
                    message.is_comment = True
                else:
                    name, _, value = line.partition(": ")
                    message.fields[name] = value
        return message if message.fields or message.is_comment else None

    async def _line(self) -> bytes:
        return await self.response.content.readuntil(b"\n", max_size=2 * MIB)

    async def event(self) -> Message | None:
        """The next that carries an event."""
        while (message := await self.next()) and "event" not in message.fields:
            pass
        return message

    async def until(self, status: str) -> list[Message]:
        """Everything up to the first event that tells this status."""
        events: list[Message] = []
        while not events or events[-1].data["status"] != status:
            event = await self.event()
            assert event is not None, f"the stream ended before {status}"
            events.append(event)
        return events

    async def rest(self) -> list[Message]:
        """Every event until the stream ends."""
        events = []
        while event := await self.event():
            events.append(event)
        return events


@asynccontextmanager
async def stream(
    client: ClientSession, watched_id: str, last: int | None = None
) -> AsyncIterator[Stream]:
    """Watch a job or batch."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    async with client.get(f"/events/{watched_id}", headers=headers) as response:
        assert response.status == 200, await response.text()
        yield Stream(response)


async def test_a_job_is_told_from_the_present_state_to_its_end(client: ClientSession) -> None:
    job_id = (await upload(client, jpeg(1500, 1000), at_once=True))["jobId"]
    async with stream(client, job_id) as watching:
        headers = watching.response.headers
        first = await watching.next()
        events = await watching.rest()

    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-cache, no-transform"
    assert headers["X-Accel-Buffering"] == "no"
    assert first is not None and first.fields == {"retry": "2000"}
    assert {one.fields["event"] for one in events} == {"job"}
    assert [one.revision for one in events] == sorted({one.revision for one in events})
    assert all(one.data["revision"] == one.revision for one in events)
    assert events[-1].data == await status_of(client, job_id)


async def test_a_settled_job_is_told_once_and_whoever_knows_it_need_not_come_back(
    client: ClientSession,
) -> None:
    job_id = (await upload(client, PICTURE))["jobId"]
    async with stream(client, job_id) as watching:
        [event] = await watching.rest()
    async with stream(client, job_id, last=event.revision - 1) as watching:
        [again] = await watching.rest()
    async with client.get(
        f"/events/{job_id}", headers={"Last-Event-ID": str(event.revision)}
    ) as response:
        known = (response.status, await response.read())

    assert event.data["status"] == "completed"
    assert again.fields == event.fields
    assert known == (204, b"")  # tells an EventSource to stop


async def test_a_batch_is_one_stream_of_batch_events(client: ClientSession) -> None:
    pictures = [jpeg(200 + one, 150) for one in range(5)]
    batch_id = (await upload(client, *pictures))["jobId"]
    async with stream(client, batch_id) as watching:
        events = await watching.rest()

    assert {one.fields["event"] for one in events} == {"batch"}
    last = events[-1].data
    assert (last["status"], last["counts"]["completed"]) == ("completed", 5)


async def test_watching_a_batch_costs_one_subscription(
    lane: ClientSession, lane_server: ServerProcess
) -> None:
    async with busy_lane(lane, lane_server):
        batch_id = (await upload(lane, *(jpeg(20 + one, 20) for one in range(10))))["jobId"]
        with redis_of(lane_server) as redis:
            before = set(redis.pubsub_channels("events:*"))
            async with stream(lane, batch_id) as watching:
                await watching.event()
                assert set(redis.pubsub_channels("events:*")) - before == {f"events:{batch_id}"}
    await end_of(lane, batch_id)


async def test_nothing_that_is_known_is_sent_again(
    lane: ClientSession, lane_server: ServerProcess
) -> None:
    async with busy_lane(lane, lane_server) as job_id:
        async with stream(lane, job_id) as watching:
            known = await watching.event()
            assert known is not None
        async with stream(lane, job_id, last=known.revision) as watching:
            async with lane.delete(f"/job/{job_id}") as response:
                await response.read()
            events = await watching.rest()

        assert events[-1].data["status"] == "cancelled"
        assert min(one.revision for one in events) > known.revision


@pytest.mark.parametrize("watched_id", [UNKNOWN, "batch-" + UNKNOWN, "x" * 200])
async def test_an_unknown_id_is_refused(client: ClientSession, watched_id: str) -> None:
    async with client.get(f"/events/{watched_id}") as response:
        assert (await problem(response))["status"] == 404


async def test_only_get_is_answered(client: ClientSession) -> None:
    """HEAD would never end."""
    for method in ("HEAD", "POST"):
        async with client.request(method, f"/events/{UNKNOWN}") as response:
            assert response.status == 405


@pytest.mark.parametrize(
    ("header", "revision"),
    [("", -1), ("7", 7), ("007", 7), ("-1", -1), ("1e3", -1), ("x", -1), ("9" * 30, -1), ("²", -1)],
)
def test_only_what_we_sent_counts_as_the_last_id(header: str, revision: int) -> None:
    assert last_event_id(header) == revision


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Three streams at most, pinged often, and a lane that is easily kept busy."""
    server = server_process.start(
        tmp_path_factory.mktemp("narrow") / "data",
        environment={
            "SAFELIGHT_LIVE__MAX_STREAMS": "3",
            "SAFELIGHT_LIVE__STREAM_PING_S": "0.2",
            "SAFELIGHT_LIVE__SEND_TIMEOUT_S": "4",
            "SAFELIGHT_LIVE__STREAM_RETRY_S": "0.1",
            "SAFELIGHT_POOL__MAX_LANES": "1",
        },
    )
    yield server
    server.close()


async def test_a_silent_stream_is_pinged_and_one_that_has_gone_is_let_go(
    narrow: ServerProcess,
) -> None:
    async with (
        ClientSession(narrow.url, connector=TCPConnector(limit=0)) as client,
        busy_lane(client, narrow),
    ):
        waiting = (await upload(client, PICTURE, at_once=True))["jobId"]
        async with (
            stream(client, waiting) as one,
            stream(client, waiting),
            stream(client, waiting),
        ):
            await one.event()
            while (message := await one.next()) and not message.is_comment:
                pass
            assert message is not None
            async with client.get(f"/events/{waiting}") as response:
                refused = await problem(response)
                assert (response.status, "Retry-After" in response.headers) == (503, True)
            assert "At most 3 event streams" in refused["detail"]
        with redis_of(narrow) as redis:
            await eventually(lambda: not redis.pubsub_channels(f"events:{waiting}"))
        async with stream(client, waiting) as after:
            assert await after.event() is not None


async def test_a_reader_that_stops_reading_is_cut_off_and_costs_nobody_else(
    narrow: ServerProcess,
) -> None:
    host, port = narrow.url.removeprefix("http://").split(":")
    async with (
        ClientSession(narrow.url, connector=TCPConnector(limit=0)) as client,
        busy_lane(client, narrow),
    ):
        job_id = (await upload(client, jpeg(), at_once=True))["jobId"]
        with socket.socket() as stuck, redis_of(narrow) as redis:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            stuck.connect((host, int(port)))
            stuck.sendall(f"GET /events/{job_id} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await eventually(lambda: bool(redis.pubsub_channels(f"events:{job_id}")))
            async with stream(client, job_id) as reading:
                telling = asyncio.create_task(asyncio.to_thread(tell_much, redis, job_id))
                while (event := await reading.event()) and event.revision < LAST_TOLD:
                    pass
                await telling
                assert event is not None, narrow.log_tail()
            # Both have gone: one by itself, one because it was cut off.
            await eventually(lambda: not redis.pubsub_channels(f"events:{job_id}"))


LAST_TOLD = 120


def tell_much(redis: Any, job_id: str) -> None:
    """Events larger than any real one, larger than the buffers between."""
    job = redis.hgetall(f"job:{job_id}") | {"name": "x" * MIB}
    for revision in range(100, LAST_TOLD + 1):
        redis.publish(f"events:{job_id}", json.dumps(job | {"revision": str(revision)}))


async def test_a_restart_of_the_server_is_a_reconnect_without_a_gap(
    start_server: StartServer, tmp_path: Path
) -> None:
    """The server ends streams by itself, and goes on where the client says it is."""
    settings = {"SAFELIGHT_POOL__MAX_LANES": "1", "SAFELIGHT_SERVER__GRACE_S": "0"}
    server = start_server(data_dir=tmp_path / "data", **settings)
    async with ClientSession(server.url) as client:
        job_id = (await upload(client, jpeg(3000, 2000), options=SLOW_ENOUGH, at_once=True))[
            "jobId"
        ]
        async with stream(client, job_id) as watching:
            before = await watching.until("processing")
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            before += await watching.rest()
            assert await stopping == 0
    again = start_server(data_dir=tmp_path / "data", **settings)
    async with (
        ClientSession(again.url) as client,
        stream(client, job_id, last=before[-1].revision) as watching,
    ):
        after = await watching.rest()

    revisions = [one.revision for one in (*before, *after)]
    assert revisions == sorted(set(revisions))
    assert [after[-1].data["status"], before[-1].data["status"] == "completed"] == [
        "completed",
        False,
    ]


SLOW_ENOUGH = {"format": "avif", "resize": {"width": 1600}}
