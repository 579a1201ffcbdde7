"""Jobs that networks work on wait in a line of their own: nobody waits behind them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pool import NO_AI, Engines, Header, Model, Used, parse_recipe
from server.config.sections import QueueSettings
from server.intake.arriving import arrival
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.job import Job, new_job_id
from server.jobs.queue import JobQueue, Room
from server.jobs.running.speeds import Speeds
from server.storage.spool import Spooled

PLAIN = Arrival(
    job_id="",
    name="a.jpg",
    recipe="{}",
    original_key="",
    original_bytes=1,
    original_format="jpeg",
    width=1000,
    height=1000,
    cost_bytes=1,
    group="",
    digest="",
)
THERE = Engines(models=(Model("enhance", "x.onnx"),), why_not="")


@pytest.fixture
async def queue(valkey_url: str) -> AsyncIterator[JobQueue]:
    async with command_client(valkey_url, timeout_s=30) as client:
        made = JobQueue(client, QueueSettings(), node="here", keep_s=60)
        await made.prepare()
        yield made


async def admit(queue: JobQueue, *, needs_network: bool) -> str:
    job_id = new_job_id()
    one = replace(PLAIN, job_id=job_id, original_key=job_id, needs_network=needs_network)
    await queue.admit([one], client="me", queue_class="interactive", batch_id=None)
    return job_id


async def claim(queue: JobQueue, wanted: int, networks: int) -> list[Job]:
    claimed = await queue.claim(Room(wanted, 10**9, is_idle=True, networks=networks))
    return [job for group in claimed.groups for job in group]


async def test_a_plain_job_passes_the_same_clients_jobs_for_networks(queue: JobQueue) -> None:
    slow = [await admit(queue, needs_network=True) for _ in range(3)]
    plain = await admit(queue, needs_network=False)

    none_free = await claim(queue, 4, networks=0)
    one_free = await claim(queue, 4, networks=1)

    assert [job.job_id for job in none_free] == [plain]
    assert [(job.job_id, job.queue_class) for job in one_free] == [(slow[0], "ai")]


async def test_jobs_for_networks_get_a_turn_while_plain_ones_wait(queue: JobQueue) -> None:
    slow = await admit(queue, needs_network=True)
    for _ in range(6):
        await admit(queue, needs_network=False)

    claimed = [(await claim(queue, 1, networks=1))[0].job_id for _ in range(4)]

    assert slow in claimed
    assert claimed[0] != slow


async def test_a_lost_job_for_networks_is_found_again(queue: JobQueue) -> None:
    slow = await admit(queue, needs_network=True)
    [job] = await claim(queue, 1, networks=1)
    await queue.requeue(job, delay_s=0, blame="none", reason="a test")

    [again] = await claim(queue, 1, networks=1)

    assert (again.job_id, again.token) == (slow, job.token + 1)


def test_what_networks_take_is_told_by_what_they_were_measured_to_take() -> None:
    engines = replace(THERE, seconds_per_mp={"enhance": 3.0}, jobs_at_once=2)
    header = Header("jpeg", 2000, 1000, 3, 1, False, False, 8, 1)
    spooled = Spooled("job", "a.jpg", Path("a.jpg"), 1, "digest")

    slow = arrival(spooled, header, parse_recipe({"enhance": {}}), None, engines)
    plain = arrival(spooled, header, parse_recipe({}), None, engines)

    assert (slow.needs_network, slow.network_s, slow.network_turn_s) == (True, 6.0, 3.0)
    assert (plain.needs_network, plain.network_s) == (False, 0.0)


async def test_its_eta_counts_what_networks_take_for_it_and_those_ahead(queue: JobQueue) -> None:
    waiting = [new_job_id() for _ in range(3)]
    for job_id in waiting:
        slow = replace(PLAIN, job_id=job_id, original_key=job_id, needs_network=True)
        one = replace(slow, network_s=12.0, network_turn_s=6.0)
        await queue.admit([one], client="me", queue_class="interactive", batch_id=None)
    plain = await admit(queue, needs_network=False)

    *told, quick = await queue.look_all([*waiting, plain])

    assert isinstance(quick, Job) and quick.eta_ms is not None
    mean_ms = quick.eta_ms  # of a job, as long as none has ended
    etas = [job.eta_ms for job in told if isinstance(job, Job)]
    assert etas == [mean_ms + 12_000, 2 * mean_ms + 18_000, 3 * mean_ms + 24_000]


async def test_its_deadline_grows_with_what_networks_take(queue: JobQueue) -> None:
    await admit(queue, needs_network=True)
    [job] = await claim(queue, 1, networks=1)
    recipe = parse_recipe({"enhance": {}})
    speeds = Speeds(THERE, deadline_s=10, deadline_times=4)

    unmeasured = speeds.deadline_s(job, recipe)
    speeds.measured("enhance", 2.0)
    measured = speeds.deadline_s(job, recipe)
    speeds.learn([Used("enhance", "ai", "enhance", megapixels=1.0, seconds=7.0)])
    speeds.learn([Used("enhance", "ai", "enhance", megapixels=0.001, seconds=7.0)])

    assert unmeasured == 10 + 4 * 20
    assert measured == 10 + 4 * 2
    assert speeds.seconds_per_mp == {"enhance": 3.0}
    assert Speeds(NO_AI, deadline_s=10, deadline_times=4).deadline_s(job, recipe) == 10
