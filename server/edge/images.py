"""GET and HEAD /image/{id} and /image/{id}/{variant}: the results, as caches like them."""

from aiohttp import web

from server.edge.access.sign import PRIVATE_HEADERS, Doorman, no_picture
from server.edge.delivery import Delivery
from server.edge.negotiate import MEDIA_TYPES, choose
from server.edge.problems import REQUEST_ID
from server.jobs.job import Batch, Job, JobState
from server.jobs.queue import JobQueue
from server.refusals import Gone, NotReady

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

    def __init__(self, queue: JobQueue, delivery: Delivery, doorman: Doorman) -> None:
        self._queue = queue
        self._doorman = doorman
        self._delivery = delivery

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The picture, a part of it, or 304."""
        image_id = request.match_info["id"]
        job = await self._completed(request, image_id)
        accept = ",".join(request.headers.getall("Accept", ()))
        chosen = choose(job, request.match_info.get("variant"), accept)
        variant = chosen.variant
        etag = f'"{variant.digest[:32]}"'
        headers = _HEADERS | {
            "ETag": etag,
            "Content-Type": MEDIA_TYPES[variant.format],
            "X-Request-Id": request[REQUEST_ID],
            **chosen.headers(),
            **(PRIVATE_HEADERS if self._doorman.is_hidden(job) else {}),
        }
        if _matches(request.headers.get("If-None-Match"), etag):
            return web.Response(status=304, headers=headers)
        return await self._delivery.answer(request, variant, headers)

    async def _completed(self, request: web.Request, image_id: str) -> Job:
        job = await self._queue.look(image_id)
        if job is None or isinstance(job, Batch):
            raise no_picture(image_id)
        self._doorman.refuse_stranger(request, job)
        if job.status is JobState.EXPIRED:
            raise Gone("The picture has expired.")
        if job.status is not JobState.COMPLETED:
            raise NotReady(f"The job of this picture is {job.status}; see /status/{image_id}.")
        return job


def _matches(header: str | None, etag: str) -> bool:
    """If-None-Match compares weakly (RFC 9110, 13.1.2)."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags
