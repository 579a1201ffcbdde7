"""POST /upload: pictures in, a result or a promise of one out."""

from dataclasses import dataclass

from aiohttp import web

from pool import Recipe
from server.config import Settings
from server.edge.access.client import client_of
from server.edge.access.idempotency import Idempotency, Turn
from server.edge.access.quota import Quotas
from server.edge.expect import ask_for_body
from server.edge.incoming.callbacks import Callbacks
from server.edge.incoming.form import read_form, refuse_too_large
from server.edge.incoming.keeping import Keeping, keeping
from server.edge.incoming.outcome import later_at, processing, settled, settled_job
from server.edge.prefer import Patience, patience
from server.edge.reply import reply
from server.intake.upload import Intake, Refused, Upload
from server.jobs.job import Job
from server.jobs.links import Links
from server.live.feed import Feed
from server.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for its pictures."""

    recipe: Recipe
    keeping: Keeping
    callback_url: str


class UploadHandler:
    """The way in for pictures that a client sends."""

    def __init__(
        self,
        intake: Intake,
        feed: Feed,
        settings: Settings,
        *,
        idempotency: Idempotency,
        quotas: Quotas,
        links: Links,
        callbacks: Callbacks,
    ) -> None:
        self._intake = intake
        self._feed = feed
        self._settings = settings
        self._idempotency = idempotency
        self._quotas = quotas
        self._links = links
        self._callbacks = callbacks

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        """`Expect: 100-continue`: say no before the client sends what would be refused."""
        return await ask_for_body(request, self._refuse_early(request))

    async def post(self, request: web.Request) -> web.StreamResponse:
        """One picture: wait a while for the result. Several: a batch at once."""
        await self._refuse_early(request)
        waits = self._settings.upload
        wait = patience(request, default_s=waits.sync_wait_s, longest_s=waits.max_wait_s)
        announce = self._feed.expect if wait.wait_s else None  # watched soon, if all goes well
        async with self._intake.upload(announce=announce) as upload:
            form = await read_form(request, upload, self._settings)
            wish = Wish(
                form.recipe(self._settings),
                keeping(form.fields, self._settings.images),
                await self._callbacks.asked(form.fields),
            )
            await upload.check(wish.recipe)
            if not upload.spooled:
                raise _none_taken(upload)
            await self._quotas.charge(request, upload.bytes)
            content = (sorted(form.fields.items()), upload.content)
            async with self._idempotency.turn(request, content) as turn:
                if isinstance(turn, web.Response):
                    return turn
                if upload.seen > 1 or upload.is_archive:
                    return await self._answer_batch(request, upload, wish, turn)
                return await self._answer_one(request, upload, wish, turn, wait)

    async def _refuse_early(self, request: web.Request) -> None:
        self._intake.refuse_if_closed()
        refuse_too_large(request, self._settings)
        await self._intake.queue.door.refuse_if_full()  # first: it costs nothing where it says no
        self._intake.storage.refuse_if_low(request.content_length or 0)

    async def _answer_batch(
        self, request: web.Request, upload: Upload, wish: Wish, turn: Turn
    ) -> web.Response:
        images = [{"imageId": one.job_id, "name": one.name} for one in upload.spooled]
        refused = [_refused(one) for one in upload.refused]

        def answer(batch_id: str | None) -> web.Response:
            body = {
                "status": "processing",
                "jobId": batch_id,
                "message": f"{len(images)} pictures are queued; watch /status/{batch_id}.",
                "images": images,
                "refused": refused,
            }
            return reply(body, status=202, headers=later_at(f"/status/{batch_id}"))

        batch_id = await upload.admit(
            wish.recipe,
            client=client_of(request),
            as_batch=True,
            private=wish.keeping.private,
            expires_in_s=wish.keeping.expires_in_s,
            callback_url=wish.callback_url,
            promise=lambda batch_id: turn.promise(answer(batch_id), is_final=True),
        )
        return answer(batch_id)

    async def _answer_one(
        self, request: web.Request, upload: Upload, wish: Wish, turn: Turn, wait: Patience
    ) -> web.Response:
        job_id, client = upload.spooled[0].job_id, client_of(request)
        later = processing(job_id, wait)
        promise = turn.promise(later, wait_s=wait.wait_s, is_final=wait.wait_s == 0)

        async def admit() -> None:
            await upload.admit(
                wish.recipe,
                client=client,
                as_batch=False,
                private=wish.keeping.private,
                expires_in_s=wish.keeping.expires_in_s,
                callback_url=wish.callback_url,
                promise=lambda _: promise,
            )

        if wait.wait_s == 0:
            await admit()
            if job_id not in upload.cached:
                return later
            found = await self._intake.queue.look(job_id)
            job = found if isinstance(found, Job) else None
        else:
            async with self._feed.watch(job_id) as mailbox:
                await admit()
                job = await settled_job(mailbox, wait.wait_s)
        answer = later if job is None else settled(request, job, self._links, wait)
        return await self._idempotency.keep(turn, answer)


def _none_taken(upload: Upload) -> Refusal:
    first = upload.refused[0]
    if upload.seen > 1:
        first.refusal.detail = (
            f"None of the {upload.seen} pictures can be taken; {first.name}: {first.refusal.detail}"
        )
    return first.refusal


def _refused(one: Refused) -> dict[str, object]:
    problem = {
        "type": f"/problems/{one.refusal.code}",
        "title": one.refusal.title,
        "status": one.refusal.status,
        "detail": one.refusal.detail,
    }
    return {"name": one.name, "problem": problem}
