"""How Redis answers this node: the time of each command, and what went wrong."""

import time
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, OutOfMemoryError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from server.counting import QUICK_S, Counts, Durations
from server.jobs.line import LineRedis

_WAITS = ("XREADGROUP",)  # as long as nothing comes; that says nothing of Redis
_SCRIPTS = ("FCALL", "EVALSHA")
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (RedisTimeoutError, "timeout"),
    (RedisConnectionError, "connection"),
    (OSError, "connection"),
    (OutOfMemoryError, "full"),
)


class CommandTimes:
    """Of one client: from the call to its answer, waiting for a connection and retries included."""

    def __init__(self) -> None:
        self.durations = Durations(bounds=QUICK_S)
        self.seconds = Counts("command")
        """By command, or by the script that it runs; how often they came is in `times`."""
        self.times = Counts("command")
        self.errors = Counts("kind", known=("connection", "timeout", "full", "other"))
        self._scripts: dict[str, str] = {}

    def name_script(self, sent: str, name: str) -> None:
        """What FCALL or EVALSHA of this shall be called."""
        self._scripts[sent] = name

    def answered(self, args: tuple[Any, ...], seconds: float) -> None:
        """A command, with its arguments, was answered."""
        name = args[0]
        name = self._scripts.get(args[1], "script") if name in _SCRIPTS else name.lower()
        self.durations.add(seconds)
        self.seconds.add(name, amount=seconds)
        self.times.add(name)

    def failed(self, error: Exception) -> None:
        """A command was not answered, or with an error."""
        kind = next((kind for of, kind in _KINDS if isinstance(error, of)), "other")
        self.errors.add(kind)


class TimedRedis(LineRedis):
    """A client that keeps `times`; what goes by a pipeline is not looked at."""

    times: CommandTimes

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """As the client does it. Any: whatever it packs and gives."""
        began = time.perf_counter()
        try:
            answer = await super().execute_command(*args, **options)
        except (RedisError, OSError) as error:
            if not _is_usual(error):
                self.times.failed(error)
            raise
        if args[0] not in _WAITS:
            self.times.answered(args, time.perf_counter() - began)
        return answer


def is_unknown_function(error: Exception) -> bool:
    """A function that Redis does not keep, or no longer."""
    return isinstance(error, ResponseError) and str(error).startswith("Function not found")


def timed(client: Redis) -> TimedRedis:
    """A client that was just made by TimedRedis, ready."""
    assert isinstance(client, TimedRedis)
    client.times = CommandTimes()
    return client


def _is_usual(error: Exception) -> bool:
    """What a new Redis does not know yet, a group that is there already."""
    is_known_later = isinstance(error, NoScriptError) or is_unknown_function(error)
    return is_known_later or str(error).startswith("BUSYGROUP")
