"""What nobody can read in Redis, or another version wrote, costs itself alone."""

import pytest
from aiohttp import ClientSession

from server.jobs import names
from tests.conftest import StartServer
from tests.edge.busy import busy_lane
from tests.edge.forms import AT_ONCE, end_of, upload
from tests.edge.pictures import jpeg
from tests.edge.traces import redis_of
from tests.patience import PATIENCE_S
from tests.ports import free_port
from tests.server_process import ServerProcess

# Of another version, cut off, of another shape, no JSON at all.
RUBBISH = ('{"id":"a","status":"unheard"}', '{"id":', '["a"]', "7", "rubbish")


@pytest.fixture
def server(start_server: StartServer) -> ServerProcess:
    return start_server(SAFELIGHT_POOL__MAX_LANES="1", SAFELIGHT_QUEUE__LEASE_S="2")


async def works(client: ClientSession, server: ServerProcess, width: int) -> None:
    """It takes a picture and brings it to its end."""
    answer = await upload(client, jpeg(width, 30))
    assert (await end_of(client, answer["jobId"]))["status"] == "completed"
    assert server.process.poll() is None


async def test_events_that_cannot_be_read_are_passed_over(server: ServerProcess) -> None:
    async with ClientSession(server.url) as client, client.ws_connect("/ws") as socket:
        async with busy_lane(client, server):
            job_id = (await upload(client, jpeg(50, 30), at_once=True))["jobId"]
            await socket.send_json({"type": "subscribe", "jobId": job_id})
            assert (await socket.receive_json(timeout=PATIENCE_S))["status"] == "queued"
            with redis_of(server) as redis:
                heard = [redis.publish(names.events(job_id), text) for text in RUBBISH]
        told = {"status": "queued"}
        while told["status"] != "completed":
            told = await socket.receive_json(timeout=PATIENCE_S)
        await works(client, server, 51)

    assert heard == [1] * len(RUBBISH)
    assert server.errors_logged().count("an event cannot be read") >= 1


@pytest.mark.parametrize(
    ("field", "value"), [("variants", "{"), ("name", b"\xff\xfe"), ("status", "unheard")]
)
async def test_a_waiting_job_that_is_damaged_lets_the_others_by(
    server: ServerProcess, field: str, value: str
) -> None:
    async with ClientSession(server.url) as client:
        async with busy_lane(client, server):
            broken = (await upload(client, jpeg(60, 30), at_once=True))["jobId"]
            behind = (await upload(client, jpeg(61, 30), at_once=True))["jobId"]
            with redis_of(server) as redis:
                redis.hset(names.job(broken), field, value)
        assert (await end_of(client, behind))["status"] == "completed"
        await works(client, server, 62)
        ended = await end_of(client, broken)
    if field == "name":  # no UTF-8, but what it is called is no matter
        assert ended["status"] == "completed"
        return
    assert (ended["status"], ended["error"]["code"]) == ("failed", "job_unreadable")
    assert server.errors_logged().count("a damaged job has failed") == 1


async def test_a_url_that_is_none_fails_alone(start_server: StartServer) -> None:
    server = start_server(
        SAFELIGHT_FETCH__ALLOW_NETWORKS='["127.0.0.1/32"]',
        SAFELIGHT_FETCH__PORTS="[0]",
        SAFELIGHT_FETCH__RETRY_DELAY_S="1",
    )
    url = f"http://127.0.0.1:{free_port()}/a.jpg"  # nobody listens: it is tried again
    async with ClientSession(server.url) as client:
        async with client.post("/process", json={"imageUrl": url}, headers=AT_ONCE) as response:
            job_id = (await response.json())["jobId"]
        with redis_of(server) as redis:
            redis.hdel(names.job(job_id), "url")
        job = await end_of(client, job_id)
        await works(client, server, 70)

    assert job["status"] == "failed"
