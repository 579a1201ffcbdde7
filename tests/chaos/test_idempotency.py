"""The server is killed between admission and answer: the same request makes no second job."""

import asyncio
import json
import os
import signal
import uuid
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, FormData

from server.jobs import names
from tests.chaos.parts import SLOW, valkey_pid
from tests.conftest import StartServer
from tests.edge.forms import end_of, form
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually, redis_of
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

PICTURE = jpeg(640, 480)
PREFER = {"Prefer": "wait=4"}


def body() -> FormData:
    return form(("a.jpg", PICTURE), options=json.dumps(SLOW))


def job_ids(server: ServerProcess) -> set[str]:
    with redis_of(server) as redis:
        return {name.removeprefix(names.JOB) for name in redis.keys(f"{names.JOB}*")}


async def send_until_answered(server: ServerProcess, headers: dict[str, str]) -> dict[str, str]:
    """As a client does that keeps to Retry-After, which a 409 says."""
    async with ClientSession(server.url) as session, asyncio.timeout(PATIENCE_S):
        while True:
            async with session.post("/upload", data=body(), headers=headers) as response:
                if response.status == 409:
                    await asyncio.sleep(int(response.headers["Retry-After"]))
                    continue
                assert response.status in (200, 202), await response.text()
                answer: dict[str, str] = await response.json()
                return answer


@pytest.mark.parametrize("dies", ["server", "server and Valkey"])
async def test_killed_between_admission_and_answer_makes_no_second_job(
    start_server: StartServer, tmp_path: Path, dies: str
) -> None:
    data_dir = tmp_path / "data"
    server = start_server(data_dir=data_dir)
    headers = {"Idempotency-Key": f'"{uuid.uuid4()}"', **PREFER}
    async with ClientSession(server.url) as session:
        first = asyncio.create_task(session.post("/upload", data=body(), headers=headers))
        await eventually(lambda: len(job_ids(server)) == 1)
        assert not first.done()
        if dies == "server and Valkey":
            os.kill(valkey_pid(server), signal.SIGKILL)
        server.kill()
        with pytest.raises((ClientError, OSError)):
            await first
    server.close()

    server = start_server(data_dir=data_dir)
    (job_id,) = job_ids(server)
    answer = await send_until_answered(server, headers)
    assert answer["jobId"] == job_id
    async with ClientSession(server.url) as session:
        assert (await end_of(session, job_id))["status"] == "completed"
    assert await send_until_answered(server, headers) == answer
    assert job_ids(server) == {job_id}
