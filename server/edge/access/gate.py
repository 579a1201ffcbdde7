"""Who may do what: holds each request to what its route asks for, by needs.py.

Runs before every handler. Whose job it is that is asked for, the handlers look at themselves.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import ip_address

from aiohttp import web
from redis.exceptions import RedisError

from server.config import Settings, SettingsError
from server.config.access import AuthSettings, Scope
from server.edge.access.client import CALLER, Caller, address_of
from server.edge.access.cors import Cors
from server.edge.access.keys import WrongKeys, key_hash, presented_key
from server.edge.access.needs import ITSELF, LOOK, NEEDS, OWNED, WEBSOCKET, route_of
from server.edge.access.quota import Quotas
from server.edge.access.sign import Doorman
from server.edge.problems import error_response
from server.jobs.queue import JobQueue
from server.refusals import KeyMissing, KeyWrong, NotFound, Refusal, ScopeMissing

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Expecting = Callable[[web.Request], Awaitable[web.StreamResponse | None]]

_ALL: frozenset[Scope] = frozenset(("upload", "read", "admin"))


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
        self._wrong_keys = WrongKeys(settings.max_wrong_keys)
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
        if caller.is_open or route == WEBSOCKET:
            # Elsewhere a key is in a header that no page can make a browser send unasked.
            self._cors.refuse_foreign(request)
        if route and needed in _ALL:
            _refuse_unless_allowed(caller, needed)
            await self._quotas.take(request, caller)
            if route in OWNED and not await self._may_see(caller, request.match_info["id"]):
                raise _unknown(request.match_info["id"])
        elif needed == LOOK and not self._doorman.has_let_in(request) and not self._public_images:
            _refuse_unless_allowed(caller, "read")
        request[CALLER] = caller

    def _caller(self, request: web.Request, route: str, needed: str) -> Caller:
        if not self._keys:
            return Caller(address_of(request), _ALL, False, True)
        anonymous = Caller(address_of(request), frozenset(), False, False)
        if needed == ITSELF:
            return anonymous
        key = presented_key(request, is_socket=route == WEBSOCKET)
        if key is None:
            return anonymous
        found = self._keys.get(key_hash(key))
        if found is None:
            self._wrong_keys.note(anonymous.name)
            raise KeyWrong("The API key of this request is not one of this service's.")
        return found


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
