"""Loads the .lua files: names, moves and limits in front, then what all share, then the script."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType

from redis.asyncio import Redis

from server.jobs import names
from server.jobs.job import MOVES
from server.jobs.library import Library, Move

_FOLDER = files("server.jobs") / "scripts"
_SHARED = ("journal", "shared", "outbox", "lifetime", "same", "derived", "broken", "line", "door")

# A full Redis refuses a script as a whole or not at all, never in its middle. New jobs are refused;
# moves of those that are in may go on, or they would be stuck.
# https://valkey.io/topics/eval-intro/#eval-flags
_REFUSED_WHEN_FULL = ""
_GOES_ON_WHEN_FULL = "allow-oom"


def _text(name: str) -> str:
    return _FOLDER.joinpath(f"{name}.lua").read_text()


def _every_text() -> str:
    found = (file for file in _FOLDER.iterdir() if file.name.endswith(".lua"))
    return "".join(file.read_text() for file in sorted(found, key=lambda file: file.name))


def _lua_moves() -> str:
    rows = (
        f"{state} = {{ {', '.join(f'{to} = true' for to in allowed)} }}"
        for state, allowed in MOVES.items()
    )
    return f"local MOVES = {{ {', '.join(rows)} }}\n"


def _lua_subscribers(subscribers: Mapping[str, Sequence[str]]) -> str:
    """Names of events and endpoints are plain letters, digits, dots and dashes."""
    rows = (
        f"['{event}'] = {{ {', '.join(map(repr, endpoints))} }}"
        for event, endpoints in subscribers.items()
    )
    return f"local SUBSCRIBERS = {{ {', '.join(rows)} }}\n"


class Scripts:
    """Every move of a job, one script each.

    `numbers` are the settings that the scripts know by name, e.g. KEEP_MS; `subscribers` says which
    endpoints of webhooks are told of an event.
    """

    def __init__(
        self,
        redis: Redis,
        numbers: Mapping[str, int],
        subscribers: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        constants = "".join(f"local {name} = {value}\n" for name, value in numbers.items())
        constants += _lua_subscribers(subscribers)
        parts = [_text(name) for name in _SHARED]
        shared = "".join([names.lua_constants(), _lua_moves(), constants, *parts])
        library = Library(redis, shared, version=_every_text())
        self.forget_others = library.forget_others
        """Lets go of what other versions have left in Redis."""

        def script(name: str, *, flags: str = _GOES_ON_WHEN_FULL) -> Move:
            return Move(library, name, _text(name), flags=flags)

        self.admit = script("admit", flags=_REFUSED_WHEN_FULL)
        self.upload_open = script("upload_open", flags=_REFUSED_WHEN_FULL)
        self.upload_take = script("upload_take")
        self.upload_leave = script("upload_leave")
        self.upload_forget = script("upload_forget")
        self.once_begin = script("once_begin", flags=_REFUSED_WHEN_FULL)
        self.once_end = script("once_end")
        self.quota = script("quota")
        self.claim = script("claim")
        self.derive = script("derive", flags=_REFUSED_WHEN_FULL)
        self.derive_refuse = script("derive_refuse", flags=_REFUSED_WHEN_FULL)
        self.look_derived = script("look_derived")
        self.admit_urls = script("admit_urls", flags=_REFUSED_WHEN_FULL)
        self.claim_urls = script("claim_urls")
        self.fetched = script("fetched")
        self.open_batches = script("open_batches")
        self.close_batch = script("close_batch")
        self.doom_batch = script("doom_batch")
        self.cancel_batch = script("cancel_batch")
        self.progress = script("progress")
        self.settle = script("settle")
        self.requeue = script("requeue")
        self.renew = script("renew")
        self.reclaim = script("reclaim")
        self.bury = script("bury")
        self.cancel = script("cancel")
        self.retry = script("retry")
        self.look = script("look")
        self.overview = script("overview")
        self.expire = script("expire")
        self.remove = script("remove")
        self.held = script("held")
        self.deliveries_claim = script("deliveries_claim")
        self.delivery_fix = script("delivery_fix")
        self.delivery_end = script("delivery_end")
        self.delivery_replay = script("delivery_replay")
        self.delivery_ping = script("delivery_ping")
