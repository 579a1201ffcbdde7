"""One request's pictures on their way in: received, probed, stored, admitted, or gone again.

The order is what keeps the promise: bytes are safe in the storage before the job exists, and an
upload that ends without admission takes everything of it away.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from redis.exceptions import OutOfMemoryError
from structlog.contextvars import get_contextvars

from pool import (
    ChildDied,
    Fault,
    Header,
    Lane,
    Limits,
    NotStarted,
    ProbeTask,
    Recipe,
)
from server.intake.arriving import arrival, misfit
from server.intake.doubts import Doubts
from server.intake.passing import Passing
from server.intake.same import Sameness
from server.jobs.arrival import Arrival
from server.jobs.job import new_batch_id, new_job_id
from server.jobs.once import Promise
from server.jobs.queue import JobQueue
from server.jobs.running.dispatcher import Dispatcher
from server.jobs.source import Source
from server.jobs.trail.context import Traced
from server.jobs.trail.notebook import Notebook
from server.jobs.trail.spans import Tracer
from server.jobs.trail.way import CAME
from server.refusals import BadOptions, EmptyBody, Faulted, Refusal, Unavailable
from server.storage.spool import Spool, Spooled
from server.storage.storage import Storage, original_key
from server.storage.threads import to_its_end

log = structlog.get_logger(__name__)

_STORED_AT_ONCE = 4  # of one request


@dataclass(frozen=True, slots=True)
class Refused:
    """A picture of a request that was not taken, though others were."""

    name: str
    refusal: Refusal


class Intake:
    """What every way in needs: spool, storage, queue, and the probe that reads headers."""

    def __init__(
        self,
        *,
        spool: Spool,
        storage: Storage,
        queue: JobQueue,
        dispatcher: Dispatcher,
        probe: Lane,
        limits: Limits,
        budget_bytes: int,
        assets: Collection[str],
        sameness: Sameness,
        notebook: Notebook,
        tracer: Tracer | None = None,
    ) -> None:
        self.tracer = tracer
        self.spool = spool
        self.storage = storage
        self.queue = queue
        self.dispatcher = dispatcher
        self.limits = limits
        self.budget_bytes = budget_bytes
        self.assets = assets
        self.sameness = sameness
        self.notebook = notebook
        self.doubts = Doubts(queue=queue, storage=storage, spool=spool)
        """What may or may not have been admitted."""
        self.is_closed = False
        """Set while the server stops: nothing new is taken."""
        self._probe = probe

    @asynccontextmanager
    async def upload(
        self, *, announce: Callable[[str], Awaitable[object]] | None = None
    ) -> AsyncIterator["Upload"]:
        """Take pictures in; when this ends, those not admitted have left nothing behind.

        announce: is told the first one's id as soon as its bytes are here, whatever comes of it.
        """
        self.refuse_if_closed()
        upload = Upload(self, announce)
        try:
            yield upload
        finally:
            await upload.leave()

    def refuse_if_closed(self) -> None:
        """Say Unavailable while the server stops."""
        if self.is_closed:
            raise Unavailable("The server is stopping.", retry_after_s=5)

    async def read_header(self, spooled: Spooled) -> Header:
        """What the picture says of itself, or Faulted. Costs a probe process, not us."""
        ids = {name: str(value) for name, value in get_contextvars().items()}
        task = ProbeTask(path=str(spooled.path), limits=self.limits, log_ids=ids)
        try:
            found = await self._probe_twice(task, spooled.name)
        except ChildDied as error:
            raise Faulted("corrupt_image", "Its header cannot be read.") from error
        except NotStarted as error:
            raise Unavailable("The probe is starting again.", retry_after_s=1) from error
        if isinstance(found, Fault):
            raise refused(found)
        return found

    async def _probe_twice(self, task: ProbeTask, name: str) -> Header | Fault:
        """A probe may be killed from outside; a picture is blamed when the second dies on it."""
        try:
            return await self._probe.probe(task)
        except ChildDied as error:
            log.warning("the probe died on a picture", name=name, reason=str(error))
            return await self._probe.probe(task)


class Upload:
    """The pictures of one request."""

    def __init__(
        self, intake: Intake, announce: Callable[[str], Awaitable[object]] | None = None
    ) -> None:
        self._intake = intake
        self._announce = announce
        self._headers: dict[str, Header] = {}
        self._passing: dict[str, Passing] = {}
        self._sources: dict[str, Source] = {}
        self._in_doubt = False
        self._storing: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(_STORED_AT_ONCE)
        self.is_archive = False
        """Its pictures came in a ZIP, so that they are a batch even if there is only one."""
        self.spooled: list[Spooled] = []
        self.refused: list[Refused] = []
        self.bytes = 0
        """Of all pictures that came, taken or not."""
        self.content: list[tuple[str, str]] = []
        """Name and digest of all that came, to know the same request again."""
        self.cached: set[str] = set()
        """Jobs that were completed as they were admitted, by results that were there."""

    @property
    def seen(self) -> int:
        """How many pictures have come, taken or not."""
        return len(self.spooled) + len(self.refused)

    def workdir(self) -> AbstractAsyncContextManager[Path]:
        """An empty folder on the spool's disk for what is no picture; gone afterwards."""
        return self._intake.spool.workdir(new_job_id(), 0)

    def refuse_if_low(self, arriving_bytes: int = 0) -> None:
        """Say DiskFull when there is too little room for so much more."""
        self._intake.storage.refuse_if_low(arriving_bytes)

    async def receive(
        self, name: str, chunks: AsyncIterator[bytes], *, source: Source = Source.UPLOAD
    ) -> None:
        """Bring one picture into the spool and read its header; `refused` keeps what is wrong."""
        passing = Passing(CAME.get())
        try:
            spooled = await self._intake.spool.receive(new_job_id(), name, passing.watched(chunks))
        except EmptyBody as empty:
            self.content.append((name, ""))
            self.refused.append(Refused(name, empty))
            return
        await self._take(spooled, passing, source)

    async def adopt(self, job_id: str, name: str, path: Path, *, source: Source) -> None:
        """The same for a synced file that lies on the spool's disk whole, and stays there."""
        passing = Passing(CAME.get())
        spooled = await self._intake.spool.adopt(job_id, name, path)
        await self._take(spooled, passing, source)

    async def check(self, recipe: Recipe) -> None:
        """Refuse a recipe that names what is not here, then the pictures it cannot be made from."""
        _refuse_unknown_assets(recipe, self._intake.assets)
        for spooled in tuple(self.spooled):
            header = self._headers[spooled.job_id]
            limits, budget_bytes = self._intake.limits, self._intake.budget_bytes
            fault = misfit(header, recipe, limits, budget_bytes=budget_bytes)
            if fault is not None:
                await self._refuse(spooled, refused(fault))

    async def admit(
        self,
        recipe: Recipe,
        *,
        client: str,
        as_batch: bool,
        private: bool = False,
        expires_in_s: int | None = None,
        promise: Callable[[str | None], Promise | None] | None = None,
        brought: tuple[str, int] | None = None,
        callback_url: str = "",
    ) -> str | None:
        """Admit the jobs when their originals are stored, all or none; returns the batch's id.

        promise: makes, of the batch's id, what is kept under an Idempotency-Key with the jobs.
        brought: id and token of the presigned upload that ends with it.
        callback_url: is told of the end of the batch, or of the one job.

        `cached` has the jobs that are completed with it. The bytes are stored in any case, so that
        the time it takes does not tell who else has the picture.
        """
        batch_id = new_batch_id() if as_batch else None
        engines = self._intake.limits.engines
        kin = await self._intake.sameness.kin(recipe, client=client, private=private)
        arrivals = [
            replace(
                arrival(spooled, self._headers[spooled.job_id], recipe, kin, engines),
                private=private,
                expires_in_s=expires_in_s,
                source=self._sources[spooled.job_id],
            )
            for spooled in self.spooled
        ]
        for passing in self._passing.values():
            passing.storing()
        await self._store_all()
        arrivals = [replace(one, came=self._passing[one.job_id].text()) for one in arrivals]
        self._in_doubt = True  # until the answer is here, the jobs may exist or not
        try:
            admitted = await self._intake.dispatcher.admit(
                lambda room: self._intake.queue.admit(
                    arrivals,
                    client=client,
                    queue_class="bulk" if as_batch else "interactive",
                    batch_id=batch_id,
                    promise=promise and promise(batch_id),
                    brought=brought,
                    callback_url=callback_url,
                    room=room,
                )
            )
        except (Refusal, OutOfMemoryError):  # a full Redis refuses the script as a whole
            self._in_doubt = False
            raise
        self.cached = admitted.cached
        for spooled in self.spooled:
            self._intake.spool.discard(spooled.job_id)
            self._passing[spooled.job_id].tell(self._intake.queue.tally.ever)
        self._note_request()
        self._trace(arrivals, "bulk" if as_batch else "interactive")
        self.spooled = []
        return batch_id

    async def leave(self) -> None:
        """Tidy up what was not admitted; what is in doubt is looked at later."""
        if self._in_doubt:
            self._intake.doubts.note(spooled.job_id for spooled in self.spooled)
            return
        for spooled in self.spooled:
            await self._take_away(spooled)

    def format_of(self, spooled: Spooled) -> str:
        """What the probe found a picture to be: jpeg, png, heif ..."""
        return self._headers[spooled.job_id].format

    async def _take_away(self, spooled: Spooled) -> None:
        """A storage that fails is asked again later, like Redis about those in doubt."""
        job_id = spooled.job_id
        try:
            if (storing := self._storing.get(job_id)) is not None:
                # Or what is removed may come back.
                await to_its_end(asyncio.gather(storing, return_exceptions=True))
                await self._intake.storage.delete(original_key(job_id))
                del self._storing[job_id]
        except OSError as error:
            log.warning("an original is removed later", job_id=job_id, error=str(error))
            self._intake.doubts.note([job_id])
        else:
            self._intake.spool.discard(job_id)

    def _store(self, spooled: Spooled) -> None:
        """Begin with it; what is refused later is taken away."""
        if spooled.job_id not in self._storing:
            name = f"store original {spooled.job_id}"
            self._storing[spooled.job_id] = asyncio.create_task(self._put(spooled), name=name)

    async def _put(self, spooled: Spooled) -> None:
        async with self._turns:
            await self._intake.storage.put(original_key(spooled.job_id), spooled.path)

    async def _store_all(self) -> None:
        """When one cannot be stored, its error comes after all others have ended."""
        for spooled in self.spooled:
            self._store(spooled)
        storing = list(self._storing.values())
        await asyncio.wait(storing)
        for one in storing:
            one.result()

    def _trace(self, arrivals: Iterable[Arrival], queue_class: str) -> None:
        tracer = self._intake.tracer
        for one in arrivals if tracer is not None else ():
            root = Traced.from_text(one.trace)
            if root is not None and tracer is not None:
                tracer.arrived(root, one.job_id, one.came, queue_class=queue_class)

    def _note_request(self) -> None:
        came = CAME.get()
        head = came.head() if came is not None else None
        for spooled in self.spooled:
            self._intake.notebook.on(spooled.job_id).request = head

    async def _take(self, spooled: Spooled, passing: Passing, source: Source) -> None:
        self.content.append((spooled.name, spooled.digest))
        self.bytes += spooled.bytes
        self.spooled.append(spooled)
        self._passing[spooled.job_id] = passing
        self._sources[spooled.job_id] = source
        passing.spooled()
        if self._announce is not None and self.seen == 1:
            await self._announce(spooled.job_id)
        if self._intake.storage.is_near:  # while its header is read; most pictures are good
            self._store(spooled)
        try:
            self._headers[spooled.job_id] = await self._intake.read_header(spooled)
        except Faulted as faulted:
            await self._refuse(spooled, faulted)
        passing.probed()

    async def _refuse(self, spooled: Spooled, refusal: Refusal) -> None:
        await self._take_away(spooled)
        self.spooled.remove(spooled)
        self.refused.append(Refused(spooled.name, refusal))


def refused(fault: Fault) -> Faulted:
    """The probe's fault as an answer to the client."""
    return Faulted(fault.code, fault.detail, limit=fault.limit, actual=fault.actual)


def _refuse_unknown_assets(recipe: Recipe, known: Collection[str]) -> None:
    named = {
        "watermark.asset": recipe.watermark and recipe.watermark.asset,
        "text.font": recipe.text and recipe.text.font,
    }
    for path, name in named.items():
        if name is not None and name not in known:
            wanted = ", ".join(sorted(known)) or "none, since config.toml names no assets"
            raise BadOptions(f"{path}: expected one of {wanted}; got '{name}'.")
