"""The one Redis subscription of this process, fanned out to mailboxes.

Subscribe first, then read the snapshot; every event carries the whole picture, so a lost one
heals itself with the next, and after a lost connection everything watched is read anew.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from server.config.sections import LiveSettings
from server.jobs import names
from server.jobs.job import Batch, Job, JobState, Unreadable, is_batch_id
from server.jobs.links import PUBLIC, Links
from server.jobs.queue import JobQueue
from server.jobs.trail.notebook import Notebook
from server.jobs.trail.way import now_ms
from server.live.looks import Looks
from server.live.mailbox import Event, Latest, Mailbox
from server.refusals import Unavailable

log = structlog.get_logger(__name__)

_SNAPSHOT_CHUNK = 500
_PLACES_AT_ONCE = 200
_PUT_AT_ONCE = 500
_LINGER_S = 2.0


class Feed:
    """Who watches what, and the connection that brings the news.

    `redis` must not retry by itself: a connection that was lost is news, too.
    """

    def __init__(
        self,
        redis: Redis,
        queue: JobQueue,
        settings: LiveSettings,
        links: Links = PUBLIC,
        notebook: Notebook | None = None,
    ) -> None:
        self._redis = redis
        self._notebook = notebook or Notebook()
        self._links = links
        self._queue = queue
        self._looks = Looks(queue, links)
        self._settings = settings
        self._pubsub: PubSub | None = None
        self._watchers: dict[str, set[Latest]] = {}
        self._places: dict[str, int | None] = {}  # watched jobs that wait: as last told to all
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        self._listeners: dict[str, Callable[[str], None]] = {}
        self._taps: dict[str, Callable[[str], None]] = {}
        self.connected = asyncio.Event()
        """Set while the subscription stands."""
        self._connections = 0
        self.handed_out = self.coalesced = 0
        """Events put into mailboxes, and those of them that replaced one which was not read yet."""

    @property
    def era(self) -> int:
        """The number of the subscription that stands, 0 while none does: between two of them
        messages were lost."""
        return self._connections if self.connected.is_set() else 0

    @property
    def connections(self) -> int:
        """How many subscriptions there were."""
        return self._connections

    def listen(self, channel: str, callback: Callable[[str], None]) -> None:
        """Call back for every message on a channel of the service's own (wake, cancel)."""
        self._listeners[channel] = callback

    async def tap(self, channel: str, callback: Callable[[str], None]) -> None:
        """As listen(), from about now until untap()."""
        self._taps[channel] = callback
        if channel not in self._confirmed:
            self._confirmed[channel] = asyncio.get_running_loop().create_future()
            await self._ask_for(channel)

    def untap(self, channel: str) -> None:
        """Stop it; Redis is told a little later."""
        self._taps.pop(channel, None)

    @asynccontextmanager
    async def watch(self, watched_id: str) -> AsyncIterator[Mailbox]:
        """A mailbox that gets every event of one job or batch from now on (no snapshot)."""
        mailbox = Mailbox()
        try:
            await self.subscribe(watched_id, mailbox)
            yield mailbox
        finally:
            self.unsubscribe(watched_id, mailbox)

    async def subscribe(self, watched_id: str, mailbox: Latest) -> None:
        """Let a mailbox have a job's events; returns when Redis has confirmed."""
        self._watchers.setdefault(watched_id, set()).add(mailbox)
        confirmed = await self.expect(watched_id)
        try:
            async with asyncio.timeout(self._settings.confirm_timeout_s):
                await asyncio.shield(confirmed)
        except TimeoutError as error:
            raise Unavailable("Redis does not answer.", retry_after_s=2) from error

    async def expect(self, watched_id: str) -> asyncio.Future[None]:
        """Somebody is about to subscribe: ask Redis for it now. Done when Redis has confirmed.

        Where nobody does it is dropped with the others that are no longer watched.
        """
        channel = names.events(watched_id)
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = self._confirmed[channel] = asyncio.get_running_loop().create_future()
            await self._ask_for(channel)
        return confirmed

    async def _ask_for(self, channel: str) -> None:
        if self._pubsub is None or not _is_open(self._pubsub):
            return  # whoever connects again asks for everything that is watched
        try:
            await self._pubsub.subscribe(channel)
        except (RedisError, OSError) as error:
            log.debug("cannot subscribe just now", error=str(error))  # the same holds here

    def unsubscribe(self, watched_id: str, mailbox: Latest) -> None:
        """Stop a mailbox's events; Redis is told a little later, for many ids at once."""
        watchers = self._watchers.get(watched_id)
        if watchers is None:
            return
        watchers.discard(mailbox)
        mailbox.forget(watched_id)
        if not watchers:
            del self._watchers[watched_id]
            self._places.pop(watched_id, None)

    async def snapshot(self, watched_id: str, mailbox: Latest) -> bool:
        """Put the present state into a mailbox. False: there is no such job or batch."""
        event = await self._looks.look(watched_id)
        if event is None:
            return False
        if watched_id not in self._places:  # others may have been told of another place
            self._note(event.subject)
        mailbox.put(event)
        return True

    async def run(self) -> None:
        """Hold the subscription for as long as the process lives."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen_for_ever())
            group.create_task(self._tell_positions())
            group.create_task(self._drop_unwatched())

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                log.warning("feed lost its connection", error=str(error))
            finally:
                self.connected.clear()
                self._pubsub = None
            await asyncio.sleep(0.2)

    async def _listen(self) -> None:
        async with self._redis.pubsub() as pubsub:
            self._forget_unwatched()  # the new connection never hears of them
            wanted = set(self._confirmed)
            await pubsub.subscribe(names.NODES, *self._listeners, *wanted)
            self._pubsub = pubsub
            if came_meanwhile := set(self._confirmed) - wanted:
                await pubsub.subscribe(*came_meanwhile)
            is_silent = False
            while True:
                message = await pubsub.get_message(timeout=self._settings.ping_s)
                if message is not None:
                    is_silent = False
                    await self._receive(message)
                elif is_silent:
                    raise RedisConnectionError("a ping was not answered")
                else:
                    is_silent = True
                    await pubsub.ping()

    async def _receive(self, message: dict[str, Any]) -> None:
        channel = message["channel"]
        if message["type"] == "subscribe":
            if channel == names.NODES:
                await self._note_connection()
            confirmed = self._confirmed.get(channel)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
        if message["type"] != "message":
            return
        if channel in self._listeners:
            self._listeners[channel](message["data"])
            return
        if channel in self._taps:
            self._taps[channel](message["data"])
            return
        watched_id = names.watched_id(channel)
        if watched_id in self._watchers:
            self._hear(watched_id, message["data"])

    def _hear(self, watched_id: str, text: str) -> None:
        """An event that cannot be read costs itself alone: the next one tells all again."""
        try:
            subject = Batch.from_json(text) if is_batch_id(watched_id) else Job.from_json(text)
        except Unreadable as error:
            log.error("an event cannot be read", job_id=watched_id, error=str(error))
            return
        self._hand_out(subject)

    async def _note_connection(self) -> None:
        """Redis has all that was asked for, so what is read from now on misses no event.

        The client may connect again on its own; then events were lost, so start over.
        """
        if self.connected.is_set():
            raise RedisConnectionError("the connection was made anew")
        self._connections += 1
        self.connected.set()
        await self._refresh(list(self._watchers))

    def _hand_out(self, subject: Job | Batch) -> None:
        self._note(subject)
        event = Event.of(subject, self._links)
        mailboxes = tuple(self._watchers.get(event.watched_id, ()))
        self.handed_out += len(mailboxes)
        self._put(event, mailboxes)
        if isinstance(subject, Job) and subject.is_settled:
            self._note_end(event, watchers=len(mailboxes))

    def _put(self, event: Event, mailboxes: Sequence[Latest]) -> None:
        """Into all of them, but a few in one turn of the loop: it has more to do."""
        watchers = self._watchers.get(event.watched_id, set())
        now, later = mailboxes[:_PUT_AT_ONCE], mailboxes[_PUT_AT_ONCE:]
        self.coalesced += sum(mailbox.put(event) for mailbox in now if mailbox in watchers)
        if later:
            asyncio.get_running_loop().call_soon(self._put, event, later)

    def _note_end(self, event: Event, *, watchers: int) -> None:
        notes = self._notebook.on(event.watched_id)
        if notes.told_ms is None:  # what is read anew after an outage is no news
            notes.told_ms, notes.watchers, notes.event = now_ms(), watchers, event.payload

    def _note(self, subject: Job | Batch) -> None:
        if not isinstance(subject, Job):
            return
        if subject.status is JobState.QUEUED and subject.job_id in self._watchers:
            self._places[subject.job_id] = subject.position
        else:
            self._places.pop(subject.job_id, None)

    async def _tell_positions(self) -> None:
        """A waiting job's place changes without an event of its own; tell those who watch.

        Of many that wait some are looked at each time, those first that were not for longest.
        """
        while True:
            await asyncio.sleep(self._settings.position_interval_s)
            some = list(islice(self._places, _PLACES_AT_ONCE))
            for job_id in some:
                self._places[job_id] = self._places.pop(job_id)
            try:
                await self._tell_moved(some)
            except (RedisError, OSError) as error:
                log.debug("positions are not told", error=str(error))  # the next round will

    async def _tell_moved(self, job_ids: list[str]) -> None:
        for subject in await self._queue.look_all(job_ids):
            if isinstance(subject, Job) and not self._is_in_place(subject):
                self._hand_out(subject)

    def _is_in_place(self, job: Job) -> bool:
        is_waiting = job.status is JobState.QUEUED
        return is_waiting and self._places.get(job.job_id) == job.position

    async def _refresh(self, watched_ids: list[str]) -> None:
        for start in range(0, len(watched_ids), _SNAPSHOT_CHUNK):
            chunk = watched_ids[start : start + _SNAPSHOT_CHUNK]
            for subject in await self._queue.look_all(chunk):
                if subject is not None:
                    self._hand_out(subject)

    async def _drop_unwatched(self) -> None:
        while True:
            await asyncio.sleep(_LINGER_S)
            if self._pubsub is None or not _is_open(self._pubsub):
                continue
            stale = self._forget_unwatched()
            if not stale:
                continue
            try:
                await self._pubsub.unsubscribe(*stale)
                wanted_again = [channel for channel in stale if channel in self._confirmed]
                if wanted_again:
                    await self._pubsub.subscribe(*wanted_again)
            except (RedisError, OSError) as error:
                log.debug("unsubscribing failed", error=str(error))  # a reconnect drops them anyway

    def _forget_unwatched(self) -> list[str]:
        stale = [
            channel
            for channel in self._confirmed
            if names.watched_id(channel) not in self._watchers and channel not in self._taps
        ]
        for channel in stale:
            del self._confirmed[channel]
        return stale


def _is_open(pubsub: PubSub) -> bool:
    """Whether it can be written to; the client would connect again, beside its reader."""
    connection: Any = pubsub.connection  # the client says None
    return connection is not None and bool(connection.is_connected)
