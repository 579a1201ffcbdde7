"""The scripts as functions that Redis keeps: what they share is made once, not with every call.

That took longer than most of the moves themselves. Where Redis keeps no functions (it is full, or
this user may not), each script is sent as it is.
"""

import hashlib
from collections.abc import Sequence
from typing import Any  # what a script takes and returns is its own

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, OutOfMemoryError, ResponseError

from server.jobs.timing import TimedRedis, is_unknown_function

log = structlog.get_logger(__name__)

_PREFIX = "safelight_"
_DIGITS = 12


class Library:
    """The functions of one set of settings, under names made of all that is in them.

    So nodes of two versions, or of other settings, have libraries of their own.
    """

    def __init__(self, redis: Redis, shared: str, *, version: str) -> None:
        """shared: Lua in front of every script; version: text that changes with any of them."""
        self.redis = redis
        self.shared = shared
        self._version = _PREFIX + _digest(version)
        self.name = f"{self._version}_{_digest(shared)}"
        self._functions: list[str] = []
        self.is_kept = True
        """Whether it is worth asking for a function."""

    def add(self, name: str, text: str, *, flags: str) -> str:
        """Put a script in; the answer is how it is called."""
        function = f"{self.name}_{name}"
        listed = ", ".join(f"'{flag}'" for flag in flags.split())
        self._functions.append(
            f"redis.register_function{{ function_name = '{function}', flags = {{ {listed} }},"
            f" callback = function(KEYS, ARGV)\nbegin()\n{text}\nend }}\n"
        )
        return function

    async def load(self) -> bool:
        """Let Redis keep it. False: it will not now, or never; then `is_kept` is False, too."""
        text = f"#!lua name={self.name}\n{self.shared}{''.join(self._functions)}"
        try:
            await self.redis.function_load(text)
        except OutOfMemoryError:
            return False
        except ResponseError as error:
            if "already exists" in str(error):  # somebody was faster
                return True
            is_refused = isinstance(error, NoPermissionError) or "unknown command" in str(error)
            self.is_kept = not is_refused
            log.warning("Redis keeps no functions", error=str(error))
            return False
        return True

    async def forget_others(self) -> None:
        """Let go of what other versions have left; one that still runs brings its own again."""
        if not self.is_kept:
            return
        try:
            for found in await self.redis.function_list(f"{_PREFIX}*"):
                name = _name_in(found)
                if not name.startswith(self._version):
                    await self.redis.function_delete(name)
        except ResponseError as error:
            log.debug("libraries are not looked through", error=str(error))  # they only take room


class Move:
    """One script."""

    def __init__(self, library: Library, name: str, text: str, *, flags: str) -> None:
        self.library = library
        """Which holds it, with those that share its constants."""
        self._redis = library.redis
        self._function = library.add(name, text, flags=flags)
        head = f"#!lua flags={flags}" if flags else "#!lua"
        self._script = self._redis.register_script(f"{head}\n{library.shared}{text}")
        if isinstance(self._redis, TimedRedis):
            self._redis.times.name_script(self._function, name)
            self._redis.times.name_script(self._script.sha, name)

    async def __call__(self, *, args: Sequence[Any] = ()) -> Any:
        """Run it. Raises RedisError."""
        for _ in range(2):
            if not self.library.is_kept:
                break
            try:
                return await self._redis.execute_command("FCALL", self._function, 0, *args)  # type: ignore[no-untyped-call]
            except ResponseError as error:
                if not is_unknown_function(error):
                    raise
            if not await self.library.load():
                break
        return await self._script(args=args)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _name_in(library: Any) -> str:
    """FUNCTION LIST tells a library as a map, or by the older protocol as a flat list."""
    if not isinstance(library, dict):
        library = dict(zip(library[::2], library[1::2], strict=True))
    return str(library["library_name"])
