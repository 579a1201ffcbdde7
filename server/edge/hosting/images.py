"""GET and HEAD /image/{id} and /image/{id}/{variant or preset}: results, as caches like them."""

from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from pool import Recipe
from server.edge.access.sign import PRIVATE_HEADERS, Doorman, no_picture
from server.edge.hosting.delivery import Delivery
from server.edge.hosting.derive import Derive
from server.edge.hosting.derive_wish import DerivedWish, wish_of, words_of
from server.edge.hosting.disposition import disposition
from server.edge.hosting.hot import FILE_OF, IS_LASTING
from server.edge.hosting.negotiate import MEDIA_TYPES, Choice, choose, has, lacking
from server.edge.problems import REQUEST_ID, problem_response
from server.jobs.heads import Heads
from server.jobs.job import Batch, Job, JobState
from server.refusals import (
    BadRequest,
    BeingMade,
    Gone,
    NotFound,
    NotReady,
    PresetsOnly,
    SignatureMissing,
)

# A result never changes under its address; nothing in it may run, whoever embeds it.
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


class ImageHandler:
    """Hosts results, and lets those be made that nobody has asked for before."""

    def __init__(
        self,
        heads: Heads,
        delivery: Delivery,
        doorman: Doorman,
        *,
        derive: Derive,
        presets: Mapping[str, Recipe],
        presets_only: bool,
        stand_in_s: int,
    ) -> None:
        """presets: what may be made on first ask by its name. stand_in_s: how long caches may keep
        what is shown while something better is being made.
        """
        self._heads = heads
        self._doorman = doorman
        self._delivery = delivery
        self._derive = derive
        self._presets = {name: DerivedWish.of(recipe) for name, recipe in presets.items()}
        self._presets_only = presets_only
        self._stand_in_headers = {"Cache-Control": f"public, max-age={stand_in_s}"}

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The picture, a part of it, or 304; one that is being made can be watched by its job."""
        try:
            return await self._shown(request)
        except BeingMade as refusal:
            return problem_response(request, refusal, jobId=refusal.job_id)

    async def _shown(self, request: web.Request) -> web.StreamResponse:
        picture, chosen = await self._chosen(request)
        variant = chosen.variant
        if chosen.file_of != picture.job_id:
            request[FILE_OF] = chosen.file_of
        etag = f'"{variant.digest[:32]}"'
        headers = _HEADERS | {
            "ETag": etag,
            "Content-Type": MEDIA_TYPES[variant.format],
            "X-Request-Id": request[REQUEST_ID],
            **chosen.headers(),
            **(self._stand_in_headers if chosen.is_stand_in else {}),
            **(PRIVATE_HEADERS if self._doorman.is_hidden(picture) else {}),
        }
        if "download" in request.query:
            wanted = request.query["download"]
            headers["Content-Disposition"] = disposition(wanted, picture.name, variant.format)
        return await self._delivery.answer(request, variant, headers)

    async def _chosen(self, request: web.Request) -> tuple[Job, Choice]:
        """The picture that is asked for, and the file that is shown of it."""
        image_id, name = request.match_info["id"], request.match_info.get("variant")
        wish = self._wish(request, name)
        if wish is None:
            picture = job = self._completed(request, image_id, await self._heads.look(image_id))
        else:
            found = await self._derive.look(image_id, wish.name)
            picture = job = self._completed(request, image_id, found.picture)
            if name is None or not has(picture, name):
                _refuse_chain(picture)
                job, name = await self._derive.made(picture, wish, found.made), None
        accept = ",".join(request.headers.getall("Accept", ()))
        return picture, await self._file(request, job, name, accept)

    async def _file(self, request: web.Request, job: Job, name: str | None, accept: str) -> Choice:
        """The file of a job; a format of it that is made on ask, or what stands in for it."""
        lack = lacking(job, name, accept)
        if lack is None:
            return choose(job, name, accept, presets=tuple(self._presets))
        may_begin = request.method == "GET"
        made = await self._derive.in_format(job, lack, may_begin=may_begin)
        if made is not None:
            is_negotiated = not lack.is_named
            return Choice(made.variants[0], job.job_id, is_negotiated, file_of=made.job_id)
        return replace(choose(job, name, accept), is_negotiated=True, is_stand_in=True)

    def _wish(self, request: web.Request, name: str | None) -> DerivedWish | None:
        """What has to be made, if it is not there; words of the query count only if signed."""
        words = words_of(request.query) if request.query else {}
        if not words:
            return self._presets.get(name) if name is not None else None
        if name is not None:
            raise BadRequest(
                f"{', '.join(words)}: expected them at /image/{{id}}; a variant or preset is as"
                " its recipe says."
            )
        if not self._doorman.is_signed(request):
            raise SignatureMissing(
                f"{', '.join(words)}: an address with these is taken if it is signed. Its owner"
                ' signs it by POST /image/{id}/sign with {"parameters": …}, or by `safelight sign`.'
            )
        if self._presets_only:
            raise PresetsOnly("Only presets are made here: /image/{id}/{preset}.")
        if "expires" not in request.query:
            request[IS_LASTING] = True
        return wish_of(words)

    def _completed(self, request: web.Request, image_id: str, job: Job | Batch | None) -> Job:
        if job is None or isinstance(job, Batch):
            raise no_picture(image_id)
        self._doorman.refuse_stranger(request, job)
        if job.status is JobState.EXPIRED:
            raise Gone("The picture has expired.")
        if job.status is not JobState.COMPLETED:
            raise NotReady(f"The job of this picture is {job.status}; see /status/{image_id}.")
        return job


def _refuse_chain(picture: Job) -> None:
    """What was made of a picture is no original: there would be no end of things made of things."""
    if picture.picture_id is not None:
        raise NotFound(
            "This was made of another picture when that was asked for; presets and parameters are"
            " for that one."
        )
