"""The bytes of a stored file as an answer: whole, a range of them, or where the bucket has them."""

from contextlib import aclosing
from typing import Literal

from aiohttp import web

from server.config.storing import StorageSettings
from server.edge.byterange import ByteRange, NotSatisfiable, asked_range
from server.edge.problems import problem_response
from server.jobs.job import Variant
from server.refusals import Gone
from server.storage.storage import Storage


class Delivery:
    """Answers with what lies in the storage, wherever that is."""

    def __init__(self, storage: Storage, settings: StorageSettings) -> None:
        self._storage = storage
        redirects = settings.delivery == "redirect" and storage.kind != "disk"
        self._redirect_s = settings.redirect_s if redirects else 0

    async def answer(
        self, request: web.Request, variant: Variant, headers: dict[str, str]
    ) -> web.StreamResponse:
        """A file under `headers`, ETag and Vary among them. Gone: the storage has it no more."""
        if self._redirect_s:
            return await self._redirect(request, variant, headers)
        try:
            asked = asked_range(request, variant.bytes, headers["ETag"])
        except NotSatisfiable as refusal:
            response = problem_response(request, refusal)
            response.headers["Content-Range"] = f"bytes */{variant.bytes}"
            return response
        try:
            return await _send(request, self._storage, variant, asked, headers)
        except FileNotFoundError as error:
            raise Gone("The file of this picture is gone from the storage.") from error

    async def _redirect(
        self, request: web.Request, variant: Variant, headers: dict[str, str]
    ) -> web.Response:
        """A cache may keep the answer for half of the time that the address is good."""
        method: Literal["GET", "HEAD"] = "HEAD" if request.method == "HEAD" else "GET"
        location = await self._storage.sign(method, variant.key, self._redirect_s)
        fresh = f"private, max-age={self._redirect_s // 2}"
        if "no-store" in headers["Cache-Control"]:
            fresh = headers["Cache-Control"]
        kept = {name: headers[name] for name in ("Vary", "X-Request-Id") if name in headers}
        return web.Response(
            status=302, headers=kept | {"Location": location, "Cache-Control": fresh}
        )


async def _send(
    request: web.Request,
    storage: Storage,
    variant: Variant,
    asked: ByteRange | None,
    headers: dict[str, str],
) -> web.StreamResponse:
    start, length = (asked.start, asked.length) if asked else (0, variant.bytes)
    status = 206 if asked else 200
    headers = headers | {"Content-Length": str(length)}
    if asked:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{variant.bytes}"
    response = web.StreamResponse(status=status, headers=headers)
    if request.method == "HEAD":
        if await storage.head(variant.key) is None:
            raise FileNotFoundError(variant.key)
        await response.prepare(request)
        return response
    async with aclosing(storage.read(variant.key, start=start, length=length)) as pieces:
        first = await anext(pieces)
        if len(first) == length:  # small enough: head and body leave in one piece
            return web.Response(body=first, status=status, headers=headers)
        await response.prepare(request)
        await response.write(first)
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response
