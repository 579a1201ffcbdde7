"""A list of pictures of any length on its way into a batch, a few lines at a time."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from redis.exceptions import RedisError

from server.intake.lines import Line, read_line, refusal_problem
from server.intake.ordering import MayUse, Ordering
from server.jobs.job import new_batch_id
from server.jobs.queue import JobQueue
from server.jobs.urls import Order, Terms, UrlQueue
from server.refusals import CutShort, QueueFull, QuotaExceeded, Refusal

log = structlog.get_logger(__name__)

_MOST_TOLD = 100  # refused lines that the answer names; all are counted
_AT_ONCE = 500  # jobs that one script lets in: Redis does nothing else meanwhile
_LOOK_EVERY_S = 0.25
_NO_ROOM_S = 600.0  # so long there may be no room before the rest of the list is refused


class Bulk:
    """One batch while its list is read. Whoever reads it ends it by `close` or `abandon`."""

    def __init__(
        self,
        ordering: Ordering,
        urls: UrlQueue,
        queue: JobQueue,
        terms: Terms,
        *,
        may_use: MayUse,
        is_client_there: Callable[[], bool],
        max_line_bytes: int,
        takes_options: bool,
    ) -> None:
        self._ordering = ordering
        self._urls = urls
        self._queue = queue
        self._terms = terms
        self._may_use = may_use
        self._is_client_there = is_client_there
        self._max_line_bytes = max_line_bytes
        self._takes_options = takes_options
        self.batch_id = new_batch_id()
        self.accepted = 0
        self.refused_count = 0
        self.refused: list[dict[str, Any]] = []
        self.first_refusal: Refusal | None = None

    async def take(self, lines: Iterable[Line]) -> None:
        """Let the pictures of these lines line up, in their order; wait while there is no room."""
        asked: list[tuple[int, Order]] = []
        for line in lines:
            try:
                asked.append((line.number, self._order(line)))
            except Refusal as wrong:
                self._refuse(line.number, wrong)
        checked = await self._ordering.with_images([order for _, order in asked], self._may_use)
        orders = []
        for (number, _), (order, refusal) in zip(asked, checked, strict=True):
            if refusal is None:
                orders.append(order)
            else:
                self._refuse(number, refusal)
        await self._admit(orders)

    async def close(self) -> None:
        """All of the list has been read."""
        await self._urls.close_batch(self.batch_id)

    async def abandon(self) -> None:
        """Stop what was begun; without Redis the beat does it, which finds no reader any more."""
        if not self.accepted:
            return
        log.info("a batch is stopped, its list broke off", batch_id=self.batch_id)
        try:
            await self._queue.cancel_batch(self.batch_id)
        except (RedisError, OSError) as error:
            log.warning("a batch is stopped later", batch_id=self.batch_id, error=str(error))

    def _order(self, line: Line) -> Order:
        asked = read_line(
            line, max_line_bytes=self._max_line_bytes, takes_options=self._takes_options
        )
        name, recipe = asked.name, asked.recipe
        if asked.url:
            return self._ordering.of_url(asked.url, name=name, recipe=recipe, is_listed=True)
        return self._ordering.of_image(asked.image_id, name=name, recipe=recipe)

    def _refuse(self, number: int, refusal: Refusal) -> None:
        self.refused_count += 1
        self.first_refusal = self.first_refusal or refusal
        if len(self.refused) < _MOST_TOLD:
            self.refused.append({"line": number, "problem": refusal_problem(refusal)})

    async def _admit(self, orders: list[Order]) -> None:
        """Let all of them in, as many at a time as there is room for."""
        most, moved_at = _AT_ONCE, time.monotonic()
        while orders:
            some = orders[:most]
            refusal = await self._try(some)
            if refusal is None:
                self.accepted += len(some)
                orders, most, moved_at = orders[len(some) :], _AT_ONCE, time.monotonic()
            elif 0 < (room := _room(refusal, len(some))) < len(some):
                most = room
            elif not self.accepted or time.monotonic() - moved_at > _NO_ROOM_S:
                raise refusal
            else:
                await self._wait_a_moment()

    async def _try(self, orders: list[Order]) -> QueueFull | QuotaExceeded | None:
        """None: they are in."""
        try:
            waiting = await self._urls.admit(
                orders, self._terms, batch_id=self.batch_id, is_open=True
            )
        except QuotaExceeded as refusal:
            return refusal
        return None if waiting is None else self._urls.full(waiting + len(orders))

    async def _wait_a_moment(self) -> None:
        """Nothing is read from the client meanwhile, so it cannot send more than buffers hold."""
        await asyncio.sleep(_LOOK_EVERY_S)
        if not self._is_client_there():
            raise CutShort("The connection ended before the list did.")


def _room(refusal: QueueFull | QuotaExceeded, arriving: int) -> int:
    """How many would have been let in: `actual` has those that are here and those that came."""
    return (refusal.limit or 0) - (refusal.actual or 0) + arriving
