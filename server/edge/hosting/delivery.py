"""The bytes of a stored file as an answer: whole or a range of them, from memory, disk or bucket,
or by whom they are nearer to: a bucket's own address, or an nginx in front that reads our disk.
"""

from contextlib import aclosing
from typing import Literal
from urllib.parse import quote

from aiohttp import web

from server.config.hosting import HostingSettings
from server.config.storing import StorageSettings
from server.edge.hosting.byterange import ByteRange, NotSatisfiable, asked_range, is_known
from server.edge.hosting.hot import note_shown
from server.edge.problems import problem_response
from server.jobs.job import Variant
from server.refusals import Gone
from server.storage.hot import HotFiles
from server.storage.storage import Storage


class Delivery:
    """Answers with what lies in the storage, wherever that is."""

    def __init__(
        self,
        storage: Storage,
        settings: StorageSettings,
        *,
        hot: HotFiles | None = None,
        hosting: HostingSettings | None = None,
    ) -> None:
        """`hot`: small files in memory. `hosting`: what an nginx in front may do; None: nothing."""
        self._storage = storage
        self._hot = hot or HotFiles(storage, max_bytes=0, max_file_bytes=0)
        redirects = settings.delivery == "redirect" and storage.kind != "disk"
        self._redirect_s = settings.redirect_s if redirects else 0
        hosting = hosting or HostingSettings()
        self._accel_prefix = hosting.x_accel_prefix if storage.kind == "disk" else ""
        self._proxy_cache_s = hosting.proxy_cache_s

    async def answer(
        self, request: web.Request, variant: Variant, headers: dict[str, str]
    ) -> web.StreamResponse:
        """A file under `headers`, ETag and Vary among them; 304 where the client has it.

        Gone: the storage has it no more.
        """
        if self._proxy_cache_s and "immutable" in headers["Cache-Control"]:
            headers = headers | {"X-Accel-Expires": str(self._proxy_cache_s)}
        if is_known(request, headers["ETag"]):
            return web.Response(status=304, headers=headers)
        if self._redirect_s:
            return await self._redirect(request, variant, headers)
        try:
            asked = asked_range(request, variant.bytes, headers["ETag"])
        except NotSatisfiable as refusal:
            response = problem_response(request, refusal)
            response.headers["Content-Range"] = f"bytes */{variant.bytes}"
            return response
        if self._is_left_to_proxy(request, variant, headers):
            return self._leave_to_proxy(request, variant, headers)
        try:
            return await self._send(request, variant, asked, headers)
        except FileNotFoundError as error:
            raise Gone("The file of this picture is gone from the storage.") from error

    def _is_left_to_proxy(
        self, request: web.Request, variant: Variant, headers: dict[str, str]
    ) -> bool:
        """Whether the proxy shall read the file. What it may keep itself, it needs the bytes of."""
        if not self._accel_prefix or request.headers.get("X-Sendfile-Type") != "X-Accel-Redirect":
            return False
        return "X-Accel-Expires" not in headers or variant.bytes > self._hot.max_file_bytes

    def _leave_to_proxy(
        self, request: web.Request, variant: Variant, headers: dict[str, str]
    ) -> web.Response:
        """The proxy sends the file, whole or in parts; of what we say it takes over the headers."""
        own = ("X-Accel-Expires", "Accept-Ranges")  # of a file it says that by itself
        headers = {name: value for name, value in headers.items() if name not in own}
        headers["X-Accel-Redirect"] = self._accel_prefix + quote(variant.key)
        note_shown(request, variant, headers)
        return web.Response(headers=headers)

    async def _redirect(
        self, request: web.Request, variant: Variant, headers: dict[str, str]
    ) -> web.Response:
        """A cache may keep the answer for half of the time that the address is good."""
        method: Literal["GET", "HEAD"] = "HEAD" if request.method == "HEAD" else "GET"
        location = await self._storage.sign(method, variant.key, self._redirect_s)
        fresh = f"private, max-age={self._redirect_s // 2}"
        if "immutable" not in headers["Cache-Control"]:
            fresh = headers["Cache-Control"]
        kept = {name: headers[name] for name in ("Vary", "X-Request-Id") if name in headers}
        return web.Response(
            status=302, headers=kept | {"Location": location, "Cache-Control": fresh}
        )

    async def _send(
        self,
        request: web.Request,
        variant: Variant,
        asked: ByteRange | None,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        """Raises FileNotFoundError while nothing has been sent yet."""
        start, length = (asked.start, asked.length) if asked else (0, variant.bytes)
        status = 206 if asked else 200
        if asked:
            span = f"bytes {start}-{start + length - 1}/{variant.bytes}"
            headers = headers | {"Content-Range": span}
        content = self._hot.get(variant.key)
        if content is None and request.method == "HEAD":
            if await self._storage.head(variant.key) is None:
                raise FileNotFoundError(variant.key)
            response = web.StreamResponse(
                status=status, headers=headers | {"Content-Length": str(length)}
            )
            await response.prepare(request)
            return response
        if content is None and variant.bytes <= self._hot.max_file_bytes:
            content = await self._hot.read(variant.key, variant.bytes)
        if content is not None:
            if not asked:
                note_shown(request, variant, headers)
            body = content[start : start + length] if asked else content
            return web.Response(body=body, status=status, headers=headers)
        headers = headers | {"Content-Length": str(length)}
        return await self._stream(request, variant, (start, length), status, headers)

    async def _stream(
        self,
        request: web.Request,
        variant: Variant,
        part: tuple[int, int],
        status: int,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        start, length = part
        response = web.StreamResponse(status=status, headers=headers)
        pieces = self._storage.read(variant.key, start=start, length=length)
        async with aclosing(pieces):
            first = await anext(pieces)
            if len(first) == length:  # small enough: head and body leave in one piece
                return web.Response(body=first, status=status, headers=headers)
            await response.prepare(request)
            await response.write(first)
            async for piece in pieces:
                await response.write(piece)
        await response.write_eof()
        return response
