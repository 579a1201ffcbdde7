"""Objects that a bucket tells of: the bytes of a presigned upload, or what others dropped there.

Events come twice, late and in any order. What is at the key when we look is what counts.
"""

import asyncio
import hashlib
from base64 import b32encode
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
from redis.exceptions import RedisError

from server.intake.direct.presign import Presign
from server.jobs.direct import Agreement, DirectUploads
from server.refusals import (
    NotFound,
    NothingUploaded,
    QueueFull,
    Refusal,
    TooManyUploads,
    Unavailable,
    UploadTaken,
)
from server.storage.bucket import BucketStorage
from server.storage.storage import INCOMING

log = structlog.get_logger(__name__)

_AT_ONCE = 4
# An event that comes again within this starts no second job.
_REMEMBER_S = 24 * 3600
_ID_BYTES = 15
_MAX_KEY_BYTES = 1024
# Whose jobs they are: nobody's key or address has this name.
_CLIENT = "storage.events"
_LATER = (QueueFull, TooManyUploads, Unavailable, UploadTaken)
_NOTHING_THERE = (NotFound, NothingUploaded)


@dataclass(frozen=True, slots=True)
class Created:
    """An object of which a notification says that it was made."""

    bucket: str
    path: str


@dataclass(slots=True)
class Taken:
    """What became of one notification: jobs by key, codes of refusals by key, and the rest."""

    jobs: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    ignored: int = 0


class StorageEvents:
    """Turns created objects into jobs. `recipe` (canonical JSON) is for what is dropped."""

    def __init__(
        self,
        presign: Presign,
        records: DirectUploads,
        storage: BucketStorage,
        *,
        drop_prefix: str,
        recipe: str,
    ) -> None:
        self._presign = presign
        self._records = records
        self._storage = storage
        self._drop_prefix = drop_prefix
        self._recipe = recipe

    async def take(self, created: Iterable[Created]) -> Taken:
        """Take in what is ours. Raises Unavailable when some of it must be told again."""
        taken = Taken()
        keys: set[str] = set()
        for one in created:
            key = self._storage.key_of(one.bucket, one.path)
            if key is None or not self._concerns_us(key):
                taken.ignored += 1
            else:
                keys.add(key)
        turns = asyncio.Semaphore(_AT_ONCE)
        outcomes = await asyncio.gather(*(self._take_one(key, turns, taken) for key in keys))
        if not all(outcomes):
            raise Unavailable("Not all of it could be taken in; tell it again.", retry_after_s=5)
        return taken

    def _concerns_us(self, key: str) -> bool:
        if len(key.encode(errors="replace")) > _MAX_KEY_BYTES or key.endswith("/"):
            return False
        is_dropped = bool(self._drop_prefix) and key.startswith(self._drop_prefix)
        return is_dropped or key.startswith(INCOMING)

    async def _take_one(self, key: str, turns: asyncio.Semaphore, taken: Taken) -> bool:
        """False: it must be told again."""
        async with turns:
            try:
                job_id = await self._job_of(key)
            except _LATER as refusal:
                log.info("an object is not taken in yet", key=key, reason=refusal.detail)
                return False
            except _NOTHING_THERE:
                taken.ignored += 1
            except Refusal as refusal:
                log.info("an object is refused", key=key, code=refusal.code, reason=refusal.detail)
                taken.refused[key] = refusal.code
            except (RedisError, OSError) as error:
                log.warning("an object is not taken in yet", key=key, error=str(error))
                return False
            else:
                taken.jobs[key] = job_id
        return True

    async def _job_of(self, key: str) -> str:
        if key.startswith(INCOMING):
            return await self._presign.complete(key.removeprefix(INCOMING))
        found = await self._storage.head(key)
        if found is None:
            raise NotFound("It is gone already.")
        upload_id = _id_of(key, found.etag)
        name = key.rsplit("/", 1)[-1]
        agreed = Agreement(name=name, key=key, recipe=self._recipe)
        await self._records.open(upload_id, agreed, client=_CLIENT, good_s=_REMEMBER_S)
        return await self._presign.complete(upload_id)


def _id_of(key: str, etag: str) -> str:
    """The same bytes at the same place are the same upload, however often we are told of them."""
    digest = hashlib.sha256(f"{key}\n{etag}".encode(errors="replace")).digest()
    return b32encode(digest[:_ID_BYTES]).decode().lower()
