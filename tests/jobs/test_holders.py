"""Random uploads, joins, ends, removals and deaths of the janitor: nothing that is held goes, and
nothing that nobody holds stays.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from server.config.sections import ImageSettings
from server.jobs.connection import command_client
from server.jobs.job import Job, JobState
from server.ops.janitor import Janitor, delete
from server.storage.storage import result_key
from tests.jobs.sharing import Site

NODES, CLIENTS, CLASSES = ("here", "there"), ("ann", "bob"), ("interactive", "bulk")
CONTENTS, RECIPES = ("cat", "dog"), ("{}", '{"format":"png"}')
MOST = 50
LIVE = (JobState.QUEUED, JobState.PROCESSING)


class Holders(RuleBasedStateMachine):
    """Real files, a real Valkey, two nodes; what users asked for is noted beside."""

    held = Bundle("held")
    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="safelight-holders-"))
        self.ids: list[str] = []
        self.unwanted: set[str] = set()
        self.removed: set[str] = set()
        self.due: set[str] = set()
        self.without_original: set[str] = set()
        self.runner.run(self._prepare())

    async def _prepare(self) -> None:
        self.redis: Redis = command_client(self.url, timeout_s=30)
        await self.redis.flushall()
        self.sites = {
            node: Site(self.redis, self.folder, node, keep_s=60, keep_original_s=keep_original_s)
            for node, keep_original_s in zip(NODES, (30, 60), strict=True)
        }
        self.site = self.sites["here"]
        await self.site.queue.prepare()
        kept = ImageSettings(orphan_grace_s=0)
        self.janitor = Janitor(self.site.queue, self.site.storage, kept, incoming=list)

    def teardown(self) -> None:
        try:
            self.runner.run(self._end_all())
        finally:
            self.runner.run(self.redis.aclose())
            self.runner.close()
            shutil.rmtree(self.folder)

    # What users do.

    @rule(
        node=st.sampled_from(NODES),
        content=st.sampled_from(CONTENTS),
        recipe=st.sampled_from(RECIPES),
        client=st.sampled_from(CLIENTS),
        queue_class=st.sampled_from(CLASSES),
        private=st.booleans(),
        shares=st.sampled_from((True, True, True, False)),
    )
    def upload(self, node: str, **asked: Any) -> None:
        if self._count(LIVE) < MOST:
            self.ids.append(self.runner.run(self.sites[node].upload(**asked)))

    @initialize(number=st.integers(2, 6))
    def begin(self, number: int) -> None:
        self.upload_the_same(number, "bulk")

    @rule(number=st.integers(1, 3), queue_class=st.sampled_from(CLASSES))
    def upload_the_same(self, number: int, queue_class: str) -> None:
        for _ in range(number):
            self.upload("here", content="cat", queue_class=queue_class)

    @rule(content=st.sampled_from(CONTENTS))
    def die_before_admission(self, content: str) -> None:
        self.runner.run(self.site.store(content))

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if job_id := self._one(data):
            self.unwanted.add(job_id)
            self.runner.run(self.site.queue.cancel(job_id))

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if job_id := self._one(data):
            self.removed.add(job_id)
            self.unwanted.add(job_id)
            self.runner.run(self.sites["there"].queue.remove(job_id))

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        if job_id := self._one(data):
            before = self._job(job_id)
            retried, _ = self.runner.run(self.site.queue.retry(job_id))
            assert retried == (before.status is JobState.FAILED and before.original_key != "")
            if retried:
                self.unwanted.discard(job_id)

    # What nodes do.

    @rule(target=held, node=st.sampled_from(NODES), wanted=st.integers(1, 3))
    def claim(self, node: str, wanted: int) -> object:
        return multiple(*((node, job) for job in self.runner.run(self.sites[node].claim(wanted))))

    @rule(one=consumes(held))
    def complete(self, one: tuple[str, Job]) -> None:
        assert self.runner.run(self.sites[one[0]].complete(one[1]))

    @rule(one=held)
    def store_and_die(self, one: tuple[str, Job]) -> None:
        self.runner.run(self.sites[one[0]].store_result(one[1]))

    @rule(one=consumes(held), end=st.sampled_from(("at fault", "quarantine", "plain")))
    def fail(self, one: tuple[str, Job], end: str) -> None:
        node, job = one
        flags = {"at_fault": end == "at fault", "quarantine": end == "quarantine"}
        fields = {"error_code": "some", "error_detail": "thing"}
        queue = self.sites[node].queue
        assert self.runner.run(queue.settle(job, JobState.FAILED, fields, **flags))
        if end == "at fault":
            assert self._job(job.job_id).original_key == ""

    @rule(one=consumes(held))
    def stop(self, one: tuple[str, Job]) -> None:
        queue = self.sites[one[0]].queue
        if not self.runner.run(queue.settle(one[1], JobState.CANCELLED, {})):
            self.runner.run(queue.requeue(one[1], delay_s=0, blame="none", reason="unasked"))

    @rule(one=consumes(held), blame=st.sampled_from(("attempt", "loss", "none")))
    def give_back(self, one: tuple[str, Job], blame: str) -> None:
        queue = self.sites[one[0]].queue
        self.runner.run(queue.requeue(one[1], delay_s=0, blame=blame, reason="test"))
        assert not self.runner.run(queue.settle(one[1], JobState.COMPLETED, {}))

    # What time and the janitor do, who may die anywhere.

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), what=st.sampled_from(("expiry", "expiry:originals")))
    def time_goes_by(self, data: st.DataObject, what: str) -> None:
        there = set(self.runner.run(self.redis.zrange(what, 0, -1)))
        members = [one for one in self.ids if one in there]
        if job_id := self._one(data, members):
            self.runner.run(self.redis.zadd(what, {job_id: 1}))
            (self.due if what == "expiry" else self.without_original).add(job_id)

    @precondition(lambda self: self.ids)
    @rule()
    def expire(self) -> None:
        self.runner.run(self.site.queue.expire_due(100))

    @precondition(lambda self: self.ids)
    @rule(deleted=st.integers(0, 3), forgotten=st.integers(0, 3))
    def janitor_dies(self, deleted: int, forgotten: int) -> None:
        self.runner.run(self._half_clean(deleted, min(deleted, forgotten)))

    @precondition(lambda self: self.ids)
    @rule()
    def clean(self) -> None:
        self.runner.run(self.janitor.clean())

    @precondition(lambda self: self.ids)
    @rule()
    def sweep(self) -> None:
        self.runner.run(self.janitor.sweep())

    # What must be true.

    @invariant()
    def all_is_held(self) -> None:
        self.runner.run(self._compare())

    async def _compare(self) -> None:
        found = await self.site.queue.look_all(self.ids)
        jobs = {job.job_id: job for job in found if isinstance(job, Job)}
        assert set(self.ids) - set(jobs) <= self.due | self.removed
        files = self.site.files()
        for job in jobs.values():
            self._asked_for(job)
            if job.original_key:
                assert job.original_key in files, "an original that is held has gone"
            assert {one.key for one in job.variants} <= files, "a result that is held has gone"
        await self._compare_sets(jobs)
        await self._compare_followers(jobs)
        await self._compare_counters(jobs)

    def _asked_for(self, job: Job) -> None:
        """Nothing ends because of somebody else's wish."""
        if job.status is JobState.CANCELLED:
            assert job.job_id in self.unwanted
        if job.status is JobState.EXPIRED:
            assert job.job_id in self.removed | self.due
        if job.job_id in self.removed:
            assert job.status in (JobState.EXPIRED, JobState.PROCESSING, JobState.QUEUED)
        if job.status is JobState.COMPLETED:
            assert [one.name for one in job.variants] == ["default"]
            assert job.variants[0].key == result_key(job.maker_id or "", "default.webp")

    async def _compare_sets(self, jobs: dict[str, Job]) -> None:
        blobs = {f"blob:{job.digest}" for job in jobs.values() if job.original_key}
        assert set(await self.redis.keys("blob:*")) == blobs
        for blob in blobs:
            holders = {i for i, j in jobs.items() if j.original_key and blob.endswith(j.digest)}
            assert await self.redis.smembers(blob) == holders
            assert len({jobs[i].original_key for i in holders}) == 1, "two files of the same bytes"
        shown = [job for job in jobs.values() if job.status is JobState.COMPLETED]
        assert set(await self.redis.keys("made:*")) == {f"made:{job.maker_id}" for job in shown}
        for job in shown:
            members = await self.redis.smembers(f"made:{job.maker_id}")
            assert members == {one.job_id for one in shown if one.maker_id == job.maker_id}
        for pointer in await self.redis.keys("result:*"):
            job = jobs[await self.redis.get(pointer)]
            assert f"result:{job.dedup}" == pointer
            assert job.status in (*LIVE, JobState.COMPLETED)
            assert job.leader_id is None

    async def _compare_followers(self, jobs: dict[str, Job]) -> None:
        led = Counter(job.leader_id for job in jobs.values() if job.leader_id)
        assert set(await self.redis.keys("followers:*")) == {f"followers:{one}" for one in led}
        for leader_id, number in led.items():
            leader = jobs[str(leader_id)]
            followers = await self.redis.lrange(f"followers:{leader_id}", 0, -1)
            assert len(followers) == len(set(followers)) == number
            assert int(await self.redis.hget(f"job:{leader_id}", "followers")) == number
            assert leader.status in LIVE
            assert leader.leader_id is None
            for job_id in followers:
                follower = jobs[job_id]
                assert (follower.leader_id, follower.dedup) == (leader_id, leader.dedup)
                shown = (follower.status, follower.stage, follower.progress)
                assert shown == (leader.status, leader.stage, leader.progress)

    async def _compare_counters(self, jobs: dict[str, Job]) -> None:
        counters = await self.site.queue.counters()
        own = [job for job in jobs.values() if job.leader_id is None]
        expected = {
            "following": len([job for job in jobs.values() if job.leader_id]),
            "processing": len([job for job in own if job.status is JobState.PROCESSING]),
        }
        waiting = [job for job in own if job.status is JobState.QUEUED]
        for one in CLASSES:
            expected[f"waiting:{one}"] = len([job for job in waiting if job.queue_class == one])
        expected["waiting_bytes"] = sum(job.original_bytes for job in waiting)
        assert {name: int(counters.get(name, 0)) for name in expected} == expected

    async def _half_clean(self, deleted: int, forgotten: int) -> None:
        trash = self.site.queue.trash
        some = (await trash.due(100))[:deleted]
        for one in some:
            await delete(self.site.storage, one)
        await trash.forget(some[:forgotten])

    async def _end_all(self) -> None:
        """Everybody takes their pictures back: nothing may be left."""
        for job_id in self.ids:
            if await self.site.queue.remove(job_id) is JobState.PROCESSING:
                for job in await self._leased(job_id):
                    assert await self.site.queue.settle(job, JobState.CANCELLED, {})
        await self.janitor.clean()
        await self.janitor.sweep()
        assert self.site.files() == set()
        kinds = {key.split(":")[0] for key in await self.redis.keys()}
        assert kinds <= {"job", "queue", "waiting", "ring", "served", "journal"}, kinds
        counters = await self.site.queue.counters()
        gone = ("following", "processing", "waiting_bytes", *(f"waiting:{one}" for one in CLASSES))
        assert all(int(counters.get(name, 0)) == 0 for name in gone), counters

    async def _leased(self, job_id: str) -> list[Job]:
        job = await self.site.job(job_id)
        return [job] if job.status is JobState.PROCESSING else []

    def _one(self, data: st.DataObject, among: list[str] | None = None) -> str:
        """Drawn by number, so that what Redis answers does not change what is drawn."""
        number = data.draw(st.integers(0, 4 * MOST))
        if among is None:
            among = [one for one in self.ids if self.runner.run(self.site.queue.look(one))]
        return among[number % len(among)] if among else ""

    def _job(self, job_id: str) -> Job:
        return self.runner.run(self.site.job(job_id))

    def _count(self, states: tuple[JobState, ...]) -> int:
        found = self.runner.run(self.site.queue.look_all(self.ids))
        return sum(isinstance(job, Job) and job.status in states for job in found)


def test_what_is_held_stays_and_what_nobody_holds_goes(valkey_url: str) -> None:
    Holders.url = valkey_url

    run_state_machine_as_test(
        Holders,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
