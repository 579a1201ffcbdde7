"""DELETE /image/{id}: a picture goes before its time, as it came and all that was made of it."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from server.config.sections import UploadSettings
from server.jobs.job import JobState, is_batch_id
from server.jobs.queue import JobQueue
from server.live.feed import Feed
from server.refusals import NotFound


class RemovalHandler:
    """Takes pictures away for good; what others hold of the same files stays theirs."""

    def __init__(
        self,
        queue: JobQueue,
        feed: Feed,
        settings: UploadSettings,
        *,
        forget: Callable[[str], None],
    ) -> None:
        """`forget` makes this node answer no more from memory; others hear of it from Redis."""
        self._queue = queue
        self._feed = feed
        self._settings = settings
        self._forget = forget

    async def delete_image(self, request: web.Request) -> web.Response:
        """204: it is gone, or its lane is being stopped and it goes then."""
        image_id = request.match_info["id"]
        if is_batch_id(image_id):
            raise NotFound(f"'{image_id}' is a batch; delete its pictures one by one.")
        state = await self._queue.remove(image_id)
        self._forget(image_id)
        if state is None:
            raise NotFound(f"There is no picture '{image_id}'; it may have expired.")
        if state is JobState.PROCESSING:
            await self._await_end(image_id)
        return web.Response(status=204)

    async def _await_end(self, image_id: str) -> None:
        async with self._feed.watch(image_id) as mailbox:
            await self._feed.snapshot(image_id, mailbox)
            try:
                async with asyncio.timeout(self._settings.sync_wait_s):
                    while True:
                        if any(one.subject.is_settled for one in await mailbox.take()):
                            return
            except TimeoutError:
                return  # it is noted in Redis and outlives us
