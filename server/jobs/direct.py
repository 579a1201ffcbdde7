"""Uploads that clients bring by a URL of their own: what was agreed, and how far each is.

A record is open until somebody takes it in hand; admission (admit.lua) or a refusal ends it.
Nothing here knows of storages or HTTP.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.jobs import names
from server.jobs.scripts import Scripts
from server.refusals import (
    BadOptions,
    EmptyBody,
    Faulted,
    Refusal,
    TooLarge,
    TooManyUploads,
    UploadMismatch,
    UploadTaken,
)

log = structlog.get_logger(__name__)

_OF_BYTES = (Faulted, BadOptions, EmptyBody, TooLarge, UploadMismatch)
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a client may bring. Sizes in bytes; empty text and None: not agreed on.

    `key` is where the storage will have it; "" when it comes to this server itself. `keep_s` is
    how long pictures are kept after their job's end.
    """

    name: str
    key: str
    recipe: str
    media_type: str = ""
    exact_bytes: int | None = None
    max_bytes: int | None = None
    sha256: str = ""
    private: bool = False
    keep_s: int | None = None
    callback_url: str = ""

    def fields(self) -> list[str]:
        """The hash's fields, flat."""
        return [
            *("name", self.name),
            *("key", self.key),
            *("recipe", self.recipe),
            *("media_type", self.media_type),
            *("exact_bytes", _text(self.exact_bytes)),
            *("max_bytes", _text(self.max_bytes)),
            *("sha256", self.sha256),
            *("private", "1" if self.private else ""),
            *("keep_s", _text(self.keep_s)),
            *("callback", self.callback_url),
        ]


@dataclass(frozen=True, slots=True)
class DirectUpload:
    """A record as it stands. Times are milliseconds since 1970 UTC.

    Of a completed one recipe, name and checksum are no longer known; its job has them.
    """

    upload_id: str
    client: str
    state: Literal["open", "taken", "completed", "refused"]
    token: int
    expires_ms: int
    job_id: str
    refusal: str
    agreed: Agreement

    @classmethod
    def from_json(cls, text: str | bytes) -> "DirectUpload":
        """Read what the scripts tell: the hash as a flat JSON object of strings."""
        fields: dict[str, Any] = orjson.loads(text)
        return cls(
            upload_id=fields["id"],
            client=fields["client"],
            state=fields["state"],
            token=int(fields["token"]),
            expires_ms=int(fields["expires"]),
            job_id=fields.get("job_id", ""),
            refusal=fields.get("refusal", ""),
            agreed=Agreement(
                name=fields.get("name", ""),
                key=fields["key"],
                recipe=fields.get("recipe", ""),
                media_type=fields["media_type"],
                exact_bytes=_number(fields["exact_bytes"]),
                max_bytes=_number(fields["max_bytes"]),
                sha256=fields.get("sha256", ""),
                private=fields["private"] == "1",
                keep_s=_number(fields["keep_s"]),
                callback_url=fields.get("callback", ""),
            ),
        )


class DirectUploads:
    """The records of all nodes."""

    def __init__(self, redis: Redis, *, max_pending: int, keep_s: int, lease_s: float) -> None:
        """lease_s: who has an upload in hand and is silent for so long loses it to others."""
        self._redis = redis
        self._scripts = Scripts(redis, {})
        self._max_pending = max_pending
        self._keep_ms = keep_s * 1000
        self._lease_s = lease_s

    async def open(self, upload_id: str, agreed: Agreement, *, client: str, good_s: int) -> int:
        """Note an upload; returns the ms since 1970 at which its URL ends, or TooManyUploads."""
        is_open, number = await self._scripts.upload_open(
            args=[
                *(upload_id, client, self._max_pending, good_s * 1000, self._keep_ms),
                orjson.dumps(agreed.fields()),
            ]
        )
        if not is_open:
            raise TooManyUploads(
                f"{self._max_pending} uploads may be open and {number} are; use them first.",
                limit=self._max_pending,
                actual=number,
                retry_after_s=60,
            )
        return int(number)

    async def take(self, upload_id: str) -> tuple[bool, DirectUpload | None]:
        """Whether it is ours to work on now, and how it stands; None: there is no such upload."""
        answer = await self._scripts.upload_take(args=[upload_id, int(self._lease_s * 1000)])
        if answer is None:
            return False, None
        return bool(answer[0]), DirectUpload.from_json(answer[1])

    @asynccontextmanager
    async def hold(self, upload: DirectUpload) -> AsyncIterator[None]:
        """Keep what was taken for the time of the block, and give it back if it did not end there.

        A refusal that is final ends it for good.
        """
        renewing = asyncio.create_task(self._renew(upload), name="upload-lease")
        try:
            yield
        except Refusal as refusal:
            state = "refused" if is_final(refusal) else "open"
            await self._leave(upload, state, refusal=_written(refusal))
            raise
        except BaseException:
            await self._leave(upload, "open")
            raise
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing

    async def due(self) -> list[str]:
        """Ids of uploads whose record and object are to be removed now."""
        seconds, microseconds = await self._redis.time()
        now_ms = seconds * 1000 + microseconds // 1000
        found = await self._redis.zrange(
            names.UPLOADS, "-inf", now_ms, byscore=True, offset=0, num=_AT_ONCE
        )
        return [str(one) for one in found]

    async def forget(self, upload_id: str, *, token: int = 0) -> bool:
        """Remove a record; False while another than `token` has it in hand."""
        return bool(await self._scripts.upload_forget(args=[upload_id, token]))

    async def _renew(self, upload: DirectUpload) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self._move(upload, "taken")
            except (RedisError, OSError) as error:
                log.warning("an upload's lease is not renewed", error=str(error))

    async def _leave(self, upload: DirectUpload, state: str, *, refusal: str = "") -> None:
        """Whoever holds it has failed already; what is not given back ends with its lease."""
        try:
            await asyncio.shield(self._move(upload, state, refusal=refusal))
        except (RedisError, OSError) as error:
            log.warning("an upload is not given back", error=str(error))

    async def _move(self, upload: DirectUpload, state: str, *, refusal: str = "") -> None:
        lease_ms = int(self._lease_s * 1000)
        await self._scripts.upload_leave(
            args=[upload.upload_id, upload.token, state, lease_ms, refusal]
        )


def is_final(refusal: Refusal) -> bool:
    """Whether the bytes themselves are refused, so that no other attempt would end better."""
    return isinstance(refusal, _OF_BYTES)


def ended(upload: DirectUpload) -> str:
    """The job of an upload that has ended, or the refusal it ended with, or UploadTaken."""
    if upload.state == "completed":
        return upload.job_id
    if upload.state == "refused":
        raise _read_again(upload.refusal)
    raise UploadTaken("The upload is being taken in just now; ask again.", retry_after_s=1)


def _written(refusal: Refusal) -> str:
    return orjson.dumps(
        {
            "status": refusal.status,
            "code": refusal.code,
            "title": refusal.title,
            "detail": refusal.detail,
            "limit": refusal.limit,
            "actual": refusal.actual,
        }
    ).decode()


def _read_again(text: str) -> Refusal:
    """What an upload was refused for, told again to whoever asks later."""
    written: dict[str, Any] = orjson.loads(text)
    refusal = Refusal(written["detail"], limit=written["limit"], actual=written["actual"])
    refusal.status, refusal.code = written["status"], written["code"]
    refusal.title = written["title"]
    return refusal


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _number(text: str) -> int | None:
    return int(text) if text else None
