"""Follows jobs and batches until they have ended; brings their results, if asked to."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from server.cli.client.exits import DONE, GIVEN_UP, SOME_FAILED, STOPPED, WRONG
from server.cli.client.patience import Patience
from server.cli.client.problem import Problem
from server.cli.client.results import Results
from server.cli.client.session import Service
from server.cli.client.stopping import stop_by_signal
from server.cli.client.watching import ENDED, UNKNOWN, Picture, Watch
from server.cli.flags import complain
from server.cli.following.show import FollowShow
from server.cli.sending.pictures import Targets, safe

_GOOD = "completed"


@dataclass(frozen=True, slots=True)
class Following:
    """What to follow, and where results go; `output` None: nowhere."""

    server: str
    key: str | None
    ids: Sequence[str]
    output: Path | None
    force: bool
    patience_s: float


def follow(wanted: Following, show: FollowShow) -> int:
    """The exit code."""
    return asyncio.run(_Follower(wanted, show).run())


class _Follower:
    def __init__(self, wanted: Following, show: FollowShow) -> None:
        self._wanted = wanted
        self._show = show
        self._heard: asyncio.Queue[Picture] = asyncio.Queue()
        self._named = Targets()
        self._has_failed = False

    async def run(self) -> int:
        following = asyncio.create_task(self._follow())
        stop_by_signal(following)
        try:
            await following
        except asyncio.CancelledError:
            return STOPPED
        except Problem as problem:
            complain(str(problem))
            return GIVEN_UP if problem.may_pass else WRONG
        finally:
            self._show.end()
        return SOME_FAILED if self._has_failed else DONE

    async def _follow(self) -> None:
        wanted = self._wanted
        async with Service(wanted.server, wanted.key) as service:
            patience = Patience(wanted.patience_s, self._show.tell)
            results = None
            if wanted.output is not None:
                results = Results(service, patience, wanted.output, overwrites=wanted.force)
            watch = Watch(service, self._heard.put_nowait, patience_s=wanted.patience_s)
            for some_id in wanted.ids:
                await patience.ask(lambda some_id=some_id: _status(service, some_id))  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
                watch.add(some_id)
            self._show.begin(wanted.ids)
            watching = asyncio.create_task(watch.run())
            hearing = asyncio.create_task(self._hear(service, results))
            try:
                await asyncio.wait([watching, hearing], return_when=asyncio.FIRST_COMPLETED)
                if watching.done():
                    watching.result()
                hearing.result()
            finally:
                for task in (watching, hearing):
                    task.cancel()
                await asyncio.gather(watching, hearing, return_exceptions=True)

    async def _hear(self, service: Service, results: Results | None) -> None:
        left = set(self._wanted.ids)
        while left:
            picture = await self._heard.get()
            some_id = picture["jobId"]
            if some_id not in left:
                continue
            self._show.moved(picture)
            if picture["status"] in ENDED or picture["status"] == UNKNOWN:
                left.discard(some_id)
                await self._end(service, picture, results)

    async def _end(self, service: Service, picture: Picture, results: Results | None) -> None:
        if picture.get("type") != "batch":
            await self._end_job(picture, results)
            return
        async for job in _jobs_of(service, picture["jobId"]):
            await self._end_job(job, results)

    async def _end_job(self, job: Picture, results: Results | None) -> None:
        files: list[Path] = []
        fault: str | None = None
        if job["status"] != _GOOD:
            error = job.get("error") or {}
            fault = error.get("detail") or error.get("title") or job["status"]
        elif results is not None:
            target = self._named.of(safe(job.get("name") or job["jobId"]))
            try:
                files = await results.fetch(target, job)
            except (OSError, ValueError) as error:
                fault = str(error)
        self._has_failed |= fault is not None
        self._show.ended(job, fault, [str(path) for path in files])


async def _status(service: Service, some_id: str) -> dict[str, Any]:
    answer = await service.ask("GET", f"/status/{quote(some_id, safe='')}")
    body: dict[str, Any] = answer.body
    return body


async def _jobs_of(service: Service, batch_id: str) -> AsyncIterator[Picture]:
    """Page by page: a batch may be of any length."""
    path: str | None = f"/status/{quote(batch_id, safe='')}"
    while path is not None:
        page = (await service.ask("GET", path)).body
        for job in page["images"]:
            yield job
        path = page.get("next")
