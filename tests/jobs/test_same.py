"""Nothing is done twice: bytes, work under way and finished results are shared, over all nodes."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from server.config.sections import ImageSettings
from server.jobs.connection import command_client
from server.jobs.job import Batch, JobState, new_batch_id
from server.jobs.queue import FOLLOWERS_MOST
from server.ops.janitor import Janitor
from tests.jobs.sharing import Site

MakeSite = Callable[..., Site]


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


@pytest.fixture
def make_site(redis: Redis, tmp_path: Path) -> MakeSite:
    def make(node: str = "here", **times: int) -> Site:
        return Site(redis, tmp_path, node, **times)

    return make


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    site = make_site()
    await site.queue.prepare()
    return site


async def clean(site: Site, *, grace_s: int = 3600) -> None:
    settings = ImageSettings(orphan_grace_s=grace_s)
    janitor = Janitor(site.queue, site.storage, settings, incoming=list)
    await janitor.clean()
    await janitor.sweep()


async def counts(site: Site, batch_id: str) -> dict[str, int]:
    batch = await site.queue.look(batch_id)
    assert isinstance(batch, Batch)
    return {state: number for state, number in batch.counts.items() if number}


async def test_same_bytes_lie_in_the_storage_once(site: Site) -> None:
    first = await site.upload("cat")
    second = await site.upload("cat", recipe="another")
    await clean(site)

    assert len(site.files("originals")) == 1
    assert (await site.job(first)).original_key == (await site.job(second)).original_key
    assert await site.counter("same_bytes") == 1


async def test_original_stays_until_the_last_job_that_holds_it_is_gone(site: Site) -> None:
    first = await site.upload("cat")
    second = await site.upload("cat", recipe="another")

    await site.queue.remove(first)
    await clean(site)
    while_held = site.files("originals")
    await site.queue.remove(second)
    await clean(site)

    assert len(while_held) == 1
    assert site.files() == set()


async def test_key_of_a_removed_original_is_not_used_again(site: Site) -> None:
    first = await site.upload("cat")
    await site.queue.remove(first)

    second = await site.upload("cat")  # before the janitor came
    await clean(site)

    assert site.files("originals") == {(await site.job(second)).original_key}


async def test_two_nodes_join_the_same_work(make_site: MakeSite, site: Site) -> None:
    other = make_site("there")
    leader = await site.upload("cat")
    follower = await other.upload("cat", client="you")

    [job] = await other.claim(5)
    during = await site.job(follower)
    await other.complete(job)

    assert job.job_id == leader
    assert (during.status, during.stage, during.leader_id) == ("processing", "decoding", leader)
    after = await site.job(follower)
    assert after.status is JobState.COMPLETED
    assert after.variants == (await site.job(leader)).variants
    assert await site.counter("developed") == 1
    assert (await site.counter("completed"), await site.counter("following")) == (2, 0)


async def test_follower_is_told_the_progress_of_its_leader(site: Site) -> None:
    await site.upload("cat")
    follower = await site.upload("cat")
    [job] = await site.claim()

    await site.queue.report([(job.job_id, job.token, "encoding", 42)])

    seen = await site.job(follower)
    assert (seen.stage, seen.progress) == ("encoding", 42)
    assert seen.revision > 1


async def test_waiting_follower_stands_where_its_leader_does(site: Site) -> None:
    await site.upload("other")
    leader = await site.upload("cat")
    follower = await site.upload("cat", client="you")

    places = [(await site.job(one)).position for one in (leader, follower)]

    assert places == [2, 2]
    assert await site.counter("waiting:interactive") == 2


async def test_finished_result_is_reused_at_once(site: Site) -> None:
    first = await site.upload("cat")
    [job] = await site.claim()
    await site.complete(job)

    second = await site.job(await site.upload("cat", client="you"))

    assert (second.status, second.is_cached, second.progress) == (JobState.COMPLETED, True, 100)
    assert second.variants == (await site.job(first)).variants
    assert await site.claim() == []
    assert await site.counter("reused") == 1


async def test_result_outlives_the_one_that_made_it(site: Site) -> None:
    first = await site.upload("cat")
    [job] = await site.claim()
    await site.complete(job)
    second = await site.upload("cat")

    await site.queue.remove(first)
    await clean(site)

    [variant] = (await site.job(second)).variants
    assert site.files("results") == {variant.key}
    third = await site.job(await site.upload("cat"))
    assert third.is_cached


async def test_removed_result_is_known_by_the_others_that_show_it(site: Site) -> None:
    first = await site.upload("cat")
    [job] = await site.claim()
    await site.complete(job)
    newest = await site.upload("cat")

    await site.queue.remove(newest)

    assert (await site.job(await site.upload("cat"))).is_cached
    assert await site.status(first) == "completed"


async def test_picture_at_fault_fails_its_followers_and_goes(site: Site) -> None:
    ids = [await site.upload("cat") for _ in range(3)]
    [job] = await site.claim()

    fields = {"error_code": "corrupt_image", "error_detail": "no"}
    await site.queue.settle(job, JobState.FAILED, fields, at_fault=True)
    await clean(site)

    jobs = [await site.job(one) for one in ids]
    assert {(one.status, one.error_code) for one in jobs} == {("failed", "corrupt_image")}
    assert site.files() == set()


async def test_quarantined_leader_fails_its_followers_that_can_be_tried_again(
    site: Site, redis: Redis
) -> None:
    _, follower = [await site.upload("cat") for _ in range(2)]
    [job] = await site.claim()
    fields = {"error_code": "worker_crashed"}
    await site.queue.settle(job, JobState.FAILED, fields, quarantine=True)
    failed = await site.job(follower)

    retried = await site.queue.retry(follower)
    [again] = await site.claim()

    assert (failed.status, failed.is_quarantined) == (JobState.FAILED, False)
    assert await redis.xlen("queue:dead") == 1
    assert retried == (True, JobState.QUEUED)
    assert again.job_id == follower


async def test_first_follower_takes_the_place_of_a_cancelled_leader(site: Site) -> None:
    leader, second, third = [await site.upload("cat") for _ in range(3)]
    await site.upload("other")

    await site.queue.cancel(leader)
    [job] = await site.claim()

    assert await site.status(leader) == "cancelled"
    assert job.job_id == second
    assert (await site.job(third)).leader_id == second
    await site.complete(job)
    assert await site.status(third) == "completed"


async def test_running_leader_that_is_removed_leaves_the_work_to_its_follower(site: Site) -> None:
    leader, second, third = [await site.upload("cat") for _ in range(3)]
    [job] = await site.claim()

    running = await site.queue.remove(leader)
    await site.queue.settle(job, JobState.CANCELLED, {})
    [again] = await site.claim()

    assert running is JobState.PROCESSING
    assert await site.status(leader) == "expired"
    assert (again.job_id, (await site.job(third)).status) == (second, JobState.PROCESSING)
    assert len(site.files("originals")) == 3  # two of them in the trash
    await clean(site)
    assert site.files("originals") == {again.original_key}


async def test_no_interactive_one_waits_behind_bulk_when_a_leader_goes(site: Site) -> None:
    leader = await site.upload("cat")
    bulk = await site.upload("cat", queue_class="bulk")
    interactive = await site.upload("cat")

    await site.queue.cancel(leader)

    assert (await site.job(bulk)).leader_id == interactive


async def test_follower_that_is_cancelled_leaves_the_others_alone(site: Site) -> None:
    leader, unwanted, other = [await site.upload("cat") for _ in range(3)]
    [job] = await site.claim()

    state = await site.queue.cancel(unwanted)
    await site.complete(job)

    assert state is JobState.CANCELLED
    assert [await site.status(one) for one in (leader, unwanted, other)] == [
        *("completed", "cancelled", "completed")
    ]


async def test_interactive_one_goes_its_own_way_past_a_waiting_bulk_leader(site: Site) -> None:
    bulk = await site.upload("cat", queue_class="bulk")
    mine = await site.upload("cat")
    later = await site.upload("cat", queue_class="bulk")

    assert (await site.job(mine)).leader_id is None
    assert (await site.job(later)).leader_id == mine
    [job] = await site.claim()
    assert job.job_id == mine
    await site.complete(job)
    # And what waited meanwhile takes the result when its turn comes.
    assert await site.claim(5) == []
    assert (await site.job(bulk)).is_cached


async def test_interactive_one_joins_a_bulk_leader_that_runs(site: Site) -> None:
    await site.upload("cat", queue_class="bulk")
    await site.claim()

    mine = await site.job(await site.upload("cat"))

    assert mine.leader_id is not None


async def test_leader_has_a_most_of_followers(site: Site) -> None:
    redis_full = await site.upload("cat")
    await site.redis.hset(f"job:{redis_full}", "followers", FOLLOWERS_MOST)

    one_more = await site.job(await site.upload("cat"))
    the_next = await site.job(await site.upload("cat"))

    assert one_more.leader_id is None
    assert the_next.leader_id == one_more.job_id


async def test_private_pictures_are_shared_within_their_client_only(site: Site) -> None:
    for private in (False, True):
        await site.upload("cat", client="ann", private=private)
    jobs = await site.claim(5)
    for job in jobs:
        await site.complete(job)

    mine = await site.job(await site.upload("cat", client="ann", private=True))
    yours = await site.job(await site.upload("cat", client="bob", private=True))

    assert len(jobs) == 2
    assert (mine.is_cached, yours.is_cached) == (True, False)
    assert (yours.status, yours.leader_id) == (JobState.QUEUED, None)


async def test_what_shares_nothing_is_done_every_time(site: Site) -> None:
    for _ in range(3):
        await site.upload("cat", shares=False)

    assert len(await site.claim(5)) == 3


async def test_retried_job_takes_a_result_that_there_is_meanwhile(site: Site) -> None:
    failed = await site.upload("cat")
    [job] = await site.claim()
    await site.queue.settle(job, JobState.FAILED, {"error_code": "worker_crashed"})
    await site.upload("cat")
    [other] = await site.claim()
    await site.complete(other)

    retried = await site.queue.retry(failed)

    assert retried == (True, JobState.COMPLETED)
    assert (await site.job(failed)).error_code is None


async def test_retried_job_joins_one_that_runs(site: Site) -> None:
    failed = await site.upload("cat")
    [job] = await site.claim()
    await site.queue.settle(job, JobState.FAILED, {"error_code": "worker_crashed"})
    await site.upload("cat")
    await site.claim()

    retried = await site.queue.retry(failed)

    assert retried == (True, JobState.PROCESSING)
    assert await site.counter("processing") == 1


async def test_leader_that_is_given_back_takes_its_followers_along(site: Site) -> None:
    _, follower = [await site.upload("cat") for _ in range(2)]
    [job] = await site.claim()

    await site.queue.requeue(job, delay_s=0, blame="attempt", reason="signal 9")
    waiting = await site.status(follower)
    [again] = await site.claim()
    await site.complete(again)

    assert waiting == "queued"
    assert await site.status(follower) == "completed"


async def test_full_queue_takes_what_needs_no_work(site: Site) -> None:
    first = await site.upload("cat")
    for number in range(59):
        await site.upload(f"other {number}")

    joined = await site.upload("cat")

    assert (await site.job(joined)).leader_id == first


async def test_batch_counts_jobs_that_others_do_for_it(site: Site) -> None:
    await site.upload("done")
    [job] = await site.claim()
    await site.complete(job)
    batch_id = new_batch_id()

    await site.upload_batch("done", "new", "new", batch_id=batch_id)

    assert await counts(site, batch_id) == {"completed": 1, "queued": 2}
    [leader] = await site.claim(5)
    assert await counts(site, batch_id) == {"completed": 1, "processing": 2}
    await site.complete(leader)
    assert await counts(site, batch_id) == {"completed": 3}


async def test_originals_and_results_go_at_times_of_their_own(
    make_site: MakeSite, redis: Redis
) -> None:
    site = make_site(keep_s=60, keep_original_s=30)
    await site.queue.prepare()
    job_id = await site.upload("cat")
    [job] = await site.claim()
    await site.complete(job)

    await redis.zadd("expiry:originals", {job_id: 1})
    await clean(site)
    without_original = (site.files(), await site.status(job_id))
    await redis.zadd("expiry", {job_id: 1})
    await clean(site)

    assert without_original == ({f"results/{job_id[:2]}/{job_id}/default.webp"}, "completed")
    assert (site.files(), await site.status(job_id)) == (set(), "expired")


async def test_original_may_be_kept_longer_than_the_result(
    make_site: MakeSite, redis: Redis
) -> None:
    site = make_site(keep_s=30, keep_original_s=60)
    await site.queue.prepare()
    job_id = await site.upload("cat")
    [job] = await site.claim()
    await site.complete(job)

    await redis.zadd("expiry", {job_id: 1})
    await clean(site)
    kept = (site.files(), await redis.ttl(f"job:{job_id}"))
    await redis.zadd("expiry:originals", {job_id: 1})
    await clean(site)

    assert kept == ({job.original_key}, -1)
    assert site.files() == set()
    assert await redis.ttl(f"job:{job_id}") > 0


async def test_files_of_an_upload_that_died_before_admission_are_swept(site: Site) -> None:
    orphan, kept = await site.store("lost"), await site.upload("cat")

    await clean(site, grace_s=3600)
    within_grace = site.files()
    await clean(site, grace_s=0)

    assert len(within_grace) == 2
    assert site.files() == {(await site.job(kept)).original_key}
    assert orphan not in str(site.files())


async def test_sweep_spares_what_is_being_stored(site: Site) -> None:
    await site.upload("cat")
    [job] = await site.claim()
    await site.store_result(job)

    await clean(site, grace_s=0)

    assert len(site.files("results")) == 1


async def test_attempt_that_stored_and_did_not_end_leaves_nothing(site: Site) -> None:
    await site.upload("cat")
    [job] = await site.claim()
    await site.store_result(job)
    await site.queue.settle(job, JobState.FAILED, {"error_code": "worker_crashed"})

    await site.queue.remove(job.job_id)
    await clean(site)

    assert site.files() == set()


async def test_nothing_is_left_in_redis_when_all_is_over(site: Site, redis: Redis) -> None:
    ids = [await site.upload("cat") for _ in range(3)]
    [job] = await site.claim()
    await site.complete(job)
    for one in ids:
        await site.queue.remove(one)
    await clean(site)

    left = {key.split(":")[0] for key in await redis.keys()}
    assert left <= {"job", "queue", "unsettled", "journal"}
