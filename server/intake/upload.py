"""One request's pictures on their way in: received, probed, stored, admitted, or gone again.

The order is what keeps the promise: bytes are safe in the storage before the job exists, and an
upload that ends without admission takes everything of it away.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from redis.exceptions import OutOfMemoryError, RedisError

from pool import (
    ChildDied,
    Fault,
    Header,
    Lane,
    Limits,
    NotStarted,
    ProbeTask,
    Recipe,
    group_kind,
    memory_bytes,
    refusal,
)
from server.jobs.job import new_batch_id, new_job_id
from server.jobs.queue import Arrival, JobQueue
from server.refusals import BadOptions, EmptyBody, Faulted, Refusal, Unavailable
from server.storage.spool import Spool, Spooled
from server.storage.storage import Storage, original_key

log = structlog.get_logger(__name__)

_DOUBT_EVERY_S = 5.0


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
        probe: Lane,
        limits: Limits,
        budget_bytes: int,
        assets: Collection[str],
    ) -> None:
        self.spool = spool
        self.storage = storage
        self.queue = queue
        self.limits = limits
        self.budget_bytes = budget_bytes
        self.assets = assets
        self.is_closed = False
        """Set while the server stops: nothing new is taken."""
        self._probe = probe
        self._doubtful: set[str] = set()

    @asynccontextmanager
    async def upload(self) -> AsyncIterator["Upload"]:
        """Take pictures in; when this ends, those not admitted have left nothing behind."""
        self.refuse_if_closed()
        upload = Upload(self)
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
        task = ProbeTask(path=str(spooled.path), limits=self.limits)
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

    async def sweep_leftovers(self) -> None:
        """After a crash: what was coming in either became a job or leaves nothing behind."""
        leftovers = self.spool.leftovers()
        for job_id in await self._without_job(leftovers):
            await self._forget(job_id)
        if leftovers:
            log.info("swept half-done uploads", uploads=len(leftovers))

    def doubt(self, job_ids: Iterable[str]) -> None:
        """Redis did not answer whether these were admitted; `run` asks again later."""
        self._doubtful.update(job_ids)

    async def run(self) -> None:
        """Settle doubts for as long as the process lives."""
        missed: set[str] = set()
        while True:
            await asyncio.sleep(_DOUBT_EVERY_S)
            if not self._doubtful:
                continue
            try:
                missed = await self._settle_doubts(missed)
            except (RedisError, OSError) as error:
                log.warning("uploads are still in doubt", error=str(error))

    async def _settle_doubts(self, missed_before: set[str]) -> set[str]:
        """An admission may still be on its way: only who is missed twice was not admitted."""
        missed = await self._without_job(sorted(self._doubtful))
        for job_id in missed & missed_before:
            await self._forget(job_id)
        self._doubtful &= missed - missed_before
        return missed - missed_before

    async def _without_job(self, job_ids: list[str]) -> set[str]:
        """Those of which there is no job; the others' incoming files are done with."""
        jobs = await self.queue.look_all(job_ids)
        missed = {job_id for job_id, job in zip(job_ids, jobs, strict=True) if job is None}
        for job_id in set(job_ids) - missed:
            self.spool.discard(job_id)
        return missed

    async def _forget(self, job_id: str) -> None:
        await self.storage.delete(original_key(job_id))
        self.spool.discard(job_id)


class Upload:
    """The pictures of one request."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._headers: dict[str, Header] = {}
        self._in_doubt = False
        self.spooled: list[Spooled] = []
        self.refused: list[Refused] = []

    @property
    def seen(self) -> int:
        """How many pictures have come, taken or not."""
        return len(self.spooled) + len(self.refused)

    async def receive(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Bring one picture into the spool and read its header; `refused` keeps what is wrong."""
        try:
            spooled = await self._intake.spool.receive(new_job_id(), name, chunks)
        except EmptyBody as empty:
            self.refused.append(Refused(name, empty))
            return
        self.spooled.append(spooled)
        try:
            self._headers[spooled.job_id] = await self._intake.read_header(spooled)
        except Faulted as faulted:
            self._refuse(spooled, faulted)

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe that names what is not here, then the pictures it cannot be made from."""
        _refuse_unknown_assets(recipe, self._intake.assets)
        for spooled in tuple(self.spooled):
            header = self._headers[spooled.job_id]
            fault = refusal(header, recipe, self._intake.limits) or self._too_costly(header, recipe)
            if fault is not None:
                self._refuse(spooled, refused(fault))

    async def admit(self, recipe: Recipe, *, client: str, as_batch: bool) -> str | None:
        """Store the originals and admit their jobs, all or none; returns the batch's id."""
        batch_id = new_batch_id() if as_batch else None
        arrivals = [self._arrival(spooled, recipe) for spooled in self.spooled]
        for spooled in self.spooled:
            await self._intake.storage.put(original_key(spooled.job_id), spooled.path)
        self._in_doubt = True  # until the answer is here, the jobs may exist or not
        try:
            await self._intake.queue.admit(
                arrivals,
                client=client,
                queue_class="bulk" if as_batch else "interactive",
                batch_id=batch_id,
            )
        except (Refusal, OutOfMemoryError):  # a full Redis refuses the script as a whole
            self._in_doubt = False
            raise
        for spooled in self.spooled:
            self._intake.spool.discard(spooled.job_id)
        self.spooled = []
        return batch_id

    async def leave(self) -> None:
        """Tidy up what was not admitted; what is in doubt is looked at later."""
        if self._in_doubt:
            self._intake.doubt(spooled.job_id for spooled in self.spooled)
            return
        for spooled in self.spooled:
            await self._intake.storage.delete(original_key(spooled.job_id))
            self._intake.spool.discard(spooled.job_id)

    def _too_costly(self, header: Header, recipe: Recipe) -> Fault | None:
        budget_bytes, needed = self._intake.budget_bytes, memory_bytes(header, recipe)
        if needed <= budget_bytes:
            return None
        detail = f"About {needed} bytes of memory would be needed, there are {budget_bytes}."
        return Fault("needs_too_much_memory", detail, limit=budget_bytes, actual=needed)

    def _refuse(self, spooled: Spooled, refusal: Refusal) -> None:
        self._intake.spool.discard(spooled.job_id)
        self.spooled.remove(spooled)
        self.refused.append(Refused(spooled.name, refusal))

    def _arrival(self, spooled: Spooled, recipe: Recipe) -> Arrival:
        header = self._headers[spooled.job_id]
        return Arrival(
            job_id=spooled.job_id,
            name=spooled.name,
            recipe=recipe.canonical(),
            original_key=original_key(spooled.job_id),
            original_bytes=spooled.bytes,
            original_format=header.format,
            width=header.width,
            height=header.height,
            cost_bytes=memory_bytes(header, recipe),
            group=group_kind(header, recipe),
            digest=spooled.digest,
        )


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
