"""GET /ws: all WebSockets of this process. What one of them does is in connection.py."""

import asyncio

from aiohttp import WSCloseCode, web

from server.config.sections import LiveSettings
from server.live.connection import Connection
from server.live.feed import Feed
from server.live.sent import Sent
from server.live.system import System
from server.live.upgrade import upgrade
from server.live.watching import Watcher, Watching
from server.refusals import Unavailable

# Whoever is silent is asked after ping_s and this share of it at most.
_BEATS = 10
_BEAT_AT_ONCE = 500
# Of all who want to watch at one moment. If ten thousand began in one turn of the loop, that could
# take longer than Redis may take to answer, and they would be told that it does not.
_ASK_AT_ONCE = 500
_STOPPING = "the server is stopping"
# Beyond the time that each is given to answer a goodbye.
_ENDED_S = 3.0


class Sockets:
    """Lets them in, keeps them alive, says goodbye."""

    def __init__(
        self, feed: Feed, settings: LiveSettings, watcher: Watcher, system: System
    ) -> None:
        self._feed = feed
        self._system = system
        self._watcher = watcher
        self._settings = settings
        self._open: set[Connection] = set()
        self._turns = asyncio.Semaphore(_ASK_AT_ONCE)
        self._closing = asyncio.Event()
        self._emptied = asyncio.Event()
        self.sent = Sent()

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The handler of GET /ws; it ends when the socket is open."""
        if self._closing.is_set():
            raise Unavailable("The server is stopping.", retry_after_s=2)
        if self.count >= self._settings.max_sockets:
            raise Unavailable(
                f"At most {self._settings.max_sockets} sockets may be open.", retry_after_s=10
            )
        connection = Connection(self._settings, self.sent, turns=self._turns, left=self._leave)
        connection.watching = Watching(
            self._feed,
            self._system,
            self._settings,
            may_watch=self._watcher(request),
            outlet=connection,
        )
        self._open.add(connection)
        try:
            response = await upgrade(request, connection)
        except BaseException:
            self._leave(connection)
            raise
        if self._closing.is_set():
            connection.close(WSCloseCode.GOING_AWAY, _STOPPING)
        return response

    async def run(self) -> None:
        """Ask those who are silent whether they are there, for as long as the process lives."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._settings.ping_s / _BEATS)
            for number, connection in enumerate(tuple(self._open)):
                connection.beat(loop.time())
                if number % _BEAT_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def close_all(self) -> None:
        """Tell every browser that we are going away; it will come back by itself."""
        self._closing.set()
        for connection in tuple(self._open):
            connection.close(WSCloseCode.GOING_AWAY, _STOPPING)
        if not self._open:
            return
        try:
            async with asyncio.timeout(_ENDED_S):
                await self._emptied.wait()
        except TimeoutError:
            for connection in tuple(self._open):
                connection.cut_off()

    def _leave(self, connection: Connection) -> None:
        self._open.discard(connection)
        if self._closing.is_set() and not self._open:
            self._emptied.set()
