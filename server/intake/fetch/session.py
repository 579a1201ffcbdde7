"""An HTTP client that goes only where the guard lets it, for all that strangers make us ask for.

The address is checked where the socket is made, after the name was resolved and of the very address
that is connected to: no second look-up could answer otherwise.
"""

import socket
from ipaddress import ip_address

from aiohttp import (
    AddrInfoType,
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from server.config.sections import FetchSettings
from server.intake.fetch.guard import Guard


class AddressRefused(OSError):
    """No address of a host may be connected to."""


def guarded_session(
    guard: Guard, settings: FetchSettings, *, resolver: AbstractResolver | None = None
) -> ClientSession:
    """A client without memory: no cookies, no proxy and no password of the environment.

    Any request through it, redirects that it follows by itself included, raises FetchRefused for a
    URL that the guard refuses, and for an address that it refuses ClientConnectorError with an
    AddressRefused as `os_error`.
    """

    def make_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not guard.may_connect(ip_address(str(address[0]))):
            raise AddressRefused("the address is not public")
        return socket.socket(family=family, type=kind, proto=protocol)

    async def check_url(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        guard.check(str(request.url))
        return await send(request)

    return ClientSession(
        connector=TCPConnector(
            resolver=_GuardedResolver(guard, resolver),
            use_dns_cache=False,
            socket_factory=make_socket,
            limit=0,  # who asks keeps count
        ),
        cookie_jar=DummyCookieJar(),
        headers={"User-Agent": settings.user_agent, "Accept-Encoding": "identity"},
        timeout=ClientTimeout(
            total=settings.total_timeout_s,
            connect=settings.connect_timeout_s,
            sock_connect=settings.connect_timeout_s,
            sock_read=settings.stall_timeout_s,
        ),
        auto_decompress=False,
        trust_env=False,
        middlewares=(check_url,),
    )


class _GuardedResolver(AbstractResolver):
    """Keeps of a host's addresses those that may be connected to."""

    def __init__(self, guard: Guard, resolver: AbstractResolver | None) -> None:
        self._guard = guard
        self._resolver = resolver or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family=family)
        public = [one for one in found if self._guard.may_connect(ip_address(one["host"]))]
        if not public:
            raise AddressRefused("the host has no public address")
        return public

    async def close(self) -> None:
        await self._resolver.close()
