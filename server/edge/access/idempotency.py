"""Idempotency-Key: the same request sent twice makes jobs once and is answered the same.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/

A request is known by its content (fields and the digests of its pictures), not by its bytes: a
client library that tries again makes another multipart boundary. So it is looked up after its body
was read and before its jobs are admitted; then the promise of an answer goes in with the jobs.
"""

import math
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
import structlog
from aiohttp import web
from redis.exceptions import RedisError

from server.config.access import IdempotencySettings
from server.edge.access.client import client_of
from server.jobs.once import Answered, Busy, Mismatch, OnceBook, Promise
from server.refusals import BadRequest, IdempotencyBusy, IdempotencyMismatch

log = structlog.get_logger(__name__)

_HEADER = "Idempotency-Key"
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x7e]+")
_MOST_LENGTH = 255
# From the lookup to the admission: originals are stored then. A holder that needs longer loses
# nothing but the key: the admission itself sees whether another was first.
_HOLD_MS = 60_000
# From the admission to the end of the answer, beside the time that the client waits for the result.
_ANSWER_MS = 5_000
# What a replayed answer says again; the others belong to one exchange.
_KEPT_HEADERS = ("Location", "Retry-After", "Preference-Applied", "Cache-Control")


@dataclass(frozen=True, slots=True)
class Turn:
    """One request that may go on. Without a key all of this does nothing."""

    name: str
    fingerprint: str
    holder: str
    keep_ms: int
    most_bytes: int

    def promise(
        self, response: web.Response, *, wait_s: float = 0, is_final: bool = False
    ) -> Promise | None:
        """What is kept with the admitted jobs: the answer to give should this one not arrive.

        `wait_s`: how long the client may wait for a better one, which `is_final` says won't come.
        """
        if not self.name:
            return None
        return Promise(
            name=self.name,
            fingerprint=self.fingerprint,
            holder=self.holder,
            answer=_written(response, self.most_bytes) or _without_lists(response),
            is_final=is_final,
            busy_ms=int(wait_s * 1000) + _ANSWER_MS,
            keep_ms=self.keep_ms,
        )


_NO_TURN = Turn("", "", "", 0, 0)


class Idempotency:
    """Lets each key do its work once."""

    def __init__(self, book: OnceBook, settings: IdempotencySettings) -> None:
        self._book = book
        self._settings = settings

    @asynccontextmanager
    async def turn(
        self, request: web.Request, content: Sequence[object]
    ) -> AsyncIterator[Turn | web.Response]:
        """The turn of a request with that content, or the answer that it got before.

        Raises IdempotencyMismatch and IdempotencyBusy. Whoever ends by an error and without
        admitted jobs gives the key back.
        """
        key = _key_of(request)
        if key is None:
            yield _NO_TURN
            return
        name = f"{client_of(request)}:{sha256(key.encode()).hexdigest()}"
        fingerprint = _fingerprint(request, content)
        turn = Turn(
            name,
            fingerprint,
            secrets.token_hex(8),
            self._settings.keep_s * 1000,
            self._settings.max_answer_bytes,
        )
        answered = await self._begin(turn)
        if answered is not None:
            yield answered
            return
        try:
            yield turn
        except BaseException:
            await self._end(turn, "")
            raise

    async def keep(self, turn: Turn, response: web.Response) -> web.Response:
        """Remember a better answer than was promised, so that it is given again; returns it."""
        if turn.name:
            await self._end(turn, _written(response, turn.most_bytes) or "")
        return response

    async def _begin(self, turn: Turn) -> web.Response | None:
        found = await self._book.begin(
            turn.name, fingerprint=turn.fingerprint, holder=turn.holder, hold_ms=_HOLD_MS
        )
        match found:
            case Mismatch():
                raise IdempotencyMismatch(
                    "This Idempotency-Key came with other content before; take a new key."
                )
            case Busy(left_ms):
                raise IdempotencyBusy(
                    "The first request with this Idempotency-Key is not answered yet.",
                    retry_after_s=min(2, math.ceil(left_ms / 1000)),
                )
            case Answered(answer):
                return _read(answer)
            case None:
                return None

    async def _end(self, turn: Turn, answer: str) -> None:
        """Without Redis nothing is lost: the key frees itself, or its promise is the answer."""
        try:
            await self._book.end(turn.name, holder=turn.holder, answer=answer)
        except (RedisError, OSError) as error:
            log.warning("an answer is not kept under its key", error=str(error))


def _key_of(request: web.Request) -> str | None:
    """A string as the draft has it, in quotes, or bare as many clients send it."""
    values = request.headers.getall(_HEADER, [])
    if not values:
        return None
    text = values[0].strip()
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    is_good = quoted is not None or _BARE.fullmatch(text) is not None
    if len(values) > 1 or not is_good or not 1 <= len(key) <= _MOST_LENGTH:
        raise BadRequest(
            f"{_HEADER}: expected one text of 1 to {_MOST_LENGTH} letters, such as a UUID."
        )
    return key


def _fingerprint(request: web.Request, content: Sequence[object]) -> str:
    what = [request.method, request.path, *content]
    return sha256(orjson.dumps(what, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _written(response: web.Response, most_bytes: int) -> str | None:
    """An answer as it is kept; None: it is too large for that."""
    body = response.body if isinstance(response.body, bytes) else b""
    if len(body) > most_bytes:
        return None
    return _stored(response.status, response.content_type, response.headers, body.decode())


def _without_lists(response: web.Response) -> str:
    """What is left of a batch's answer that is too large: its id, under which its pictures are."""
    body = response.body if isinstance(response.body, bytes) else b"{}"
    answer: dict[str, Any] = orjson.loads(body)
    short = {name: value for name, value in answer.items() if not isinstance(value, list)}
    text = orjson.dumps(short).decode()
    return _stored(response.status, response.content_type, response.headers, text)


def _stored(status: int, media_type: str, headers: Mapping[str, str], body: str) -> str:
    kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    answer = {"status": status, "mediaType": media_type, "headers": kept, "body": body}
    return orjson.dumps(answer).decode()


def _read(answer: str) -> web.Response:
    found = orjson.loads(answer)
    return web.Response(
        body=found["body"].encode(),
        status=found["status"],
        content_type=found["mediaType"],
        headers={**found["headers"], "Idempotency-Replayed": "true"},
    )
