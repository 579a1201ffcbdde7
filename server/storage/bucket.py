"""Storage in a bucket: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

Credentials come from where each cloud's own tools look: environment, instance, workload identity.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import aiofiles
import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from server.config.storing import StorageSettings
from server.storage.half_puts import Credentials, HalfPuts
from server.storage.room import DiskRoom
from server.storage.storage import ORIGINALS, RESULTS, StorageFailed, Stored, results_prefix
from server.storage.timed import Operations, timed, timed_to_first

T = TypeVar("T")

_PIECE_BYTES = 256 * 1024
# A part is held in memory until the bucket has it. S3 takes no smaller ones, and 10,000 at most.
_PART_BYTES = 8 * 1024 * 1024
_PARTS_AT_ONCE = 2
_LIST_AT_ONCE = 1000
# Of one whole answer, however slowly a client takes it; each read has its own limit, timeout_s.
_LONGEST_ANSWER = timedelta(hours=2)
# An object that shows that we may write and read; /readyz asks for it, this seldom.
_MARK, _CHECK_EVERY_S = "safelight", 2.0
_KINDS = {"s3": "s3", "gs": "gcs", "az": "azure"}
_MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}


class BucketStorage:
    """Objects below a prefix of a bucket; `folder` is where the spool's disk is watched."""

    def __init__(self, settings: StorageSettings, folder: Path) -> None:
        self.is_near = False
        self.kind = _KINDS[urlsplit(settings.url).scheme]
        self.operations = Operations()
        self._store = open_bucket(settings)
        self.refuse_if_low = DiskRoom(folder, settings.min_free_bytes).refuse_if_low
        parts = urlsplit(settings.url)
        self._place = (parts.netloc, parts.path.strip("/"))
        credentials = Credentials.of_environment() if self.kind == "s3" else None
        self._half_puts = HalfPuts(settings, credentials) if credentials is not None else None
        self._checked_at = -_CHECK_EVERY_S
        self._complaint: StorageFailed | None = None

    @timed("put")
    async def put(self, key: str, path: Path) -> None:
        """See Storage.put: a bucket answers when it has the bytes for good."""
        media_type = _MEDIA_TYPES.get(Path(key).suffix, "application/octet-stream")
        try:
            with _told_as_ours(f"cannot put {key}"):
                await obstore.put_async(
                    self._store,
                    key,
                    path,
                    attributes={"Content-Type": media_type},
                    chunk_size=_PART_BYTES,
                    max_concurrency=_PARTS_AT_ONCE,
                )
        except FileNotFoundError as error:
            raise StorageFailed(f"cannot put {key}: there is no such bucket") from error

    @timed("fetch")
    async def fetch(self, key: str, path: Path) -> None:
        """See Storage.fetch."""
        await asyncio.to_thread(path.parent.mkdir, exist_ok=True)
        async with aiofiles.open(path, "xb") as file:
            async for piece in self.read(key):
                await file.write(piece)

    async def local_path(self, key: str) -> Path | None:
        """Nothing of a bucket lies on this machine."""
        return None

    @timed_to_first("read")
    async def read(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes]:
        """See Storage.read."""
        with _told_as_ours(f"cannot read {key}"):
            whole = start == 0 and length is None
            part: Any = (start, start + length) if length is not None else {"offset": start}
            found = await obstore.get_async(
                self._store, key, options={} if whole else {"range": part}
            )
            left = found.range[1] - found.range[0]
            if length is not None and left < length:
                raise StorageFailed(f"{key} is {length - left} bytes shorter than when stored")
            async for piece in found.stream(min_chunk_size=_PIECE_BYTES):
                left -= len(piece)
                yield bytes(piece)
        if left:
            raise StorageFailed(f"{key} broke off {left} bytes before its end")

    @timed("head")
    async def head(self, key: str) -> Stored | None:
        """See Storage.head."""
        try:
            with _told_as_ours(f"cannot look at {key}"):
                found = await obstore.get_async(self._store, key, options={"head": True})
        except FileNotFoundError:
            return None
        return _stored(found.meta, media_type=found.attributes.get("Content-Type"))

    async def objects(self, prefix: str) -> AsyncIterator[Stored]:
        """See Storage.objects."""
        with _told_as_ours(f"cannot list {prefix}"):
            found = obstore.list(self._store, prefix=prefix, chunk_size=_LIST_AT_ONCE)
            async for some in found:
                for one in some:
                    yield _stored(one)

    @timed("delete")
    async def delete(self, key: str) -> None:
        """See Storage.delete."""
        await self._delete([key])

    @timed("delete")
    async def delete_results(self, job_id: str) -> None:
        """See Storage.delete_results."""
        keys = [one.key async for one in self.objects(results_prefix(job_id))]
        if keys:
            await self._delete(keys)

    async def abort_half_puts(self, *, older_than_s: float) -> int:
        """See Storage.abort_half_puts: of S3, by credentials of the environment."""
        if self._half_puts is None:
            return 0
        before_ms = int((time.time() - older_than_s) * 1000)
        return await self._half_puts.abort_older(before_ms, (ORIGINALS, RESULTS))

    async def sign(self, method: Literal["GET", "HEAD", "PUT"], key: str, expires_s: int) -> str:
        """See Storage.sign. Of the request, method, host, key and time are bound and no more."""
        with _told_as_ours(f"cannot sign {key}"):
            lifetime = timedelta(seconds=expires_s)
            return await obstore.sign_async(self._store, method, key, lifetime)

    async def check(self) -> None:
        """See Storage.check; asked often, the bucket is asked every few seconds."""
        if time.monotonic() - self._checked_at >= _CHECK_EVERY_S:
            self._complaint = await self._look()
            self._checked_at = time.monotonic()
        if self._complaint is not None:
            raise self._complaint

    def key_of(self, bucket: str, path: str) -> str | None:
        """The key under which we know an object of a bucket; None: it is none of ours."""
        own, prefix = self._place
        if bucket != own or not path.startswith(f"{prefix}/" if prefix else ""):
            return None
        return path[len(prefix) + 1 :] if prefix else path

    async def _look(self) -> StorageFailed | None:
        try:
            if await self.head(_MARK) is None:
                with _told_as_ours(f"cannot put {_MARK}"):
                    await obstore.put_async(self._store, _MARK, b"Safelight keeps pictures here.\n")
        except StorageFailed as failed:
            return failed
        except FileNotFoundError:
            return StorageFailed("there is no such bucket")
        return None

    async def _delete(self, keys: list[str]) -> None:
        try:
            with _told_as_ours(f"cannot delete {keys[0]}"):
                await obstore.delete_async(self._store, keys)
        except FileNotFoundError:
            return  # some clouds say so, others call it done


def open_bucket(settings: StorageSettings) -> S3Store | GCSStore | AzureStore:
    """The client of one bucket; nothing is sent yet.

    Raises StorageFailed when the settings do not make one.
    """
    kind = _KINDS[urlsplit(settings.url).scheme]
    options: dict[str, Any] = {
        "allow_http": settings.allow_http,
        "connect_timeout": timedelta(seconds=min(5.0, settings.timeout_s)),
        "read_timeout": timedelta(seconds=settings.timeout_s),
        "timeout": _LONGEST_ANSWER,
    }
    retries: dict[str, Any] = {
        "max_retries": settings.max_retries,
        "retry_timeout": timedelta(seconds=settings.timeout_s),
    }
    make: Any = {"s3": S3Store, "gcs": GCSStore, "azure": AzureStore}[kind]
    try:
        store: S3Store | GCSStore | AzureStore = make.from_url(
            settings.url,
            config=_cloud_settings(kind, settings),
            client_options=options,
            retry_config=retries,
        )
    except (BaseError, ValueError) as error:
        raise StorageFailed(f"storage.url: {_first_line(error)}") from error
    return store


def _cloud_settings(kind: str, settings: StorageSettings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    endpoint = settings.endpoint
    if kind == "s3":
        found["virtual_hosted_style_request"] = not settings.path_style
        if endpoint and not settings.path_style:  # the library takes it as the bucket's own
            endpoint = endpoint.replace("://", f"://{urlsplit(settings.url).netloc}.", 1)
        if settings.region:
            found["region"] = settings.region
    if endpoint:
        found["base_url" if kind == "gcs" else "endpoint"] = endpoint
    return found


def _stored(meta: Any, *, media_type: str | None = None) -> Stored:
    """`meta` is the client library's dictionary."""
    return Stored(
        key=meta["path"],
        bytes=meta["size"],
        modified_ms=int(meta["last_modified"].timestamp() * 1000),
        etag=meta["e_tag"] or meta["version"] or "",
        media_type=media_type,
    )


@contextmanager
def _told_as_ours(deed: str) -> Iterator[None]:
    """The library's errors are no OSErrors, and run over many lines."""
    try:
        yield
    except BaseError as error:
        raise StorageFailed(f"{deed}: {_first_line(error)}") from error
    except ValueError as error:  # a name that no object can have
        raise FileNotFoundError(f"{deed}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
