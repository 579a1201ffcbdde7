"""Each request as it is watched: its id and its trace for all that is told on its behalf, the line
about its end, and its span.

Answers that repeat a hot picture (server/edge/hosting/hot.py) do not pass here: there, every
microsecond counts.
"""

import time
from ipaddress import ip_address, ip_network

import structlog
from aiohttp import web

from server.edge.access.client import client_of
from server.edge.shown import shown
from server.jobs.trail.context import Traced
from server.jobs.trail.spans import Kind, Span, Tracer
from server.jobs.trail.way import CAME, Came, now_ms

log = structlog.get_logger("server.edge.request")

LOG_CLIENT = web.AppKey("log_client", str)
"""How a client is told in logs and traces: full, masked or none."""
TRACER = web.AppKey("tracer", Tracer)
REFUSED = web.RequestKey("refused", str)
"""Code of the refusal that is the answer."""

_LONGEST = 160
_DEBUG = 10
_UNTRACED = frozenset(("/livez", "/readyz", "/health", "/metrics", "/web/{path}"))
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Watch:
    """One request, from its head to its end."""

    def __init__(self, request: web.Request, request_id: str) -> None:
        self._request = request
        self._request_id = request_id
        self._at_ms, self._started = now_ms(), time.perf_counter()
        self.route = pattern_of(request)
        self._parent_id = ""
        self.trace: Traced | None = None
        tracer = request.app.get(TRACER)
        if tracer is not None and self.route not in _UNTRACED:
            given = request.headers.get("traceparent", "")
            self.trace, self._parent_id = tracer.begin(given)

    @property
    def came(self) -> Came:
        """For whoever takes something in."""
        request = self._request
        traced = self.trace.text if self.trace is not None else ""
        return Came(self._at_ms, lambda: shown(request), self._request_id, traced)

    @property
    def bound(self) -> dict[str, str]:
        """The fields of every line that is written meanwhile."""
        if self.trace is None:
            return {"request_id": self._request_id}
        return {"request_id": self._request_id, "trace_id": self.trace.trace_id}

    def ended(self, response: web.StreamResponse) -> None:
        """The answer is ready, or, of a stream, has been sent."""
        self._tell_log(response)
        if self.trace is not None:
            self._tell_trace(response)

    def broke_off(self) -> None:
        """An answer has begun, and nobody will have all of it."""
        if self.trace is not None:
            self._tell_trace(None)

    def _tell_log(self, response: web.StreamResponse) -> None:
        request, status = self._request, response.status
        # Reads are many and tell little; what changes something, or fails, is the story.
        if request.method == "GET" and status < 400 and not log.is_enabled_for(_DEBUG):
            return
        said = {
            "method": request.method,
            "route": self.route,
            "path": _short(request.path),
            "status": status,
            "taken_ms": round((time.perf_counter() - self._started) * 1000, 1),
            "bytes_in": request.content.total_bytes,
            "bytes_out": _length(response),
        }
        if client := _client(request):
            said["client"] = client
        if code := request.get(REFUSED):
            said["code"] = code
        if status >= 500:
            log.warning("request", **said)
        elif request.method == "GET" and status < 400:
            log.debug("request", **said)
        else:
            log.info("request", **said)

    def _tell_trace(self, response: web.StreamResponse | None) -> None:
        request, tracer = self._request, self._request.app[TRACER]
        assert self.trace is not None
        method = request.method if request.method in _METHODS else "_OTHER"
        about: dict[str, str | int | float] = {
            "http.request.method": method,
            "url.path": _short(request.path),
            "url.scheme": request.scheme,
            "network.protocol.version": f"{request.version.major}.{request.version.minor}",
            "safelight.request_id": self._request_id,
        }
        if self.route:
            about["http.route"] = self.route
        if client := _client(request):
            about["safelight.client"] = client
        if agent := request.headers.get("User-Agent"):
            about["user_agent.original"] = _short(agent)
        error = "broken_off"
        if response is not None:
            about["http.response.status_code"] = response.status
            about["http.response.body.size"] = _length(response)
            error = (request.get(REFUSED) or str(response.status)) if response.status >= 500 else ""
        span = Span(
            name=f"{method} {self.route}" if self.route else method,
            kind=Kind.SERVER,
            traced=self.trace,
            parent_id=self._parent_id,
            start_ms=self._at_ms,
            end_ms=now_ms(),
            about=about,
            error=error,
        )
        tracer.end(span)


class watched:
    """Whatever is told in this context is told on behalf of the request.

    No generator: that would cost twice as much.
    """

    __slots__ = ("_bound", "_came", "_watch")

    def __init__(self, request: web.Request, request_id: str) -> None:
        self._watch = Watch(request, request_id)

    def __enter__(self) -> Watch:
        self._came = CAME.set(self._watch.came)
        self._bound = structlog.contextvars.bind_contextvars(**self._watch.bound)
        return self._watch

    def __exit__(self, *error: object) -> None:
        structlog.contextvars.reset_contextvars(**self._bound)
        CAME.reset(self._came)  # or an idle connection would keep its last request


def pattern_of(request: web.Request) -> str:
    """The row of the route table that a request came by, without its method; "" for none."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def masked(client: str) -> str:
    """Of an address the network; a key's name, which has neither dot nor colon, as it is."""
    try:
        address = ip_address(client.partition("/")[0])
    except ValueError:
        return client
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


def _client(request: web.Request) -> str:
    how = request.app.get(LOG_CLIENT, "full")
    if how == "none":
        return ""
    client = client_of(request)
    return masked(client) if how == "masked" else client


def _length(response: web.StreamResponse) -> int:
    """Of the body; of one that is still to be sent what its head will say."""
    return response.body_length if response.prepared else response.content_length or 0


def _short(text: str) -> str:
    whole = text.encode(errors="replace").decode()
    return whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}…"
