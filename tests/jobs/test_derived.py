"""What is made of pictures on first ask, beside all else that happens to them: asks on two nodes,
removals, ends of time, deaths. One job makes each thing, it goes with its picture, nothing stays.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis

from server.config.deriving import DerivedSettings
from server.config.sections import QueueSettings
from server.jobs.arrival import Arrival
from server.jobs.connection import command_client
from server.jobs.derived import CannotBe, DerivedJobs
from server.jobs.job import Job, JobState, new_job_id
from server.jobs.queue import JobQueue
from server.refusals import Faulted, QueueFull, QuotaExceeded, Refusal, TooManyDerived
from tests.jobs.sharing import Site, arrival_of
from tests.jobs.test_holders import LIVE, MOST, NODES, Holders

NAMES = {"small": "{}", "default.avif": '{"format":"png"}'}
WIDE = QueueSettings(max_depth=1000)


def derived_of(site: Site, **settings: Any) -> DerivedJobs:
    return DerivedJobs(site.queue, DerivedSettings(**settings), WIDE)


def arrival_from(picture: Job, recipe: str) -> Arrival:
    """As intake makes it of a stored picture."""
    content = picture.name.removesuffix(".jpg")
    scope = picture.client if picture.private else ""
    made = arrival_of(new_job_id(), content, recipe, scope, private=picture.private)
    return replace(made, original_key=picture.original_key)


class Derived(Holders):
    """Holders, whose pictures are asked for in other forms meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs = {node: derived_of(site) for node, site in self.sites.items()}
        self.of: dict[str, tuple[str, str]] = {}
        """What each derived job makes: its picture and the name."""
        self.seen: dict[str, Job] = {}

    @initialize()
    def have_pictures(self) -> None:
        """Most of what can go wrong begins with one that is complete."""
        self.upload_the_same(1, "interactive")
        self.upload("there", content="dog", queue_class="interactive", client="bob", private=True)
        self.develop("here")

    @rule(node=st.sampled_from(NODES))
    def develop(self, node: str) -> None:
        for job in self.runner.run(self.sites[node].claim(10)):
            assert self.runner.run(self.sites[node].complete(job))

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), name=st.sampled_from(sorted(NAMES)), asks=st.integers(1, 4))
    def ask(self, data: st.DataObject, name: str, asks: int) -> None:
        """Mostly for one that can be; each second ask comes by the other node."""
        complete = [one for one, job in self.seen.items() if job.status is JobState.COMPLETED]
        is_any = data.draw(st.integers(0, 4)) == 0
        picture_id = self._one(data, None if is_any else complete)
        if self._count(LIVE) < MOST and picture_id:
            self._ask(picture_id, [NODES[one % 2] for one in range(asks)], name)

    @precondition(lambda self: self.of)
    @rule(data=st.data(), is_over=st.booleans())
    def end_what_was_asked_for(self, data: st.DataObject, is_over: bool) -> None:
        """A picture goes of which something was made, or is being made."""
        pictures = [picture_id for picture_id, _ in self.of.values()]
        picture_id = self._one(data, [one for one in pictures if one in self.seen])
        if picture_id and is_over:
            self.due.add(picture_id)
            self.runner.run(self.redis.zadd("expiry", {picture_id: 1}, xx=True))
            self.runner.run(self.site.queue.expire_due(100))
        elif picture_id:
            self.removed.add(picture_id)
            self.unwanted.add(picture_id)
            self.runner.run(self.site.queue.remove(picture_id))

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), name=st.sampled_from(sorted(NAMES)))
    def find_that_it_cannot_be(self, data: st.DataObject, name: str) -> None:
        if picture_id := self._one(data):
            fault = Faulted("output_too_large", "too large", limit=1, actual=2)
            self.runner.run(self.jobs["here"].remember(picture_id, name, fault))

    def _ask(self, picture_id: str, nodes: list[str], name: str) -> None:
        picture, there = self._job(picture_id), self._standing(picture_id, name)
        told = set(self.runner.run(self._answers(picture, nodes, name)))
        if picture.status is not JobState.COMPLETED:
            assert told == {"source_gone"}
        elif there is not None:
            assert told == {there}
        elif not picture.original_key:
            assert told == {"source_gone"}
        else:
            (made,) = told
            assert made not in self.ids
            self.ids.append(made)
            self.of[made] = picture_id, name

    async def _answers(self, picture: Job, nodes: list[str], name: str) -> list[str]:
        """Ids, or codes of refusals, of asks that are sent at one moment."""

        async def ask(node: str) -> str:
            try:
                return await self.jobs[node].admit(
                    picture, name, arrival_from(picture, NAMES[name])
                )
            except Refusal as refusal:
                return refusal.code

        return await asyncio.gather(*map(ask, nodes))

    def _standing(self, picture_id: str, name: str) -> str | None:
        """What an ask finds: the one job that counts, or why there cannot be one."""
        made = self.runner.run(self.jobs["there"].look(picture_id, name)).made
        if isinstance(made, CannotBe):
            return made.code
        ended = (JobState.CANCELLED, JobState.EXPIRED)
        return None if made is None or made.status in ended else made.job_id

    def _asked_for(self, job: Job) -> None:
        """Nothing derived ends by itself, but all of it with its picture."""
        if job.job_id not in self.of:
            super()._asked_for(job)
            return
        picture_id, _ = self.of[job.job_id]
        assert (job.picture_id, job.source_image_id) == (picture_id, picture_id)
        picture = self.seen.get(picture_id)
        if picture is None or picture.status is JobState.EXPIRED:
            self.unwanted.add(job.job_id)
            self.removed.add(job.job_id)
        else:
            assert job.client == picture.client
            assert job.private == picture.private
        super()._asked_for(job)

    async def _compare(self) -> None:
        found = await self.site.queue.look_all(self.ids)
        self.seen = {job.job_id: job for job in found if isinstance(job, Job)}
        await super()._compare()
        await self._compare_names()

    async def _compare_names(self) -> None:
        """Each thing is made by one job at a time, which stands with its picture."""
        alive: dict[tuple[str, str], list[str]] = {}
        for job_id, about in self.of.items():
            job = self.seen.get(job_id)
            is_doomed = bool(await self.redis.hexists(f"job:{job_id}", "doomed"))
            if job and job.status in (*LIVE, JobState.COMPLETED) and not is_doomed:
                alive.setdefault(about, []).append(job_id)
        for (picture_id, name), jobs in alive.items():
            assert await self.redis.hget(f"derived:{picture_id}", name) == jobs[0]
            assert len(jobs) == 1
            assert self.seen[picture_id].status is JobState.COMPLETED
        for key in await self.redis.keys("derived:*"):
            assert self.seen[key.removeprefix("derived:")].status is JobState.COMPLETED
            there = await self.redis.hgetall(key)
            assert len(there) <= len(NAMES)
            made = [self.seen[value] for value in there.values() if not value.startswith("!")]
            assert all(job.status is not JobState.EXPIRED for job in made)
        for job_id, (picture_id, _) in self.of.items():
            await self._compare_times(job_id, picture_id)

    async def _compare_times(self, job_id: str, picture_id: str) -> None:
        """Never later than its picture, unless that was moved by the test itself."""
        own, its = await self.redis.zmscore("expiry", [job_id, picture_id])
        if own is not None and its is not None and its > 1 and own > 1:
            assert own <= its


def test_each_thing_is_made_once_and_goes_with_its_picture(valkey_url: str) -> None:
    Derived.url = valkey_url

    run_state_machine_as_test(
        Derived,
        settings=settings(
            max_examples=12,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest_asyncio.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    client = command_client(valkey_url, timeout_s=30)
    await client.flushall()
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def site(redis: Redis, tmp_path: Path) -> Site:
    site = Site(redis, tmp_path, "here", keep_s=60, keep_original_s=60)
    await site.queue.prepare()
    return site


async def shown(site: Site, content: str = "cat", client: str = "me") -> Job:
    """A completed picture."""
    job_id = await site.upload(content, client=client, shares=False)
    (job,) = await site.claim()
    assert await site.complete(job)
    return await site.job(job_id)


async def ask(jobs: DerivedJobs, picture: Job, name: str = "small") -> str:
    return await jobs.admit(picture, name, arrival_from(picture, f'{{"name":"{name}"}}'))


async def fail(site: Site, *, quarantine: bool = False) -> None:
    (job,) = await site.claim()
    fields = {"error_code": "worker_crashed", "error_detail": "It died."}
    assert await site.queue.settle(job, JobState.FAILED, fields, quarantine=quarantine)


async def test_asks_leave_room_in_the_line_for_uploads(site: Site) -> None:
    jobs = DerivedJobs(site.queue, DerivedSettings(queue_share=0.5), QueueSettings(max_depth=4))
    picture = await shown(site)
    for name in ("a", "b"):
        await ask(jobs, picture, name)

    with pytest.raises(QueueFull) as full:
        await ask(jobs, picture, "c")
    with pytest.raises(QueueFull):
        await jobs.refuse_if_full()

    assert (full.value.limit, full.value.actual) == (2, 2)
    assert full.value.retry_after_s is not None
    assert await ask(jobs, picture, "a") == (await jobs.look(picture.job_id, "a")).made.job_id  # type: ignore[union-attr]  # it is a job
    await site.upload("dog", shares=False)


async def test_asks_leave_room_in_the_quota_of_the_owner(redis: Redis, tmp_path: Path) -> None:
    site = Site(redis, tmp_path, "here")
    site.queue = JobQueue(redis, WIDE, node="here", keep_s=60, most_unsettled=3)
    await site.queue.prepare()
    jobs, picture = derived_of(site), await shown(site)
    for name in ("a", "b"):
        await ask(jobs, picture, name)

    with pytest.raises(QuotaExceeded) as exceeded:
        await ask(jobs, picture, "c")

    assert (exceeded.value.limit, exceeded.value.actual) == (2, 3)
    await site.upload("dog", shares=False)
    with pytest.raises(QuotaExceeded):
        await site.upload("cow", shares=False)
    other = await shown_beside(site, "bird", "bob")
    assert await ask(jobs, other, "c")


async def shown_beside(site: Site, content: str, client: str) -> Job:
    """A completed picture of a client while others wait."""
    job_id = await site.upload(content, client=client, shares=False)
    claimed = [job for job in await site.claim(10) if job.job_id == job_id]
    assert await site.complete(claimed[0])
    return await site.job(job_id)


async def test_what_is_made_of_one_picture_is_bounded(site: Site) -> None:
    jobs, picture = derived_of(site, max_per_image=2), await shown(site)
    await ask(jobs, picture, "a")
    await jobs.remember(picture.job_id, "b", Faulted("crop_outside", "outside"))

    with pytest.raises(TooManyDerived):
        await ask(jobs, picture, "c")

    await jobs.remember(picture.job_id, "c", Faulted("crop_outside", "outside"))
    assert (await jobs.look(picture.job_id, "c")).made is None  # there is no room for it, either


async def test_a_refusal_that_is_over_makes_room(site: Site, redis: Redis) -> None:
    jobs, picture = derived_of(site, max_per_image=1), await shown(site)
    over = orjson.dumps({"code": "crop_outside", "detail": "outside", "until": 1}).decode()
    await redis.hset(f"derived:{picture.job_id}", "b", f"!{over}")  # type: ignore[misc]  # async here

    made = await ask(jobs, picture, "c")

    assert (await redis.hgetall(f"derived:{picture.job_id}")) == {"c": made}  # type: ignore[misc]  # async here


async def test_what_failed_is_tried_again_after_a_while_by_a_new_job(
    site: Site, redis: Redis
) -> None:
    jobs, picture = derived_of(site), await shown(site)
    first = await ask(jobs, picture)
    await fail(site)
    failed = await site.job(first)

    again = await ask(jobs, picture)
    told = jobs.failure(failed)
    assert (again, told and told.code) == (first, "worker_crashed")
    assert told is not None and 290 < (told.retry_after_s or 0) <= 300

    await redis.hset(f"job:{first}", "settled", 1)  # type: ignore[misc]  # async here
    assert jobs.failure(await site.job(first)) is None
    second = await ask(jobs, picture)
    assert second != first
    assert (await site.job(first)).status is JobState.EXPIRED
    assert (await site.job(second)).status is JobState.QUEUED


async def test_what_is_in_quarantine_is_tried_by_hand_alone(site: Site, redis: Redis) -> None:
    jobs, picture = derived_of(site), await shown(site)
    first = await ask(jobs, picture)
    await fail(site, quarantine=True)
    await redis.hset(f"job:{first}", "settled", 1)  # type: ignore[misc]  # async here

    assert jobs.failure(await site.job(first)) is not None
    assert await ask(jobs, picture) == first
    assert await site.queue.retry(first) == (True, JobState.QUEUED)
    (job,) = await site.claim()
    assert await site.complete(job)
    assert await ask(jobs, picture) == first


async def test_it_goes_at_the_time_of_its_picture_and_holds_the_original_no_longer(
    redis: Redis, tmp_path: Path
) -> None:
    site = Site(redis, tmp_path, "here", keep_s=60, keep_original_s=30)
    await site.queue.prepare()
    jobs, picture = derived_of(site), await shown(site)
    made = await ask(jobs, picture)
    (job,) = await site.claim()
    assert await site.complete(job)

    for times in ("expiry", "expiry:originals"):
        own, its = await redis.zmscore(times, [made, picture.job_id])
        assert own == its is not None


async def test_what_ends_after_its_picture_lost_its_original_lets_go_of_it_at_once(
    redis: Redis, tmp_path: Path
) -> None:
    site = Site(redis, tmp_path, "here", keep_s=60, keep_original_s=30)
    await site.queue.prepare()
    jobs, picture = derived_of(site), await shown(site)
    made = await ask(jobs, picture)
    await redis.zadd("expiry:originals", {picture.job_id: 1})
    await site.queue.expire_due(10)
    assert site.files("originals") == {picture.original_key}  # its work goes on

    (job,) = await site.claim()
    assert await site.complete(job)
    await site.queue.expire_due(10)

    assert (await site.job(made)).status is JobState.COMPLETED
    assert (await site.job(made)).original_key == ""
    assert [one.what for one in await site.queue.trash.due(10)] == [picture.original_key]


async def test_what_is_made_of_what_was_made_goes_with_the_first(site: Site) -> None:
    jobs, picture = derived_of(site), await shown(site)
    first = await ask(jobs, picture)
    (job,) = await site.claim()
    assert await site.complete(job)
    second = await ask(jobs, await site.job(first), "default.avif")

    await site.queue.remove(picture.job_id)

    assert [await site.status(one) for one in (first, second)] == ["expired", "expired"]
    assert await site.claim() == []


async def test_what_is_being_made_is_stopped_when_its_picture_goes(site: Site) -> None:
    jobs, picture = derived_of(site), await shown(site)
    made = await ask(jobs, picture)
    (job,) = await site.claim()
    await site.store_result(job)

    await site.queue.remove(picture.job_id)
    assert await site.status(made) == "processing"
    assert await site.queue.settle(job, JobState.COMPLETED, await site.store_result(job))

    assert await site.status(made) == "expired"
    assert {one.kind for one in await site.queue.trash.due(10)} == {"original", "results"}


async def test_what_goes_alone_is_made_anew_when_it_is_asked_for(site: Site, redis: Redis) -> None:
    jobs, picture = derived_of(site), await shown(site)
    first = await ask(jobs, picture)
    await site.queue.remove(first)

    assert not await redis.exists(f"derived:{picture.job_id}")
    assert await ask(jobs, picture) != first


async def test_nothing_is_made_of_a_picture_whose_original_has_gone(
    site: Site, redis: Redis
) -> None:
    jobs, picture = derived_of(site), await shown(site)
    await redis.zadd("expiry:originals", {picture.job_id: 1})
    await site.queue.expire_due(10)

    for known in (picture, await site.job(picture.job_id)):
        with pytest.raises(Faulted) as refused:
            await ask(jobs, known)
        assert refused.value.code == "source_gone"
    assert await site.claim() == []
