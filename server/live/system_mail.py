"""The mailbox of a WebSocket: events of jobs, and how the service stands. All of it bounded."""

from collections.abc import Sequence
from typing import Protocol

from server.live.mailbox import Event, Latest
from server.live.system_moves import moves_message

MOST_UNREAD_MOVES = 1000
"""A reader that is slower gets fewer, and is told how many."""


class Outlet(Protocol):
    """Where the mail goes: a connection, which may have room for more or not."""

    def send_at_once(self, event: Event) -> bool:
        """Whether it went."""

    def wake(self) -> None:
        """Something waits in the mailbox."""


class SocketMailbox(Latest):
    """Of the state of the service the newest waits here, of the moves the last ones.

    An event that finds nothing in front of it goes straight to the socket and never waits here.
    """

    __slots__ = ("_dropped", "_moves", "_outlet", "_state")

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet
        self._state: bytes | None = None
        self._moves: Sequence[bytes] = ()
        self._dropped = 0

    @property
    def is_filled(self) -> bool:
        """Whether something waits here."""
        return bool(self._latest or self._state is not None or self._moves or self._dropped)

    def put(self, event: Event) -> bool:
        """See Latest.put."""
        is_newest = event.revision >= self._revisions.get(event.watched_id, -1)
        if is_newest and not self.is_filled and self._outlet.send_at_once(event):
            self._revisions[event.watched_id] = event.revision
            return False
        is_lost = super().put(event)
        if self._latest:
            self._outlet.wake()
        return is_lost

    def put_state(self, payload: bytes) -> None:
        """How the service stands; replaces what was not read."""
        self._state = payload
        self._outlet.wake()

    def put_moves(self, moves: Sequence[bytes], dropped: int) -> None:
        """Moves beside those that were not read yet; the oldest make room."""
        together = [*self._moves, *moves]
        excess = max(0, len(together) - MOST_UNREAD_MOVES)
        self._moves = together[excess:]
        self._dropped += dropped + excess
        if self.is_filled:
            self._outlet.wake()

    def forget_system(self) -> None:
        """Drop what waits of the service as a whole."""
        self._state, self._moves, self._dropped = None, (), 0

    def take_payload(self) -> bytes | None:
        """What is to be sent next, longest waiting first; None: nothing waits."""
        if self._latest:
            watched_id = next(iter(self._latest))
            return self._latest.pop(watched_id).payload
        if self._moves or self._dropped:
            payload = moves_message(self._moves, self._dropped)
            self._moves, self._dropped = (), 0
            return payload
        state, self._state = self._state, None
        return state
