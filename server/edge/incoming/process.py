"""POST /process: pictures that the service has already, or can fetch."""

from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.config import Settings
from server.edge.access.client import CALLER, client_of
from server.edge.access.idempotency import Idempotency, Turn
from server.edge.body import Body
from server.edge.incoming.callbacks import Callbacks
from server.edge.incoming.form import Form
from server.edge.incoming.keeping import keeping
from server.edge.incoming.lists import ListReader, read_query
from server.edge.incoming.outcome import job_outcome, later_at, processing
from server.edge.prefer import Patience, patience
from server.edge.reply import reply
from server.edge.whole import WholeNumber
from server.intake.lines import refusal_problem
from server.intake.ordering import Ordering
from server.intake.upload import Intake
from server.jobs.job import Job, new_batch_id
from server.jobs.links import Links
from server.jobs.urls import Order, Terms, UrlQueue
from server.live.feed import Feed
from server.refusals import BadRequest, Refusal, TooManyFiles, UnsupportedMedia

_MAX_QUOTED = 40


class ProcessWish(BaseModel):
    """What a JSON body may ask for: one of imageUrl, imageUrls and imageId."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    image_url: str | None = Field(None, alias="imageUrl")
    image_urls: list[str] | None = Field(None, alias="imageUrls")
    image_id: str | None = Field(None, alias="imageId")
    name: str = Field("", max_length=1000)
    options: dict[str, Any] | None = None
    preset: str | None = None
    private: bool = False
    expires_in: WholeNumber | None = Field(None, ge=1, alias="expiresIn")
    callback_url: str | None = Field(None, alias="callbackUrl")

    def form(self) -> Form:
        """The fields that every way in has, as text."""
        fields = {
            "options": None if self.options is None else orjson.dumps(self.options).decode(),
            "preset": self.preset,
            "private": "true" if self.private else None,
            "expiresIn": None if self.expires_in is None else str(self.expires_in),
            "callbackUrl": self.callback_url,
        }
        return Form({name: value for name, value in fields.items() if value is not None})


class ProcessHandler:
    """The way in for pictures that a client only names."""

    def __init__(
        self,
        intake: Intake,
        ordering: Ordering,
        urls: UrlQueue,
        feed: Feed,
        settings: Settings,
        *,
        idempotency: Idempotency,
        links: Links,
        callbacks: Callbacks,
    ) -> None:
        self._intake = intake
        self._ordering = ordering
        self._urls = urls
        self._feed = feed
        self._settings = settings
        self._idempotency = idempotency
        self._links = links
        self._callbacks = callbacks
        self._lists = ListReader(ordering, urls, intake, settings)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """One picture: wait for the result a while. Several: a batch. A stream: read in pieces."""
        media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type not in ("application/json", "application/x-ndjson"):
            raise UnsupportedMedia(
                "Send application/json with imageUrl, imageUrls or imageId, or one such object a"
                f" line as application/x-ndjson; got {media_type[:_MAX_QUOTED] or 'no type'}."
            )
        self._intake.refuse_if_closed()
        self._intake.storage.refuse_if_low()
        await self._urls.refuse_if_full()
        if media_type == "application/json":
            return await self._named(request)
        return await self._listed(request)

    async def _named(self, request: web.Request) -> web.StreamResponse:
        waits = self._settings.upload
        wait = patience(request, default_s=waits.sync_wait_s, longest_s=waits.max_wait_s)
        wish = await self._wish(request)
        terms = await self._terms(request, wish.form())
        orders, refused = await self._orders(request, wish)
        content = [wish.model_dump(mode="json")]
        async with self._idempotency.turn(request, content) as turn:
            if isinstance(turn, web.Response):
                return turn
            if len(orders) + len(refused) > 1:
                return await self._answer_batch(orders, refused, terms, turn)
            return await self._answer_one(request, orders[0], terms, turn, wait)

    async def _answer_batch(
        self, orders: list[Order], refused: list[dict[str, Any]], terms: Terms, turn: Turn
    ) -> web.Response:
        batch_id = new_batch_id()
        answer = {
            "status": "processing",
            "jobId": batch_id,
            "message": f"{len(orders)} pictures are queued; watch /status/{batch_id}.",
            "images": [{"imageId": one.job_id, "name": one.name} for one in orders],
            "refused": refused,
        }
        response = reply(answer, status=202, headers=later_at(f"/status/{batch_id}"))
        promise = turn.promise(response, is_final=True)
        waiting = await self._urls.admit(orders, terms, batch_id=batch_id, promise=promise)
        if waiting is not None:
            raise self._urls.full(waiting + len(orders))
        return response

    async def _answer_one(
        self, request: web.Request, order: Order, terms: Terms, turn: Turn, wait: Patience
    ) -> web.Response:
        promise = turn.promise(
            processing(order.job_id, wait), wait_s=wait.wait_s, is_final=wait.wait_s == 0
        )
        waiting = await self._urls.admit([order], terms, batch_id=None, promise=promise)
        if waiting is not None:
            raise self._urls.full(waiting + 1)
        response = await job_outcome(request, self._feed, self._links, order.job_id, wait)
        return await self._idempotency.keep(turn, response)

    async def _listed(self, request: web.Request) -> web.StreamResponse:
        terms = await self._terms(request, read_query(request))
        return await self._lists.read(request, terms, lambda job: self._may_use(request, job))

    async def _wish(self, request: web.Request) -> ProcessWish:
        body = Body(
            request.content,
            max_bytes=self._settings.fetch.max_body_bytes,
            stall_timeout_s=self._settings.upload.stall_timeout_s,
        )
        try:
            wish = ProcessWish.model_validate(orjson.loads(await body.whole()))
        except orjson.JSONDecodeError as error:
            raise BadRequest(f"Expected a JSON object, got something else: {error}") from error
        except ValidationError as error:
            raise BadRequest(_one_line(error)) from error
        if request.query:
            raise BadRequest("With application/json every field stands in the body; got a query.")
        return wish

    async def _terms(self, request: web.Request, form: Form) -> Terms:
        recipe = form.recipe(self._settings)
        async with self._intake.upload() as nothing_yet:
            await nothing_yet.check(recipe)  # what the recipe names is here
        kept = keeping(form.fields, self._settings.images)
        return Terms(
            client_of(request),
            recipe.canonical(),
            kept.private,
            kept.expires_in_s,
            await self._callbacks.asked(form.fields),
        )

    async def _orders(
        self, request: web.Request, wish: ProcessWish
    ) -> tuple[list[Order], list[dict[str, Any]]]:
        """What can be done, and what cannot; raises the first refusal when nothing can."""
        given = [wish.image_url is not None, wish.image_urls is not None, wish.image_id is not None]
        if sum(given) != 1:
            raise BadRequest("Expected imageUrl, imageUrls or imageId, one of them.")
        if wish.image_id is not None:
            asked = [self._ordering.of_image(wish.image_id, name=wish.name)]
            [(order, refusal)] = await self._ordering.with_images(
                asked, lambda job: self._may_use(request, job)
            )
            if refusal is not None:
                raise refusal
            return [order], []
        return self._of_urls(wish)

    def _of_urls(self, wish: ProcessWish) -> tuple[list[Order], list[dict[str, Any]]]:
        urls = [wish.image_url] if wish.image_url is not None else wish.image_urls or []
        limit = self._settings.fetch.max_urls
        if not urls:
            raise BadRequest("imageUrls: expected at least one URL.")
        if len(urls) > limit:
            raise TooManyFiles(
                f"One request may name {limit} URLs; send more as application/x-ndjson.",
                limit=limit,
                actual=len(urls),
            )
        orders, refused, first = [], [], None
        for index, url in enumerate(urls):
            try:
                orders.append(self._ordering.of_url(url, name=wish.name))
            except Refusal as refusal:
                first = first or refusal
                problem = refusal_problem(refusal)
                name = url[: 2 * _MAX_QUOTED]
                refused.append({"index": index, "name": name, "problem": problem})
        if not orders and first is not None:
            raise first
        return orders, refused

    def _may_use(self, request: web.Request, job: Job) -> bool:
        """Whether a picture that is here may be worked on: a private one by its owner alone."""
        if not job.private and self._settings.auth.public_images:
            return True
        caller = request.get(CALLER)
        return client_of(request) == job.client if caller is None else caller.owns(job.client)


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])[:_MAX_QUOTED]
    if first["type"] == "extra_forbidden":
        known = ", ".join(str(one.alias or name) for name, one in ProcessWish.model_fields.items())
        return f"There is no field '{path}'; known are {known}."
    return f"{path or 'body'}: {first['msg'].lower()}."
