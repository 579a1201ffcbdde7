"""Answers that say no: every refusal and every unexpected error becomes problem+json (RFC 9457).

Who opens an address in a browser is shown a page that says the same.
"""

import errno
import random
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web
from redis.exceptions import OutOfMemoryError, RedisError

from server.edge.metrics.requests import BEGAN, IN_FLIGHT, InFlight
from server.edge.observed import REFUSED, watched
from server.edge.problem_page import HEADERS as PAGE_HEADERS
from server.edge.problem_page import problem_page, wants_page
from server.edge.reply import json_body
from server.jobs.counts.tally import Tally
from server.refusals import (
    BadRequest,
    DiskFull,
    MethodNotAllowed,
    NotFound,
    Refusal,
    TooLarge,
    Unavailable,
    Unexpected,
)
from server.storage.storage import StorageFailed

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = web.RequestKey("request_id", str)
TALLY = web.AppKey("tally", Tally)
# Refused for want of room, of quota or by a limit: what an operator can change something about.
_REJECTED = frozenset((413, 429, 503, 507))
# Whoever opens the address of an answer in a browser: it runs nothing and is nothing but JSON.
_HEADERS = {
    "Content-Type": "application/problem+json",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
_GOOD_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@web.middleware
async def tell_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost layer: gives the request an id, tells of its end, answers what goes wrong."""
    known_as = request_id(request)
    request[REQUEST_ID] = known_as
    request[BEGAN] = time.perf_counter()
    in_flight = request.app.get(IN_FLIGHT) or InFlight()
    with in_flight, watched(request, known_as) as watch:
        try:
            response = await handler(request)
        except Exception as error:
            if _is_too_late(request):
                watch.broke_off()
                raise _broken_off(request, error) from error
            response = error_response(request, error)
        if not response.prepared:
            response.headers["X-Request-Id"] = known_as
        watch.ended(response)
    return response


def error_response(request: web.Request, error: Exception) -> web.Response:
    """Any error as a response; what nobody foresaw is logged."""
    response = problem_response(request, _refusal(error))
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = error.headers["Allow"]
    return response


def problem_response(request: web.Request, refusal: Refusal, **more: Any) -> web.Response:
    """A refusal as a response; `more` are members of the problem beyond the usual."""
    problem: dict[str, Any] = {
        "type": f"/problems/{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": _sendable(refusal.detail),
        "limit": refusal.limit,
        "actual": refusal.actual,
        "requestId": request.get(REQUEST_ID) or request_id(request),
        **more,
    }
    headers = dict(_HEADERS)
    if request.path.startswith("/image/"):  # a no may be a yes soon: no cache keeps it
        headers |= {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "cross-origin"}
    headers |= refusal.headers
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    if wants_page(request):
        headers |= PAGE_HEADERS
        body = problem_page(problem).encode()
    else:
        body = json_body({key: value for key, value in problem.items() if value is not None})
    response = web.Response(body=body, status=refusal.status, headers=headers)
    _count(request, refusal)
    if request.can_read_body and not request.content.is_eof():
        response.force_close()  # what is left of the body is not read
    return response


def _count(request: web.Request, refusal: Refusal) -> None:
    request[REFUSED] = refusal.code
    tally = request.app.get(TALLY)
    if tally is not None:
        tally.ever.problems.add(str(refusal.status), refusal.code)
    if tally is not None and refusal.status in _REJECTED:
        tally.refused(refusal.code)
    elif tally is not None and refusal.status == 500:
        tally.went_wrong(refusal.code)


def request_id(request: web.Request) -> str:
    """What the client calls its request, or a name that no other has; it is no secret."""
    given = request.headers.get("X-Request-Id", "")
    return given if _GOOD_REQUEST_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"


def _sendable(text: str) -> str:
    """A header's bytes that are no UTF-8 become surrogates; JSON cannot carry those."""
    return text.encode(errors="replace").decode()


def _is_too_late(request: web.Request) -> bool:
    """Whether the head of a response has left, or there is nobody to send one to."""
    return request.writer.output_size > 0 or request.transport is None


def _broken_off(request: web.Request, error: Exception) -> ConnectionError:
    """What makes aiohttp close the connection, so that the client sees that it has not all."""
    if isinstance(error, ConnectionError | Refusal):
        log.info("the client went away", method=request.method, path=request.path)
    else:
        log.exception("a response was broken off")
    return ConnectionResetError("the response was broken off")


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, web.HTTPException):
        return _of_http(error)
    if isinstance(error, OutOfMemoryError):
        log.error("Redis is full", error=str(error))
        return Unavailable("Redis has no memory left for more jobs.", retry_after_s=30)
    if isinstance(error, RedisError):
        log.warning("Redis does not answer", error=str(error))
        return Unavailable("Redis does not answer.", retry_after_s=2)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        log.error("the disk is full", error=str(error))
        return DiskFull("The disk has no room left for this picture.")
    if isinstance(error, StorageFailed):
        log.error("the storage does not answer", error=str(error))
        return Unavailable("The storage does not answer.", retry_after_s=5)
    log.exception("unexpected error")
    return Unexpected("The log of the server has the reason under this requestId.")


def _of_http(error: web.HTTPException) -> Refusal:
    if error.status == 404:
        return NotFound("There is no such address.")
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(f"Use {', '.join(sorted(error.allowed_methods))}.")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return TooLarge("The body of the request is too large.")
    if 400 <= error.status < 500:
        return BadRequest(error.reason)
    raise error
