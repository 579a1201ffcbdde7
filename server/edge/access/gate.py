"""Who may do what: an API key, its scopes, and the table of what each route needs.

Runs before every handler. Whose job it is that is asked for, the handlers look at themselves.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from hashlib import sha256
from ipaddress import ip_address

import structlog
from aiohttp import web
from redis.exceptions import RedisError

from server.config import Settings, SettingsError
from server.config.access import AuthSettings, Scope
from server.edge.access.client import CALLER, Caller, address_of
from server.edge.access.cors import Cors
from server.edge.access.quota import Quotas
from server.edge.access.sign import Doorman
from server.edge.problems import error_response
from server.jobs.queue import JobQueue
from server.refusals import (
    BadRequest,
    KeyMissing,
    KeyWrong,
    NotFound,
    Refusal,
    ScopeMissing,
    TooManyWrongKeys,
)

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Expecting = Callable[[web.Request], Awaitable[web.StreamResponse | None]]

# Open to all: what says nothing of anybody's pictures.
_ANYONE = ""
# The handler looks by itself at what the request brings: a token of its own, or a signed URL.
_ITSELF = "itself"
# Pictures are looked at without a key, unless they are private or auth.public_images is false.
_LOOK = "look"

# What each route needs; one that is missing here needs `admin`.
NEEDS: Mapping[str, str] = {
    "POST /upload": "upload",
    "POST /process": "upload",
    "POST /uploads": "upload",
    "PUT /uploads/{id}": _ITSELF,
    "POST /uploads/{id}/complete": "upload",
    "POST /hooks/storage": _ITSELF,
    "OPTIONS /files": _ANYONE,
    "OPTIONS /files/{id}": _ANYONE,
    "POST /files": "upload",
    "POST /files/{id}": "upload",
    "GET /files/{id}": "upload",
    "PATCH /files/{id}": "upload",
    "DELETE /files/{id}": "upload",
    "GET /status/{id}": "read",
    "GET /job/{id}": "read",
    "GET /job/{id}/trace": "read",
    "GET /events/{id}": "read",
    "GET /ws": "read",
    "GET /batch/{id}/zip": "read",
    "POST /zip": "read",
    "DELETE /job/{id}": "upload",
    "POST /job/{id}/retry": "upload",
    "GET /jobs": "read",
    "GET /jobs.csv": "read",
    "GET /jobs.ndjson": "read",
    "GET /image/{id}": _LOOK,
    "GET /image/{id}/{variant}": _LOOK,
    "POST /image/{id}/sign": "read",
    "DELETE /image/{id}": "upload",
    "GET /webhooks/secret": "upload",
    "GET /webhooks/deliveries": "admin",
    "GET /webhooks/deliveries/{id}": "admin",
    "POST /webhooks/deliveries/{id}/replay": "admin",
    "GET /webhooks/endpoints": "admin",
    "POST /webhooks/endpoints/{name}/enable": "admin",
    "POST /webhooks/endpoints/{name}/ping": "admin",
    "GET /metrics": "admin",
    "GET /livez": _ANYONE,
    "GET /readyz": _ANYONE,
    "GET /health": _ANYONE,  # how its parts stand: admin
    "GET /schema/recipe": _ANYONE,
    "GET /presets": _ANYONE,
    "GET /ai": _ANYONE,
    "GET /config": _ANYONE,  # says of the caller's own key what it may do
    "GET /openapi.json": _ANYONE,
    "GET /docs": _ANYONE,
    "GET /control": _ANYONE,  # what it shows comes by GET /ws and GET /jobs
    "GET /problems/{code}": _ANYONE,
    "GET /": _ANYONE,
    "GET /pipeline": _ANYONE,
    "GET /web/{path}": _ANYONE,
}

# Whose {id} is a job or batch: others than its owner and admin are told that there is none. The
# other routes with an id look for themselves.
OWNED = frozenset(
    {
        "GET /batch/{id}/zip",
        "GET /status/{id}",
        "GET /job/{id}",
        "GET /job/{id}/trace",
        "GET /events/{id}",
        "DELETE /job/{id}",
        "POST /job/{id}/retry",
        "DELETE /image/{id}",
    }
)

_WEBSOCKET = "GET /ws"
_PROTOCOL = "safelight"
_PROTOCOL_KEY = "key."
_ALL: frozenset[Scope] = frozenset(("upload", "read", "admin"))
_WRONG_KEYS_WINDOW_S = 60.0
_MOST_ADDRESSES = 10_000


class Gate:
    """Every request passes here, or is refused here."""

    def __init__(
        self,
        settings: AuthSettings,
        queue: JobQueue,
        *,
        cors: Cors,
        quotas: Quotas,
        doorman: Doorman,
    ) -> None:
        # A plain SHA-256 is right for keys of 256 random bits: there is no dictionary to try, so
        # a slow hash would cost each request milliseconds and an attacker nothing that matters.
        # Found by its hash, a key is not compared byte by byte, so time tells nothing of it.
        self._keys = {
            key.hash.removeprefix("sha256:"): Caller(
                name, _ALL if "admin" in key.scopes else frozenset(key.scopes), True, False
            )
            for name, key in settings.keys.items()
        }
        self._queue = queue
        self._public_images = settings.public_images
        self._wrong_keys = _WrongKeys(settings.max_wrong_keys)
        self._cors = cors
        self._quotas = quotas
        self._doorman = doorman

    def watcher(self, request: web.Request) -> Callable[[str], Awaitable[bool]]:
        """Whether the sender of a request may have the events of a job or batch; asked of its id.

        It knows the sender and not the request, as it lives for as long as a socket does.
        """
        return partial(self._may_see, request[CALLER])

    async def _may_see(self, caller: Caller, some_id: str) -> bool:
        if caller.is_admin:
            return True
        subject = await self._queue.look(some_id)
        return subject is not None and caller.may_see(subject.client)

    def expecting(self, handler: Expecting) -> Expecting:
        """`Expect: 100-continue` is answered before any middleware runs: look at the key here."""

        async def checked(request: web.Request) -> web.StreamResponse | None:
            try:
                await self._enter(request)
            except (Refusal, RedisError, OSError) as error:
                return error_response(request, error)
            return await handler(request)

        return checked

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Runs around every handler."""
        preflight = self._cors.preflight(request)
        if preflight is not None:
            return preflight
        if CALLER not in request:
            await self._enter(request)
        return await handler(request)

    async def _enter(self, request: web.Request) -> None:
        route = route_of(request)
        needed = NEEDS.get(route, "admin")
        caller = self._caller(request, route, needed)
        if caller.is_open or route == _WEBSOCKET:
            # Elsewhere a key is in a header that no page can make a browser send unasked.
            self._cors.refuse_foreign(request)
        if route and needed in _ALL:
            _refuse_unless_allowed(caller, needed)
            await self._quotas.take(request, caller)
            if route in OWNED and not await self._may_see(caller, request.match_info["id"]):
                raise _unknown(request.match_info["id"])
        elif needed == _LOOK and not self._doorman.has_let_in(request) and not self._public_images:
            _refuse_unless_allowed(caller, "read")
        request[CALLER] = caller

    def _caller(self, request: web.Request, route: str, needed: str) -> Caller:
        if not self._keys:
            return Caller(address_of(request), _ALL, False, True)
        anonymous = Caller(address_of(request), frozenset(), False, False)
        if needed == _ITSELF:
            return anonymous
        key = _presented_key(request, is_socket=route == _WEBSOCKET)
        if key is None:
            return anonymous
        found = self._keys.get(key_hash(key))
        if found is None:
            self._wrong_keys.note(anonymous.name)
            raise KeyWrong("The API key of this request is not one of this service's.")
        return found


class _WrongKeys:
    """How many wrong keys an address has tried in the last minute, on this node.

    No guard against guessing, which 256 bits are: it keeps one broken client from filling the log.
    So a right key is always let in, or a neighbour behind the same address would pay for it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tried: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def note(self, address: str) -> None:
        """Raises TooManyWrongKeys when there were too many before."""
        now = time.monotonic()
        since, tried = self._tried.get(address, (now, 0))
        if now - since >= _WRONG_KEYS_WINDOW_S:
            since, tried = now, 0
        self._tried[address] = since, tried + 1
        self._tried.move_to_end(address)
        if len(self._tried) > _MOST_ADDRESSES:
            self._tried.popitem(last=False)
        if tried == self._most:
            log.warning("many wrong API keys come from one address", address=address)
        if tried >= self._most:
            raise TooManyWrongKeys(
                f"{self._most} wrong keys a minute are looked at; try again later.",
                limit=self._most,
                actual=tried + 1,
                retry_after_s=max(1, int(since + _WRONG_KEYS_WINDOW_S - now)),
            )


def key_hash(key: str) -> str:
    """What config.toml knows of a key, in hex."""
    return sha256(key.encode(errors="surrogatepass")).hexdigest()


def route_of(request: web.Request) -> str:
    """The row of NEEDS: method and pattern; empty where no route fits."""
    resource = request.match_info.route.resource
    if resource is None:
        return ""
    method = "GET" if request.method == "HEAD" else request.method
    return f"{method} {resource.canonical}"


def refuse_unguarded(settings: Settings) -> None:
    """Raises SettingsError where strangers could reach a service that needs no key."""
    host = settings.server.host
    if settings.auth.keys or settings.server.open or _is_loopback(host):
        return
    raise SettingsError(
        f"server.host: {host or 'every address'} can be reached from other machines and no"
        " [auth.keys] are set up; make one with `safelight key new`, or say --open"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _presented_key(request: web.Request, *, is_socket: bool) -> str | None:
    """The one key of a request, wherever it stands; the query is no place for it."""
    keys = {value.strip() for value in request.headers.getall("X-Api-Key", [])}
    for value in request.headers.getall("Authorization", []):
        scheme, _, key = value.partition(" ")
        if scheme.lower() == "bearer":  # other schemes are for whoever stands before us
            keys.add(key.strip())
    if is_socket:
        keys |= _protocol_keys(request)
    if len(keys) > 1:
        raise BadRequest("Expected one API key, got several that differ.")
    return next(iter(keys), None)


def _protocol_keys(request: web.Request) -> set[str]:
    """A browser's WebSocket can send no header but this: `safelight, key.sl_…`.

    It is known before the handshake is answered, so nobody without a key holds a socket, as with
    a key in the first message somebody would.
    """
    offered = [
        protocol.strip()
        for header in request.headers.getall("Sec-WebSocket-Protocol", [])
        for protocol in header.split(",")
    ]
    keys = {one.removeprefix(_PROTOCOL_KEY) for one in offered if one.startswith(_PROTOCOL_KEY)}
    if keys and _PROTOCOL not in offered:  # aiohttp would log an offer without one that we speak
        raise BadRequest("Sec-WebSocket-Protocol: expected 'safelight' beside the key.")
    return keys


def _unknown(some_id: str) -> NotFound:
    """The same for one that is not there and for one that is another's."""
    return NotFound(f"There is no job, batch or picture '{some_id}'; it may have expired.")


def _refuse_unless_allowed(caller: Caller, needed: str) -> None:
    if needed in caller.scopes:
        return
    if not caller.has_key:
        raise KeyMissing("Send an API key as 'Authorization: Bearer …' or 'X-Api-Key: …'.")
    raise ScopeMissing(
        f"This needs the scope '{needed}'; the key '{caller.name}' has"
        f" {', '.join(sorted(caller.scopes))}."
    )
