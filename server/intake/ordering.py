"""What clients name, as orders: URLs that the guard lets pass, pictures that are here."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from server.intake.fetch.guard import Guard
from server.intake.file_name import clean_name
from server.jobs.job import Batch, Job, JobState, is_batch_id, new_job_id
from server.jobs.queue import JobQueue
from server.jobs.source import Source
from server.jobs.urls import Order
from server.refusals import Gone, NotFound, NotReady, Refusal

MayUse = Callable[[Job], bool]

_NAMELESS = "picture"
_MAX_QUOTED = 40


class Ordering:
    """Makes orders, or says what is wrong with what was asked for."""

    def __init__(self, guard: Guard, queue: JobQueue) -> None:
        self._guard = guard
        self._queue = queue

    def of_url(
        self, url: str, *, name: str = "", recipe: str | None = None, is_listed: bool = False
    ) -> Order:
        """Raises FetchRefused for a URL that is not followed, whatever its host resolves to.

        is_listed: it stands in a list of any length.
        """
        checked = self._guard.check(url).text
        source = Source.NDJSON if is_listed else Source.URL
        named = clean_name(name) or _name_in(checked)
        return Order(new_job_id(), named, checked, recipe=recipe, source=source)

    def of_image(self, image_id: str, *, name: str = "", recipe: str | None = None) -> Order:
        """An order for `with_images` to look at; unnamed, it takes that picture's name."""
        return Order(
            new_job_id(),
            clean_name(name),
            image_id=image_id,
            recipe=recipe,
            source=Source.ORIGINAL,
        )

    async def with_images(
        self, orders: Sequence[Order], may_use: MayUse
    ) -> list[tuple[Order, Refusal | None]]:
        """The orders in their order, each with what is wrong with the picture that it names.

        A picture that `may_use` denies is unknown, like one that never was.
        """
        # By the source: an id that is empty is one that nobody has, and no URL either.
        ids = list({one.image_id for one in orders if one.source is Source.ORIGINAL})
        found = dict(zip(ids, await self._queue.look_all(ids), strict=True))
        return [
            (one, None)
            if one.source is not Source.ORIGINAL
            else _with_image(one, found[one.image_id], may_use)
            for one in orders
        ]


def _with_image(
    order: Order, source: Job | Batch | None, may_use: MayUse
) -> tuple[Order, Refusal | None]:
    quoted = order.image_id[:_MAX_QUOTED]
    if not isinstance(source, Job) or is_batch_id(order.image_id) or not may_use(source):
        return order, NotFound(f"There is no picture '{quoted}'; it may have expired.")
    if not source.original_key:
        if source.status in (JobState.QUEUED, JobState.PROCESSING):
            detail = f"The picture '{quoted}' is still being fetched itself."
            return order, NotReady(detail, retry_after_s=1)
        return order, Gone(f"The original of '{quoted}' is no longer kept.")
    return replace(order, name=order.name or source.name), None


def _name_in(url: str) -> str:
    """The last part of the path, as a browser would name the file."""
    return clean_name(unquote(urlsplit(url).path)) or _NAMELESS
