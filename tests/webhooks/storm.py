"""Uploads that ask for webhooks while the server or its Valkey is killed: is each told of?

`python -m tests.webhooks.storm --kills 12` prints what became of them.
"""

import argparse
import asyncio
import json
import random
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession, web

from tests import server_process
from tests.edge.forms import AT_ONCE, form
from tests.edge.pictures import jpeg
from tests.server_process import ServerProcess
from tests.webhooks.conftest import LOOPBACK
from tests.webhooks.receiver import Receiver, receiver_in_thread

CALLBACK, ENDPOINT = "/storm-callback", "/storm-endpoint"
_SENDERS = 3
_LONGEST_S = 150.0
_SETTINGS = LOOPBACK | {
    "SAFELIGHT_WEBHOOKS__TIMEOUT_S": "1",
    "SAFELIGHT_WEBHOOKS__RETRY_AFTER_S": json.dumps([0.2] * 40),
}


@dataclass(frozen=True)
class Told:
    """What one receiver heard. jobs: those that were answered; ids: webhook-ids by job."""

    jobs: set[str]
    messages: int
    ids: dict[str, set[str]]
    bodies: dict[str, set[bytes]]

    @property
    def lost(self) -> set[str]:
        """Jobs that were answered and never told of."""
        return self.jobs - set(self.ids)

    @property
    def doubled(self) -> list[str]:
        """Jobs that were told of as several events."""
        return [job_id for job_id, ids in self.ids.items() if len(ids) > 1]

    @property
    def changed(self) -> list[str]:
        """Webhooks whose body was not always the same."""
        return [one for one, bodies in self.bodies.items() if len(bodies) > 1]


async def storm(
    receiver: Receiver, folder: Path, *, kills: int, chance: random.Random
) -> list[Told]:
    """Kill the server and its Valkey by turns; returns what callback and endpoint heard."""

    def reply(_: int) -> web.Response | None:
        """One in six fails, one in thirty is never answered."""
        luck = chance.random()
        return None if luck < 0.03 else web.Response(status=500 if luck < 0.2 else 204)

    url = receiver.at(CALLBACK, reply)
    events = ["job.completed", "job.failed", "job.cancelled"]
    endpoint = {"url": receiver.at(ENDPOINT, reply), "events": events}
    settings = {
        **_SETTINGS,
        "SAFELIGHT_WEBHOOKS__ENDPOINTS": json.dumps({"all": endpoint}),
    }
    jobs: set[str] = set()
    server = server_process.start(folder, environment=settings)
    try:
        for number in range(kills):
            await _upload_until_killed(server, url, jobs, chance, is_server=number % 2 == 0)
            if number % 2 == 0:
                server.close()
                server = server_process.start(folder, environment=settings)
        return await _heard(server, receiver, jobs)
    finally:
        server.close()


async def _upload_until_killed(
    server: ServerProcess, url: str, jobs: set[str], chance: random.Random, *, is_server: bool
) -> None:
    stopping = asyncio.Event()

    async def send(client: ClientSession) -> None:
        while not stopping.is_set():
            data = form(("a.jpg", jpeg(chance.randint(20, 400))), callbackUrl=url)
            try:
                async with client.post("/upload", data=data, headers=AT_ONCE) as response:
                    answer = await response.json(content_type=None)
            except (ClientError, OSError):
                return  # the server is gone, and with it the answer
            if response.status in (200, 202):
                jobs.add(answer["jobId"])

    async with ClientSession(server.url) as client:
        senders = [asyncio.create_task(send(client)) for _ in range(_SENDERS)]
        await asyncio.sleep(chance.uniform(0.3, 1.5))  # any moment will do
        if is_server:
            server.kill()
        else:
            [valkey] = [one for one in server.children() if "valkey" in one.name()]
            valkey.kill()
            await asyncio.sleep(chance.uniform(0.2, 1.0))
        stopping.set()
        await asyncio.gather(*senders)


async def _heard(server: ServerProcess, receiver: Receiver, jobs: set[str]) -> list[Told]:
    """Once nothing waits any more and all that was answered has been told of; bounded."""
    async with ClientSession(server.url) as client, asyncio.timeout(_LONGEST_S):
        waiting = 1
        while waiting:
            for job_id in jobs:
                async with client.get(f"/status/{job_id}", params={"wait": "10"}) as response:
                    assert response.status == 200, job_id
            async with client.get("/webhooks/endpoints") as response:
                waiting = (await response.json())["waiting"]
    return [_told(receiver, path, jobs) for path in (CALLBACK, ENDPOINT)]


def _told(receiver: Receiver, path: str, jobs: set[str]) -> Told:
    ids: dict[str, set[str]] = defaultdict(set)
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for message in receiver.messages[path]:
        ids[message.said["data"]["jobId"]].add(message.id)
        bodies[message.id].add(message.body)
    return Told(jobs, len(receiver.messages[path]), ids, bodies)


def main() -> None:
    """From a shell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with receiver_in_thread() as receiver, tempfile.TemporaryDirectory() as folder:
        chance = random.Random(asked.seed)
        found = asyncio.run(
            storm(receiver, Path(folder) / "data", kills=asked.kills, chance=chance)
        )
    for name, told in zip(("callback", "endpoint"), found, strict=True):
        print(
            f"{name}: {len(told.jobs)} jobs answered, {len(told.lost)} lost,"
            f" {told.messages} messages of {len(told.bodies)} webhooks,"
            f" {len(told.doubled)} jobs told of twice, {len(told.changed)} bodies changed"
        )


if __name__ == "__main__":
    main()
