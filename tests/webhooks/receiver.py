"""A receiver of webhooks on loopback: answers as a test wants, and keeps what came."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks import Webhook

from tests.intake.origin import Origin, origin_in_thread

Reply = Callable[[int], web.StreamResponse | None]
"""What is answered to the n-th message of a path, from 1 on; None: nothing, for ever."""


@dataclass(frozen=True)
class Message:
    """One POST as it came."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """webhook-id."""
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        """The body, unverified."""
        said: dict[str, Any] = orjson.loads(self.body)
        return said

    def verified(self, secret: str) -> dict[str, Any]:
        """The body as the reference implementation lets it pass; raises when it does not."""
        said: dict[str, Any] = Webhook(secret).verify(self.body, dict(self.headers))
        return said


@dataclass
class Receiver:
    """`messages` by path, in the order they came."""

    origin: Origin
    messages: dict[str, list[Message]] = field(default_factory=dict)

    def at(self, path: str, reply: Reply | int = 204, **headers: str) -> str:
        """Take webhooks at a path; returns its URL. A number is the status of every answer."""
        kept = self.messages.setdefault(path, [])

        async def answer(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            low = {name.lower(): value for name, value in request.headers.items()}
            kept.append(Message(low, body))
            if isinstance(reply, int):
                return web.Response(status=reply, headers=headers)
            made = reply(len(kept))
            if made is None:
                await asyncio.Event().wait()
            assert made is not None
            return made

        return self.origin.answer(path, answer)

    def has(self, path: str, number: int = 1) -> Callable[[], bool]:
        """Whether so many have come, as a question to wait for."""
        return lambda: len(self.messages[path]) >= number


@contextmanager
def receiver_in_thread() -> Iterator[Receiver]:
    """Listens for many tests, on one free port."""
    with origin_in_thread() as origin:
        yield Receiver(origin)
