"""Counts requests where aiohttp would log them: at their very end, whoever has answered.

So hot pictures, which no handler sees, are counted, and requests that are no HTTP. A route is the
pattern that fitted, never what was asked for.
"""

import logging
import time

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from server.counting import REQUEST_S, Counts, Durations

UNKNOWN = "unknown"
"""The route of all requests that none fits."""
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_OPEN_ENDED = frozenset(("/ws", "/events/{id}"))  # as long as somebody watches


class InFlight:
    """Requests that a handler is at: `with` counts one. Without a generator it costs a third."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0

    def __enter__(self) -> None:
        self.number += 1

    def __exit__(self, *error: object) -> None:
        self.number -= 1


BEGAN = web.RequestKey("began", float)
"""By time.perf_counter(), of what takes more than a moment; uvloop's own clock stands still while
the loop is busy."""
IN_FLIGHT = web.AppKey("in_flight", InFlight)


class RequestCounts:
    """Of one listener."""

    def __init__(self) -> None:
        self.answered = Counts("route", "method", "status", most=2000)
        self.durations = Durations("route", bounds=REQUEST_S)
        """Until the last byte was handed to the kernel; without WebSockets and event streams."""
        self.bytes_out = Counts("route")
        self.in_flight = InFlight()

    def ended(self, request: web.BaseRequest, response: web.StreamResponse, seconds: float) -> None:
        """An answer has left, or its client has; seconds: by the loop's clock."""
        route, status = _route(request), response.status
        method = request.method if request.method in _METHODS else "other"
        self.answered.add(route, method, str(status))
        self.bytes_out.add(route, amount=response.body_length)
        if route not in _OPEN_ENDED:
            began = request.get(BEGAN)
            taken_s = seconds if began is None else time.perf_counter() - began
            self.durations.add(taken_s, route)

    def logger_class(self) -> type[AbstractAccessLogger]:
        """What web.AppRunner takes as `access_log_class`, with `access_log=ACCESS`."""
        ended = self.ended

        class Logger(AbstractAccessLogger):
            def log(
                self, request: web.BaseRequest, response: web.StreamResponse, time: float
            ) -> None:
                ended(request, response, time)

        return Logger


ACCESS = logging.getLogger(__name__)
"""aiohttp asks for a logger before it tells of requests; nothing is written to it."""


def _route(request: web.BaseRequest) -> str:
    if not isinstance(request, web.Request):
        return UNKNOWN
    try:
        resource = request.match_info.route.resource
    except (AssertionError, AttributeError):  # it was no HTTP, so nothing was looked up
        return UNKNOWN
    return UNKNOWN if resource is None else resource.canonical
