"""The mailbox of a WebSocket: events of jobs, and how the service stands. All of it bounded."""

from server.live.mailbox import Mailbox
from server.live.system_moves import moves_message

MOST_UNREAD_MOVES = 1000
"""A reader that is slower gets fewer, and is told how many."""


class SocketMailbox(Mailbox):
    """Of the state of the service the newest waits here, of the moves the last ones."""

    def __init__(self) -> None:
        super().__init__()
        self._state: bytes | None = None
        self._moves: list[bytes] = []
        self._dropped = 0

    def put_state(self, payload: bytes) -> None:
        """How the service stands; replaces what was not read."""
        self._state = payload
        self._filled.set()

    def put_moves(self, moves: list[bytes], dropped: int) -> None:
        """Moves beside those that were not read yet; the oldest make room."""
        self._moves += moves
        excess = max(0, len(self._moves) - MOST_UNREAD_MOVES)
        del self._moves[:excess]
        self._dropped += dropped + excess
        self._filled.set()

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
