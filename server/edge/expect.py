"""`Expect: 100-continue`: say no before the client sends what would be refused."""

from collections.abc import Awaitable

from aiohttp import web
from redis.exceptions import RedisError

from server.edge.problems import error_response
from server.refusals import Refusal


async def ask_for_body(
    request: web.Request, refusing: Awaitable[None]
) -> web.StreamResponse | None:
    """Await what may refuse; its refusal as the answer, or None when the body was asked for."""
    try:
        await refusing
    except (Refusal, RedisError, OSError) as error:  # no middleware runs around this one
        return error_response(request, error)
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0
    return None
