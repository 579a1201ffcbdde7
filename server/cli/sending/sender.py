"""Sends any number of pictures and follows each to its end, never more at a time than fit."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from server.cli.client.parts import FileChanged
from server.cli.client.problem import Problem
from server.cli.client.results import Results
from server.cli.client.session import Service
from server.cli.client.watching import ENDED, UNKNOWN, Watch
from server.cli.client.watching import Picture as Told
from server.cli.sending.ended import NOT_SENT, SENT, Ended, fault
from server.cli.sending.groups import Group
from server.cli.sending.pictures import Unreadable
from server.cli.sending.requests import Refused, Requests, Taken

_FINISHERS = 4  # results fetched at a time


class Audience(Protocol):
    """Who is told how it goes."""

    def moved(self, progress: float) -> None:
        """So many pictures more have developed; parts of one count."""

    def ended(self, one: Ended) -> None:
        """A picture has come to its end."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How many requests at a time, how many pictures unfinished at the server; whether to wait."""

    concurrency: int
    in_flight: int
    waits: bool


class Sender:
    """One run of `safelight upload`."""

    def __init__(
        self,
        service: Service,
        requests: Requests,
        results: Results | None,
        audience: Audience,
        *,
        terms: Terms,
        patience_s: float,
    ) -> None:
        self._service = service
        self._requests = requests
        self._results = results
        self._audience = audience
        self._terms = terms
        self._watch = Watch(service, self._hear, patience_s=patience_s)
        self._developing: dict[str, tuple[Taken, float]] = {}
        self._finished: asyncio.Queue[tuple[Taken, Told]] = asyncio.Queue()
        self._unfinished = 0
        self._room = asyncio.Condition()
        self._reading = asyncio.Lock()

    @property
    def at_the_server(self) -> list[str]:
        """Batches and jobs that go on there without us."""
        found = (taken.batch_id or taken.job_id for taken, _ in self._developing.values())
        return list(dict.fromkeys(found))

    async def run(self, groups: Iterable[Group | Unreadable]) -> None:
        """Returns when every picture has ended. Raises Problem where nothing more can be sent."""
        left = iter(groups)
        watching = asyncio.create_task(self._follow())
        finishing = [asyncio.create_task(self._finish()) for _ in range(_FINISHERS)]
        sending = [asyncio.create_task(self._send(left)) for _ in range(self._terms.concurrency)]
        try:
            await _all_of(sending, watching, *finishing)
            await _all_of([asyncio.create_task(self._none_left())], watching, *finishing)
        finally:
            for task in (*sending, watching, *finishing):
                task.cancel()
            await asyncio.gather(*sending, watching, *finishing, return_exceptions=True)

    async def _follow(self) -> None:
        if self._terms.waits:
            await self._watch.run()
        await asyncio.Event().wait()  # a key that may only send may not watch

    async def _send(self, groups: Iterator[Group | Unreadable]) -> None:
        while (group := await self._next(groups)) is not None:
            if isinstance(group, Unreadable):
                error = fault("unreadable", "Not a file to send", group.why)
                self._audience.ended(Ended(group.source, group.source, NOT_SENT, error=error))
                continue
            await self._enter(len(group.pictures))
            told = await self._requests.send(group)
            await self._leave(len(group.pictures) - sum(isinstance(one, Taken) for one in told))
            for one in told:
                if isinstance(one, Refused):
                    self._audience.ended(_not_sent(one))
                elif self._terms.waits:
                    self._developing[one.job_id] = one, 0.0
                    self._watch.add(one.job_id)
                else:
                    self._audience.ended(_sent(one))
                    await self._leave(1)

    async def _next(self, groups: Iterator[Group | Unreadable]) -> Group | Unreadable | None:
        """Folders are read in a thread: a large or distant one takes its time."""
        async with self._reading:
            return await asyncio.to_thread(next, groups, None)

    def _hear(self, told: Told) -> None:
        found = self._developing.get(told["jobId"])
        if found is None:
            return
        taken, before = found
        if told["status"] in ENDED or told["status"] == UNKNOWN:
            self._audience.moved(1.0 - before)
            self._developing[taken.job_id] = taken, 1.0
            self._finished.put_nowait((taken, told))
        else:
            now = max(before, min(told.get("progress") or 0, 100) / 100)
            self._audience.moved(now - before)
            self._developing[taken.job_id] = taken, now

    async def _finish(self) -> None:
        while True:
            taken, told = await self._finished.get()
            ended = ended_of(self._service, taken, told)
            if self._results is not None and ended.is_good:
                ended = await self._with_files(self._results, taken, told, ended)
            self._developing.pop(taken.job_id, None)
            self._audience.ended(ended)
            await self._leave(1)

    async def _with_files(self, results: Results, taken: Taken, told: Told, ended: Ended) -> Ended:
        try:
            files = await results.fetch(taken.picture.target, told)
        except Problem as problem:
            if problem.may_pass:
                raise
            return replace(ended, error=problem.told())
        except (OSError, ValueError) as error:
            return replace(ended, error=fault("not_written", "Not written", str(error)))
        return replace(ended, files=tuple(map(str, files)))

    async def _enter(self, count: int) -> None:
        """Wait until there is room for so many; a group that is too large goes alone."""
        async with self._room:
            await self._room.wait_for(
                lambda: not self._unfinished or self._unfinished + count <= self._terms.in_flight
            )
            self._unfinished += count

    async def _leave(self, count: int) -> None:
        async with self._room:
            self._unfinished -= count
            self._room.notify_all()

    async def _none_left(self) -> None:
        async with self._room:
            await self._room.wait_for(lambda: not self._unfinished)


def ended_of(service: Service, taken: Taken, told: Told) -> Ended:
    """What the last word on a job says, its addresses in full."""
    variants = tuple(
        {**one, "url": service.absolute(one["url"])} for one in told.get("variants", ())
    )
    url = told.get("url")
    return Ended(
        source=taken.picture.source,
        name=taken.picture.name,
        status=told["status"],
        job_id=taken.job_id,
        batch_id=taken.batch_id,
        url=None if url is None else service.absolute(url),
        bytes_in=(told.get("original") or {}).get("bytes") or taken.picture.bytes,
        bytes_out=sum(one["bytes"] for one in variants),
        cached=bool(told.get("cached")),
        variants=variants,
        error=told.get("error"),
    )


def _sent(taken: Taken) -> Ended:
    picture = taken.picture
    return Ended(picture.source, picture.name, SENT, taken.job_id, taken.batch_id)


def _not_sent(refused: Refused) -> Ended:
    problem, picture = refused.problem, refused.picture
    if isinstance(problem, Problem):
        error = problem.told()
    elif isinstance(problem, FileChanged):
        error = fault("file_changed", "The file changed", str(problem))
    else:
        error = fault("unreadable", "Not readable", problem.strerror or str(problem))
    return Ended(picture.source, picture.name, NOT_SENT, bytes_in=picture.bytes, error=error)


async def _all_of(wanted: list["asyncio.Task[None]"], *others: "asyncio.Task[None]") -> None:
    """Until all of the wanted have ended; the first error of any comes out."""
    pending = set(wanted)
    try:
        while pending:
            done, _ = await asyncio.wait({*pending, *others}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            pending -= done
    finally:
        for task in pending:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*pending, return_exceptions=True)
