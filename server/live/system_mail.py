"""The mailbox of a WebSocket: events of jobs, and how the service stands. All of it bounded."""

from collections.abc import Callable

from server.live.mailbox import Event, Mailbox
from server.live.system_moves import moves_message

MOST_UNREAD_MOVES = 1000
"""A reader that is slower gets fewer, and is told how many."""


class SocketMailbox(Mailbox):
    """Of the state of the service the newest waits here, of the moves the last ones.

    An event that finds nothing in front of it goes straight to the socket and never waits here.
    """

    __slots__ = ("_dropped", "_moves", "_send_at_once", "_state", "_wake")

    def __init__(
        self,
        *,
        send_at_once: Callable[[Event], bool] | None = None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        """send_at_once: whether it could be sent. wake: something waits here."""
        super().__init__()
        self._send_at_once = send_at_once
        self._wake = wake
        self._state: bytes | None = None
        self._moves: list[bytes] = []
        self._dropped = 0

    @property
    def is_filled(self) -> bool:
        """Whether something waits here."""
        return self._filled.is_set()

    def put(self, event: Event) -> bool:
        """See Mailbox.put."""
        is_newest = event.revision >= self._revisions.get(event.watched_id, -1)
        may_go = self._send_at_once is not None and is_newest and not self._filled.is_set()
        if may_go and self._send_at_once is not None and self._send_at_once(event):
            self._revisions[event.watched_id] = event.revision
            return False
        is_lost = super().put(event)
        self._tell()
        return is_lost

    def _tell(self) -> None:
        if self._wake is not None and self._filled.is_set():
            self._wake()

    def put_state(self, payload: bytes) -> None:
        """How the service stands; replaces what was not read."""
        self._state = payload
        self._filled.set()
        self._tell()

    def put_moves(self, moves: list[bytes], dropped: int) -> None:
        """Moves beside those that were not read yet; the oldest make room."""
        self._moves += moves
        excess = max(0, len(self._moves) - MOST_UNREAD_MOVES)
        del self._moves[:excess]
        self._dropped += dropped + excess
        self._filled.set()
        self._tell()

    def forget_system(self) -> None:
        """Drop what waits of the service as a whole."""
        self._state, self._moves, self._dropped = None, [], 0

    async def take_payloads(self) -> list[bytes]:
        """Wait until there is something and take all of it, as it is sent."""
        payloads = [event.payload for event in await self.take()]
        if self._moves or self._dropped:
            payloads.append(moves_message(self._moves, self._dropped))
        if self._state is not None:
            payloads.append(self._state)
        self.forget_system()
        return payloads
