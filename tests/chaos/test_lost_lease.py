"""Two servers on one Redis and one storage; one is paused for longer than its lease."""

import hashlib
from pathlib import Path

from aiohttp import ClientSession

from server.jobs.connection import command_client
from tests.chaos import evidence, numbered
from tests.chaos.parts import SLOW, stopped
from tests.conftest import StartServer
from tests.edge.forms import end_of, status_of, upload
from tests.edge.traces import eventually

PARTS = {"SAFELIGHT_POOL__MAX_LANES": "1", "SAFELIGHT_QUEUE__LEASE_S": "3"}


async def test_paused_server_loses_its_job_to_another_and_cannot_end_it_again(
    start_server: StartServer, valkey_url: str, tmp_path: Path
) -> None:
    environment = PARTS | {"SAFELIGHT_REDIS__URL": valkey_url}
    paused = start_server(data_dir=tmp_path / "paused", **environment)
    for folder in ("originals", "results"):  # what an object store would be
        (tmp_path / "paused" / folder).mkdir(exist_ok=True)
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "other" / folder).symlink_to(tmp_path / "paused" / folder)
    async with command_client(valkey_url, timeout_s=30) as redis:
        async with ClientSession(paused.url) as client:
            answer = await upload(client, numbered.picture(5), options=SLOW, at_once=True)
            job_id = answer["jobId"]
            while (await status_of(client, job_id))["status"] != "processing":
                pass

        with stopped(paused.pid):
            other = start_server(data_dir=tmp_path / "other", **environment)
            async with ClientSession(other.url) as client:
                taken_over = await end_of(client, job_id)
                assert taken_over["status"] == "completed"
        await eventually(lambda: "no longer ours" in paused.log.read_text())

        job = await redis.hgetall(f"job:{job_id}")
        assert (job["status"], job["token"], job["losses"]) == ("completed", "2", "1")
        assert await redis.hget("queue", "completed") == "1"
        [result] = evidence.files_below(tmp_path / "paused", "results")
        stored = (tmp_path / "paused" / result).read_bytes()
        assert hashlib.sha256(stored).hexdigest() in job["variants"]
        await evidence.redis_is_tidy(redis)
        async with ClientSession(paused.url) as client:
            assert (await upload(client, numbered.picture(6)))["status"] == "completed"
