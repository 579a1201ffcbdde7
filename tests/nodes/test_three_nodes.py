"""Three nodes that do everything: work is shared, and one that dies or goes costs nothing."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse

from server.jobs.connection import command_client
from tests.chaos import numbered
from tests.chaos.parts import SLOW
from tests.edge.forms import end_of, form, upload
from tests.edge.pictures import jpeg
from tests.nodes.fleet import LEASE_S, Fleet, Shared, fleet
from tests.nodes.storm import ENVIRONMENT, ROLES, until_ready
from tests.patience import PATIENCE_S

FAIR = 60


@pytest.fixture(scope="module")
def nodes(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """All three do everything."""
    with fleet(shared, tmp_path_factory.mktemp("three"), ROLES, **ENVIRONMENT) as made:
        yield made


async def field_of(nodes: Fleet, job_id: str, name: str) -> str:
    """A field of a job, as Redis has it."""
    async with command_client(nodes.shared.redis_url, timeout_s=30) as redis:
        return str(await redis.hget(f"job:{job_id}", name) or "")


async def holder_of(nodes: Fleet, job_id: str) -> str:
    """The name of the node that has a job in work; waits until one has."""
    deadline = time.monotonic() + PATIENCE_S
    while await field_of(nodes, job_id, "status") != "processing":
        assert time.monotonic() < deadline, "nobody takes it"
        await asyncio.sleep(0.02)
    return nodes.node_of()[await field_of(nodes, job_id, "node")]


def another(node: str) -> str:
    """A node that is not this one."""
    return next(one for one in ROLES if one != node)


@asynccontextmanager
async def slow_job(nodes: Fleet, width: int) -> AsyncIterator[str]:
    """A job that takes longer than a lease; it is over when this ends."""
    async with ClientSession(nodes.url("a")) as session:
        answer = await upload(session, jpeg(width, 400), options=SLOW, at_once=True)
    yield answer["jobId"]


async def ended(nodes: Fleet, node: str, job_id: str) -> dict[str, Any]:
    """How a job has ended, as this node tells it."""
    async with ClientSession(nodes.url(node)) as session:
        while True:
            status = await end_of(session, job_id)
            if status["status"] not in ("queued", "processing"):
                return status


async def test_all_of_them_work_though_one_takes_it_all_in(nodes: Fleet) -> None:
    async with ClientSession(nodes.url("a")) as session:
        pictures = [numbered.picture(number) for number in range(FAIR)]
        answers = await asyncio.gather(
            *(upload(session, one, options=numbered.RECIPE, at_once=True) for one in pictures)
        )
    for answer in answers:
        assert (await ended(nodes, "c", answer["jobId"]))["status"] == "completed"
    names = nodes.node_of()
    done = Counter([names[await field_of(nodes, one["jobId"], "node")] for one in answers])

    assert min(done[name] for name in ROLES) >= FAIR / 10, done


async def test_a_dead_nodes_job_is_done_by_another(nodes: Fleet) -> None:
    async with slow_job(nodes, 601) as job_id:
        dead = await holder_of(nodes, job_id)
        nodes.nodes[dead].children()
        os.kill(nodes.nodes[dead].pid, signal.SIGKILL)
        killed_at = time.monotonic()
        status = await ended(nodes, another(dead), job_id)
        taken_s = time.monotonic() - killed_at
    heir = nodes.node_of()[await field_of(nodes, job_id, "node")]
    nodes.nodes[dead].close()
    nodes.start(dead)

    assert status["status"] == "completed"
    assert heir != dead
    assert await field_of(nodes, job_id, "losses") == "1"
    print(f"dead to completed elsewhere: {taken_s:.1f} s, of them {LEASE_S:g} s lease")


async def _watch(socket: ClientWebSocketResponse, seen: list[dict[str, Any]]) -> None:
    """All the time, or its pings would not be answered."""
    while seen[-1]["status"] != "completed":
        seen.append(await socket.receive_json(timeout=PATIENCE_S))


async def test_a_node_that_is_cut_off_comes_too_late_and_comes_back(nodes: Fleet) -> None:
    shared = nodes.shared
    async with slow_job(nodes, 602) as job_id:
        lonely = await holder_of(nodes, job_id)
        async with ClientSession(nodes.url(lonely)) as session:
            socket = await session.ws_connect("/ws")
            await socket.send_json({"type": "subscribe", "jobId": job_id})
            seen = [await socket.receive_json(timeout=PATIENCE_S)]
            watching = asyncio.create_task(_watch(socket, seen))
            with shared.lan.cut(lonely, shared.port):
                status = await ended(nodes, another(lonely), job_id)
                async with session.get("/readyz") as response:
                    alone = (response.status, (await response.json())["checks"]["redis"])
                async with session.post("/upload", data=form(("a.jpg", jpeg()))) as response:
                    refused = (response.status, "Retry-After" in response.headers)
            await watching
            await socket.close()
    heir = nodes.node_of()[await field_of(nodes, job_id, "node")]
    await until_ready(nodes.url(lonely))
    before = await field_of(nodes, job_id, "revision")
    async with ClientSession(nodes.url(lonely)) as session:
        again = await upload(session, jpeg(64, 64))

    assert (status["status"], heir != lonely) == ("completed", True)
    assert alone == (503, False) and refused == (503, True)
    assert [one["revision"] for one in seen] == sorted(one["revision"] for one in seen)
    assert (await ended(nodes, lonely, again["jobId"]))["status"] == "completed"
    assert await field_of(nodes, job_id, "revision") == before  # its late end changed nothing


@dataclass
class Uploads:
    """Clients that upload without end to the nodes that are not leaving."""

    nodes: Fleet
    leaving: set[str] = field(default_factory=set)
    accepted: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)
    is_over: bool = False

    async def run(self, session: ClientSession, number: int) -> None:
        """One client."""
        while not self.is_over:
            number += 10
            staying = [name for name in ROLES if name not in self.leaving]
            node = staying[number % len(staying)]
            try:
                await self._send(session, node, number)
            except (ClientError, ConnectionError) as error:
                if node not in self.leaving:
                    self.wrong.append(f"{node}: {error!r}")

    async def some_more(self) -> None:
        """Wait until ten more are accepted."""
        wanted = len(self.accepted) + 10
        async with self.grown:
            await self.grown.wait_for(lambda: len(self.accepted) >= wanted)

    async def _send(self, session: ClientSession, node: str, number: int) -> None:
        data = form(("a.jpg", numbered.picture(number % 2000)))
        url = f"{self.nodes.url(node)}/upload"
        async with session.post(url, data=data) as response:  # and wait: no queue shall grow
            answer = await response.json(content_type=None)
        if response.status in (200, 202):
            async with self.grown:
                self.accepted.append(answer["jobId"])
                self.grown.notify_all()
        elif response.status != 429 and node not in self.leaving:
            self.wrong.append(f"{node}: {response.status} {answer}")


async def test_a_rolling_restart_is_not_noticed(nodes: Fleet) -> None:
    uploads = Uploads(nodes)
    async with ClientSession() as session, asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(uploads.run(session, number))
        for node in ROLES:
            await uploads.some_more()
            uploads.leaving.add(node)
            assert await asyncio.to_thread(nodes.nodes[node].stop) == 0
            nodes.nodes[node].close()
            await asyncio.to_thread(nodes.start, node)
            await until_ready(nodes.url(node))
            uploads.leaving.discard(node)
        uploads.is_over = True
    ends = Counter([(await ended(nodes, "b", one))["status"] for one in uploads.accepted])

    assert uploads.wrong == []
    assert ends == {"completed": len(uploads.accepted)}
