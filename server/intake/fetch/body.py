"""The bytes of an answer as they come, unpacked where a server packs them though not asked to."""

import asyncio
import zlib
from collections.abc import AsyncIterator

from aiohttp import ClientResponse

from server.intake.fetch.faults import FetchFailed

# A bomb grows a thousandfold: it is unpacked in steps of this size, and whoever counts can stop it.
_STEP_BYTES = 128 * 1024
# Of zlib: with the head of gzip, of zlib itself, or of neither.
_GZIP, _ZLIB, _RAW = 31, 15, -15


async def decoded(response: ClientResponse) -> AsyncIterator[bytes]:
    """What the answer carries. Raises FetchFailed for a coding that nobody asked for."""
    codings = [
        one.strip().lower() for one in response.headers.get("Content-Encoding", "").split(",")
    ]
    asked = [one for one in codings if one not in ("", "identity")]
    chunks = response.content.iter_chunked(_STEP_BYTES)
    if not asked:
        async for chunk in chunks:
            yield chunk
    elif asked in (["gzip"], ["x-gzip"], ["deflate"]):
        async for chunk in _inflated(chunks, is_gzip="gzip" in asked[0]):
            yield chunk
    else:
        detail = "The server packs what it sends in a way that is not taken; expected none or gzip."
        raise FetchFailed("fetch_failed", detail)


async def _inflated(chunks: AsyncIterator[bytes], *, is_gzip: bool) -> AsyncIterator[bytes]:
    unpacker = zlib.decompressobj(_GZIP) if is_gzip else None
    async for chunk in chunks:
        if unpacker is None:  # half the world's "deflate" has no head
            unpacker = zlib.decompressobj(_ZLIB if _has_zlib_head(chunk) else _RAW)
        packed = chunk
        while packed and not unpacker.eof:
            try:
                unpacked = unpacker.decompress(packed, _STEP_BYTES)
            except zlib.error as error:
                raise FetchFailed("fetch_failed", "What the server packed is damaged.") from error
            packed = unpacker.unconsumed_tail
            if unpacked:
                yield unpacked
            await asyncio.sleep(0)  # unpacking is work, and others wait for the loop
    if unpacker is not None and not unpacker.eof:
        detail = "The connection ended before the picture did."
        raise FetchFailed("fetch_failed", detail, may_recover=True)


def _has_zlib_head(chunk: bytes) -> bool:
    return len(chunk) >= 2 and chunk[0] & 0x0F == 8 and (chunk[0] << 8 | chunk[1]) % 31 == 0
