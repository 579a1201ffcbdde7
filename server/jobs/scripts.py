"""Loads the .lua files: names and moves in front, then what all share, then the script itself."""

from importlib.resources import files

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from server.jobs import names
from server.jobs.job import MOVES

_FOLDER = files("server.jobs") / "scripts"

# A full Redis refuses a script as a whole or not at all, never in its middle. New jobs are refused;
# moves of those that are in may go on, or they would be stuck.
# https://valkey.io/topics/eval-intro/#eval-flags
_REFUSED_WHEN_FULL = ""
_GOES_ON_WHEN_FULL = " flags=allow-oom"


def _lua_moves() -> str:
    rows = (
        f"{state} = {{ {', '.join(f'{to} = true' for to in allowed)} }}"
        for state, allowed in MOVES.items()
    )
    return f"local MOVES = {{ {', '.join(rows)} }}\n"


class Scripts:
    """Every move of a job, one script each."""

    def __init__(self, redis: Redis) -> None:
        shared = names.lua_constants() + _lua_moves() + _FOLDER.joinpath("shared.lua").read_text()

        def script(name: str, *, flags: str = _GOES_ON_WHEN_FULL) -> AsyncScript:
            own = _FOLDER.joinpath(f"{name}.lua").read_text()
            return redis.register_script(f"#!lua{flags}\n{shared}{own}")

        self.admit = script("admit", flags=_REFUSED_WHEN_FULL)
        self.claim = script("claim")
        self.progress = script("progress")
        self.settle = script("settle")
        self.requeue = script("requeue")
        self.renew = script("renew")
        self.reclaim = script("reclaim")
        self.cancel = script("cancel")
        self.retry = script("retry")
        self.look = script("look")
        self.due = script("due")
        self.expire = script("expire")
