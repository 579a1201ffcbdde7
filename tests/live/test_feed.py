"""The feed against a real Valkey: what is published reaches who watches, whatever breaks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import unquote

import pytest_asyncio
from redis.asyncio import Redis

from server.config.sections import LiveSettings
from server.jobs import names
from server.jobs.connection import command_client, feed_client
from server.jobs.job import Batch, Job, JobState
from server.jobs.queue import JobQueue, Room
from server.live.feed import Feed
from server.live.mailbox import Event, Mailbox
from tests.live.admitted import admit, queue_of
from tests.patience import PATIENCE_S

SETTINGS = LiveSettings(ping_s=0.3, position_interval_s=3600, confirm_timeout_s=5)


@pytest_asyncio.fixture
async def redis(valkey_url: str) -> AsyncIterator["Redis"]:
    async with command_client(valkey_url, timeout_s=30) as client:
        yield client


@pytest_asyncio.fixture
async def queue(redis: "Redis") -> JobQueue:
    return await queue_of(redis)


@pytest_asyncio.fixture
async def feed(valkey_url: str, queue: JobQueue) -> AsyncIterator[Feed]:
    async with running_feed(valkey_url, queue) as running:
        yield running


@asynccontextmanager
async def running_feed(
    url: str,
    queue: JobQueue,
    *,
    listener: Callable[[str], None] | None = None,
    settings: LiveSettings = SETTINGS,
) -> AsyncIterator[Feed]:
    """A feed that is connected."""
    async with feed_client(url, timeout_s=30) as client:
        feed = Feed(client, queue, settings)
        if listener is not None:
            feed.listen(names.WAKE, listener)
        task = asyncio.create_task(feed.run())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await feed.connected.wait()
            yield feed
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def next_event(mailbox: Mailbox) -> Event:
    """The one that comes next."""
    async with asyncio.timeout(PATIENCE_S):
        while not (events := await mailbox.take()):
            pass
    return events[-1]


async def event_with(mailbox: Mailbox, status: str) -> Event:
    """The next that tells this status."""
    while True:
        event = await next_event(mailbox)
        if event.subject.status == status:  # type: ignore[union-attr]  # only jobs are watched
            return event


async def test_every_watcher_gets_every_move(feed: Feed, queue: JobQueue) -> None:
    job_id = await admit(queue)
    async with feed.watch(job_id) as one, feed.watch(job_id) as other:
        await queue.cancel(job_id)

        assert (await next_event(one)).subject == (await next_event(other)).subject


async def test_a_watch_misses_nothing_that_happens_after_it_began(
    feed: Feed, queue: JobQueue
) -> None:
    for _ in range(30):
        job_id = await admit(queue)
        async with feed.watch(job_id) as mailbox:
            await queue.cancel(job_id)
            await event_with(mailbox, JobState.CANCELLED)


async def test_a_snapshot_tells_the_present_state(feed: Feed, queue: JobQueue) -> None:
    job_id = await admit(queue)
    async with feed.watch(job_id) as mailbox:
        assert await feed.snapshot(job_id, mailbox)
        assert not await feed.snapshot("nobody", mailbox)
        event = await next_event(mailbox)

    assert (event.watched_id, event.subject.is_settled) == (job_id, False)


async def test_who_waits_is_told_of_his_place_when_it_has_changed(
    valkey_url: str, redis: "Redis"
) -> None:
    queue, rounds = await queue_of(redis), asyncio.Semaphore(0)
    look_all = queue.look_all

    async def counted(some_ids: Sequence[str]) -> list[Job | Batch | None]:
        found = await look_all(some_ids)
        if some_ids:
            rounds.release()
        return found

    queue.look_all = counted  # type: ignore[method-assign]  # looks as before, and tells of it
    await admit(queue)
    second, settings = await admit(queue), SETTINGS.model_copy(update={"position_interval_s": 0.01})
    async with (
        running_feed(valkey_url, queue, settings=settings) as feed,
        feed.watch(second) as mailbox,
    ):
        assert await feed.snapshot(second, mailbox)
        first_told = (await next_event(mailbox)).subject
        for _ in range(5):  # the snapshot's look is one of them
            await rounds.acquire()
        assert feed.handed_out == 0

        await queue.renew([], lanes=9)  # so that no two go to one of them
        await queue.claim(Room(1, 10**9, is_idle=True, networks=1))
        then_told = (await next_event(mailbox)).subject

    assert isinstance(first_told, Job)
    assert isinstance(then_told, Job)
    assert (first_told.position, then_told.position) == (2, 1)


async def test_one_connection_serves_any_number_of_watchers(
    feed: Feed, queue: JobQueue, redis: "Redis"
) -> None:
    ids = [await admit(queue) for _ in range(40)]
    mailboxes = [Mailbox() for _ in range(200)]
    await asyncio.gather(
        *(feed.subscribe(ids[number % 40], box) for number, box in enumerate(mailboxes))
    )
    clients = await redis.client_list(_type="pubsub")

    assert len(clients) == 1
    assert int(clients[0]["sub"]) == 41  # and one for what concerns all nodes


async def test_a_crowd_on_one_job_is_told_to_the_last(feed: Feed, queue: JobQueue) -> None:
    """They are told some hundred in a turn of the loop."""
    job_id = await admit(queue)
    mailboxes = [Mailbox() for _ in range(1200)]
    await asyncio.gather(*(feed.subscribe(job_id, box) for box in mailboxes))

    await queue.cancel(job_id)

    told = await asyncio.gather(*(box.take() for box in mailboxes))
    assert {one.subject.status for events in told for one in events} == {JobState.CANCELLED}
    assert all(told)


async def test_an_id_that_nobody_watches_is_given_up(
    feed: Feed, queue: JobQueue, redis: "Redis"
) -> None:
    job_id = await admit(queue)
    async with feed.watch(job_id):
        assert await _subscribers(redis, job_id) == 1
    async with asyncio.timeout(PATIENCE_S):
        while await _subscribers(redis, job_id):  # noqa: ASYNC110 (Redis tells nobody)
            await asyncio.sleep(0.05)
    async with feed.watch(job_id) as mailbox:
        await queue.cancel(job_id)

        await event_with(mailbox, JobState.CANCELLED)


async def test_a_service_message_reaches_its_listener_even_after_an_outage(
    valkey_url: str, queue: JobQueue, redis: "Redis"
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with running_feed(valkey_url, queue, listener=heard.put_nowait):
        await redis.publish(names.WAKE, "one")
        first = await heard.get()
        await redis.client_kill_filter(_type="pubsub")
        async with asyncio.timeout(PATIENCE_S):
            while not await redis.publish(names.WAKE, "two"):  # noqa: ASYNC110 (as below)
                await asyncio.sleep(0.02)

        assert (first, await heard.get()) == ("one", "two")


async def test_a_killed_connection_is_made_anew_and_what_was_missed_is_read(
    feed: Feed, queue: JobQueue, redis: "Redis"
) -> None:
    job_id = await admit(queue)
    async with feed.watch(job_id) as mailbox:
        await redis.client_kill_filter(_type="pubsub")
        await queue.cancel(job_id)  # told while nobody listens

        await event_with(mailbox, JobState.CANCELLED)


async def test_a_watch_that_begins_in_an_outage_is_served_after_it(
    feed: Feed, queue: JobQueue, redis: "Redis"
) -> None:
    for _ in range(5):
        await redis.client_kill_filter(_type="pubsub")
        job_id = await admit(queue)
        async with feed.watch(job_id) as mailbox:
            await queue.cancel(job_id)
            await feed.snapshot(job_id, mailbox)

            await event_with(mailbox, JobState.CANCELLED)


async def test_what_only_the_old_connection_knew_is_asked_for_again(
    feed: Feed, queue: JobQueue, redis: "Redis"
) -> None:
    job_id = await admit(queue)
    async with feed.watch(job_id):
        pass  # still subscribed for a while, watched by nobody
    (old,) = await redis.client_list(_type="pubsub")
    await redis.client_kill_filter(_type="pubsub")
    async with asyncio.timeout(PATIENCE_S):
        while await redis.client_list(_type="pubsub") in ([], [old]):  # noqa: ASYNC110 (as below)
            await asyncio.sleep(0.02)
        await feed.connected.wait()
    async with feed.watch(job_id) as mailbox:
        await queue.cancel(job_id)

        await event_with(mailbox, JobState.CANCELLED)


async def test_a_connection_that_has_gone_silent_is_noticed(
    valkey_url: str, queue: JobQueue
) -> None:
    async with silent_line(valkey_url) as (url, line), running_feed(url, queue) as feed:
        job_id = await admit(queue)
        async with feed.watch(job_id) as mailbox:
            line.stop_passing_on()
            await queue.cancel(job_id)

            await event_with(mailbox, JobState.CANCELLED)
            assert line.connections == 2


class Line:
    """Passes bytes on to Valkey until it is told not to; then both ends believe it still does."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self.connections = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        far_reader, far_writer = await asyncio.open_unix_connection(self._path)
        self._writers += [writer, far_writer]
        for one, other in ((reader, far_writer), (far_reader, writer)):
            self._tasks.append(asyncio.create_task(_pump(one, other)))

    def stop_passing_on(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        self.stop_passing_on()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)


@asynccontextmanager
async def silent_line(valkey_url: str) -> AsyncIterator[tuple[str, Line]]:
    """An address that leads to Valkey, and the line between."""
    line = Line(unquote(valkey_url.removeprefix("unix://")))
    server = await asyncio.start_server(line.take, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"redis://{host}:{port}", line
    finally:
        server.close()
        await line.close()


async def _subscribers(redis: "Redis", watched_id: str) -> int:
    channel = names.events(watched_id)
    return int(dict(await redis.pubsub_numsub(channel))[channel])
