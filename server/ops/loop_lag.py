"""How late the event loop is: what blocks it blocks every request of this process."""

import asyncio
import time

from server.counting import QUICK_S, Durations

_EVERY_S = 0.5


class LoopLag:
    """Sleeps, and looks how much longer it took."""

    def __init__(self) -> None:
        self.durations = Durations(bounds=QUICK_S)

    async def run(self) -> None:
        """Look for as long as the process lives."""
        while True:
            due_at = time.perf_counter() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            self.durations.add(max(0.0, time.perf_counter() - due_at))
