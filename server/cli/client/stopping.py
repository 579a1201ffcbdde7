"""Ctrl-C and SIGTERM: the first lets a command tidy up, the second ends it at once."""

import asyncio
import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_by_signal(task: "asyncio.Task[None]") -> None:
    """Cancel the task when one comes."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        task.cancel()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
