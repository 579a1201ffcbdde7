"""GET and HEAD /image/{id} and /image/{id}/{variant}: the results, as caches like them."""

from pathlib import Path

import aiofiles
from aiohttp import web

from server.edge.byterange import ByteRange, NotSatisfiable, asked_range
from server.edge.problems import REQUEST_ID, problem_response
from server.jobs.job import Batch, Job, JobState, Variant
from server.jobs.queue import JobQueue
from server.refusals import Gone, NotFound, NotReady
from server.storage.storage import Storage

_CHUNK_BYTES = 256 * 1024
_MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
    "tiff": "image/tiff",
}
# A result never changes under its address; nothing in it may run, whoever embeds it.
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


class ImageHandler:
    """Hosts results."""

    def __init__(self, queue: JobQueue, storage: Storage) -> None:
        self._queue = queue
        self._storage = storage

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The picture, a part of it, or 304."""
        image_id = request.match_info["id"]
        variant = _variant(await self._completed(image_id), request.match_info.get("variant"))
        etag = f'"{variant.digest[:32]}"'
        headers = _HEADERS | {
            "ETag": etag,
            "Content-Type": _MEDIA_TYPES[variant.format],
            "X-Request-Id": request[REQUEST_ID],
        }
        if _matches(request.headers.get("If-None-Match"), etag):
            return web.Response(status=304, headers=headers)
        path = await self._storage.local_path(variant.key)
        if path is None:
            raise Gone("The file of this picture is gone from the storage.")
        try:
            asked = asked_range(request, variant.bytes, etag)
        except NotSatisfiable as refusal:
            response = problem_response(request, refusal)
            response.headers["Content-Range"] = f"bytes */{variant.bytes}"
            return response
        try:
            return await _send(request, path, asked, variant.bytes, headers)
        except FileNotFoundError as error:
            raise Gone("The picture has expired.") from error

    async def _completed(self, image_id: str) -> Job:
        job = await self._queue.look(image_id)
        if job is None or isinstance(job, Batch):
            raise NotFound(f"There is no picture '{image_id}'; it may have expired.")
        if job.status is JobState.EXPIRED:
            raise Gone("The picture has expired.")
        if job.status is not JobState.COMPLETED:
            raise NotReady(f"The job of this picture is {job.status}; see /status/{image_id}.")
        return job


def _variant(job: Job, name: str | None) -> Variant:
    if name is None:
        return job.variants[0]
    for variant in job.variants:
        if variant.name == name:
            return variant
    known = ", ".join(variant.name for variant in job.variants)
    raise NotFound(f"This picture has no variant '{name}'; it has {known}.")


def _matches(header: str | None, etag: str) -> bool:
    """If-None-Match compares weakly (RFC 9110, 13.1.2)."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags


async def _send(
    request: web.Request, path: Path, asked: ByteRange | None, size: int, headers: dict[str, str]
) -> web.StreamResponse:
    start, length = (asked.start, asked.length) if asked else (0, size)
    response = web.StreamResponse(status=206 if asked else 200, headers=headers)
    response.content_length = length
    if asked:
        response.headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    async with aiofiles.open(path, "rb") as file:
        await file.seek(start)
        first = await file.read(min(length, _CHUNK_BYTES))
        if len(first) == length:  # small enough: head and body leave in one piece
            headers = dict(response.headers)
            return web.Response(body=first, status=response.status, headers=headers)
        await response.prepare(request)
        left = length
        chunk = first
        while chunk:
            await response.write(chunk)
            left -= len(chunk)
            chunk = await file.read(min(left, _CHUNK_BYTES))
        if left:
            raise OSError(f"{path.name} is {left} bytes shorter than it was when it was stored")
    await response.write_eof()
    return response
