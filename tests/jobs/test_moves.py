"""Random moves by several nodes against a real Valkey: the table and every counter hold."""

import asyncio
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from server.config.sections import QueueSettings
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.job import MOVES, SETTLED, Job, JobState, new_job_id
from server.jobs.queue import Claimed, JobQueue, Room

CLASSES, CLIENTS, NODES = ("interactive", "bulk"), ("ann", "bob", "cem"), ("here", "there")
ENDS = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


class Moves(RuleBasedStateMachine):
    """What must be true is kept in plain dicts and compared with Redis after every move."""

    held = Bundle("held")
    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.states: dict[str, JobState] = {}
        self.owners: dict[str, tuple[str, str]] = {}
        self.asked_to_stop: set[str] = set()
        self.runner.run(self._prepare())

    async def _prepare(self) -> None:
        self.redis: Redis = command_client(self.url, timeout_s=30)
        await self.redis.flushall()
        table = QueueSettings(max_depth=40, bulk_share=3)
        self.queues = {node: JobQueue(self.redis, table, node=node, keep_s=60) for node in NODES}
        await self.queues["here"].prepare()

    def teardown(self) -> None:
        self.runner.run(self.redis.aclose())
        self.runner.close()

    def moved(self, job_id: str, to: JobState) -> None:
        before = self.states[job_id]
        assert to in MOVES[before], f"impossible move from {before} to {to}"
        self.states[job_id] = to

    @rule(
        target=held,
        queue_class=st.sampled_from(CLASSES),
        client=st.sampled_from(CLIENTS),
        number=st.integers(1, 4),
        lanes=st.integers(0, 2),
    )
    def admit(self, queue_class: str, client: str, number: int, lanes: int) -> object:
        waiting = sum(state is JobState.QUEUED for state in self.states.values())
        if waiting + number > 40:
            return multiple()
        arrivals = [
            Arrival(new_job_id(), "a", "{}", "key", 1, "jpeg", 1, 1, 1, "", "0")
            for _ in range(number)
        ]
        admitted = self.runner.run(
            self.queues["here"].admit(
                arrivals,
                client=client,
                queue_class=queue_class,
                batch_id=None,
                room=Room(lanes, 10**9, is_idle=True) if lanes else None,
            )
        )
        for one in arrivals:
            self.states[one.job_id] = JobState.QUEUED
            self.owners[one.job_id] = (queue_class, client)
        return self.taken("here", admitted.claimed, lanes)

    @rule(target=held, node=st.sampled_from(NODES), number=st.integers(1, 3))
    def claim(self, node: str, number: int) -> object:
        room = Room(number, 10**9, is_idle=True)
        return self.taken(node, self.runner.run(self.queues[node].claim(room)), number)

    def taken(self, node: str, claimed: Claimed, number: int) -> object:
        waiting = sum(state is JobState.QUEUED for state in self.states.values())
        jobs = [job for group in claimed.groups for job in group]
        assert len(jobs) == min(number, waiting)
        assert claimed.left == (waiting - len(jobs) if number else 0)
        for job in jobs:
            self.moved(job.job_id, JobState.PROCESSING)
        return multiple(*((node, job) for job in jobs))

    @rule(one=consumes(held), to=st.sampled_from(ENDS), quarantine=st.booleans())
    def settle(self, one: tuple[str, Job], to: JobState, quarantine: bool) -> None:
        node, job = one
        if to is JobState.CANCELLED and job.job_id not in self.asked_to_stop:
            assert not self.runner.run(self.queues[node].settle(job, to, {}))
            to = JobState.FAILED
        settled = self.runner.run(
            self.queues[node].settle(job, to, {}, quarantine=quarantine and to is JobState.FAILED)
        )
        assert settled
        self.moved(job.job_id, to)

    @rule(one=consumes(held), blame=st.sampled_from(("attempt", "loss", "none")))
    def give_back(self, one: tuple[str, Job], blame: str) -> None:
        node, job = one
        queue = self.queues[node]
        is_asked = job.job_id in self.asked_to_stop
        requeued = self.runner.run(queue.requeue(job, delay_s=0, blame=blame, reason="test"))
        assert requeued is not is_asked
        self.moved(job.job_id, JobState.CANCELLED if is_asked else JobState.QUEUED)
        assert not self.runner.run(queue.settle(job, JobState.COMPLETED, {}))
        assert not self.runner.run(queue.requeue(job, delay_s=0, blame=blame, reason="test"))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if not self.states:
            return
        job_id = data.draw(st.sampled_from(list(self.states)))
        state = self.runner.run(self.queues["there"].cancel(job_id))
        if self.states[job_id] is JobState.QUEUED:
            self.moved(job_id, JobState.CANCELLED)
        elif self.states[job_id] is JobState.PROCESSING:
            self.asked_to_stop.add(job_id)
        assert state is self.states[job_id]

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        if not self.states:
            return
        job_id = data.draw(st.sampled_from(list(self.states)))
        is_queued, state = self.runner.run(self.queues["there"].retry(job_id))
        assert is_queued == (self.states[job_id] is JobState.FAILED)
        if self.states[job_id] is JobState.FAILED:
            self.moved(job_id, JobState.QUEUED)
            self.asked_to_stop.discard(job_id)
        assert state is self.states[job_id]

    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        settled = [i for i, s in self.states.items() if s in SETTLED - {JobState.EXPIRED}]
        if settled:
            job_id = data.draw(st.sampled_from(settled))
            self.runner.run(self.queues["here"].remove(job_id))
            self.moved(job_id, JobState.EXPIRED)

    @invariant()
    def redis_agrees(self) -> None:
        self.runner.run(self._compare())

    async def _compare(self) -> None:
        for job_id, state in self.states.items():
            assert await self.redis.hget(f"job:{job_id}", "status") == state
        counters = await self.queues["here"].counters()
        processing = 0
        for queue_class in CLASSES:
            mine = {i for i, (c, _) in self.owners.items() if c == queue_class}
            waiting = {i for i in mine if self.states[i] is JobState.QUEUED}
            running = {i for i in mine if self.states[i] is JobState.PROCESSING}
            processing += len(running)
            assert int(counters.get(f"waiting:{queue_class}", 0)) == len(waiting)
            await self._compare_stream(queue_class, running)
            await self._compare_lists(queue_class, waiting)
        assert int(counters.get("processing", 0)) == processing
        unsettled = Counter(
            client for i, (_, client) in self.owners.items() if self.states[i] not in SETTLED
        )
        told = await self.redis.hgetall("unsettled")
        assert {client: int(number) for client, number in told.items()} == unsettled

    async def _compare_stream(self, queue_class: str, running: set[str]) -> None:
        entries = await self.redis.xrange(f"queue:{queue_class}")
        assert {fields["id"] for _, fields in entries} == running
        pending = await self.redis.xpending(f"queue:{queue_class}", "lanes")
        assert pending["pending"] == len(running)

    async def _compare_lists(self, queue_class: str, waiting: set[str]) -> None:
        lined_up: Counter[str] = Counter()
        ring = []
        for client in CLIENTS:
            ids = await self.redis.lrange(f"waiting:{queue_class}:{client}", 0, -1)
            lined_up.update(ids)
            ring += [client] if ids else []
        assert sorted(await self.redis.lrange(f"ring:{queue_class}", 0, -1)) == ring
        assert waiting <= set(lined_up)
        assert max(lined_up.values(), default=1) == 1, "a job stands in line twice"
        tombstones = set(lined_up) - waiting
        assert all(self.states[job_id] in SETTLED for job_id in tombstones)


def test_random_moves_keep_redis_and_the_table_in_step(valkey_url: str) -> None:
    Moves.url = valkey_url

    run_state_machine_as_test(
        Moves,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
