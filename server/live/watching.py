"""What one browser watches, and its mailbox."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from server.config.sections import LiveSettings
from server.live.asked import Ask
from server.live.feed import Feed
from server.live.system import System
from server.live.system_mail import Outlet, SocketMailbox
from server.refusals import BadRequest, NotFound, ScopeMissing

MayWatch = Callable[[str], Awaitable[bool]]
"""Whether somebody may have the events of a job or batch, or of a topic."""


Watcher = Callable[[web.Request], MayWatch]
"""The same of the one who sent a request."""


class Watching:
    """Let into the feed what it may have, and out again."""

    __slots__ = ("_feed", "_may_watch", "_most", "_system", "_watched", "mailbox")

    def __init__(
        self,
        feed: Feed,
        system: System,
        settings: LiveSettings,
        *,
        may_watch: MayWatch,
        outlet: Outlet,
    ) -> None:
        self._feed = feed
        self._system = system
        self._most = settings.max_watched_per_socket
        self._may_watch = may_watch
        self._watched: set[str] = set()
        self.mailbox = SocketMailbox(outlet)

    async def follow(self, ask: Ask) -> None:
        """Do what was asked. Raises Refusal, RedisError."""
        if ask.topic and ask.kind == "subscribe":
            if not await self._may_watch(ask.topic):
                raise ScopeMissing(f"The topic '{ask.topic}' needs a key with the scope 'admin'.")
            await self._system.watch(self.mailbox)
        elif ask.topic:
            self._system.unwatch(self.mailbox)
        elif ask.kind == "subscribe":
            await self._subscribe(ask.watched_id)
        else:
            self._unsubscribe(ask.watched_id)

    def end(self) -> None:
        """Watch nothing any more."""
        for watched_id in self._watched:
            self._feed.unsubscribe(watched_id, self.mailbox)
        self._watched.clear()
        self._system.unwatch(self.mailbox)

    async def _subscribe(self, watched_id: str) -> None:
        if watched_id not in self._watched and len(self._watched) >= self._most:
            raise BadRequest(
                f"One socket may watch {self._most} jobs; open another or watch the batch.",
                limit=self._most,
                actual=len(self._watched) + 1,
            )
        if not await self._may_watch(watched_id):
            raise _unknown(watched_id)  # before any event can come
        self._watched.add(watched_id)
        try:
            await self._feed.subscribe(watched_id, self.mailbox)
            is_known = await self._feed.snapshot(watched_id, self.mailbox)
        except BaseException:
            self._unsubscribe(watched_id)  # what was answered with an error sends no events
            raise
        if not is_known:
            self._unsubscribe(watched_id)
            raise _unknown(watched_id)

    def _unsubscribe(self, watched_id: str) -> None:
        self._watched.discard(watched_id)
        self._feed.unsubscribe(watched_id, self.mailbox)


def _unknown(watched_id: str) -> NotFound:
    return NotFound(f"There is no job or batch '{watched_id}'.")
