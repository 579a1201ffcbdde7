"""Who asks: the API key's name, else the address it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_UNKNOWN = "unknown"
# A household or a rented machine has a whole /64 and can come from each of its addresses in turn.
_ONE_CLIENT_BITS = 64
# That are remembered, as reading one costs as much as finding its route.
_MOST_ADDRESSES = 4096
# What an address list may cost us, whoever wrote it.
_MOST_HOPS = 32


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request. `scopes` are those of its key; all of them where no keys are set up."""

    name: str
    scopes: frozenset[str]
    has_key: bool
    is_open: bool
    """No keys are set up, so that everybody may do everything."""

    @property
    def is_admin(self) -> bool:
        """Whether it may see and change what is not its own."""
        return "admin" in self.scopes

    def owns(self, client: str) -> bool:
        """Whether what `client` brought is its own; for a private picture without keys, too."""
        return client == self.name or (self.has_key and self.is_admin)

    def may_see(self, client: str) -> bool:
        """Whether it may know of the jobs of `client`."""
        return self.is_admin or client == self.name


CALLER = web.RequestKey("caller", Caller)
TRUSTED_PROXIES = web.AppKey("trusted_proxies", tuple[Network, ...])


def client_of(request: web.Request) -> str:
    """The name under which this client's jobs are kept apart from others'.

    A key's name has neither dot nor colon, an address has one, so the two never meet.
    """
    caller = request.get(CALLER)
    return address_of(request) if caller is None else caller.name


def address_of(request: web.Request) -> str:
    """The client's address, IPv6 as its /64; behind trusted proxies what they say of it."""
    trusted = request.app.get(TRUSTED_PROXIES, ())
    address = _parsed(request.remote or "")
    if address is not None and trusted and _is_within(address, trusted):
        address = _behind(address, request.headers.getall("X-Forwarded-For", []), trusted)
    return _UNKNOWN if address is None else _one_client(address)


def _behind(proxy: Address, headers: Sequence[str], trusted: Sequence[Network]) -> Address:
    """The right-most address that no trusted proxy has; anybody can claim what is left of it."""
    nearest = proxy
    hops = [hop for header in headers for hop in header.split(",")]
    for hop in reversed(hops[-_MOST_HOPS:]):
        address = _parsed(_without_port(hop.strip()))
        if address is None:
            return nearest  # whoever wrote this, the proxy before it is the last one known
        nearest = address
        if not _is_within(address, trusted):
            return address
    return nearest


@lru_cache(_MOST_ADDRESSES)
def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _without_port(hop: str) -> str:
    """Some proxies write 192.0.2.1:4711 or [2001:db8::1]:4711."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _is_within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


@lru_cache(_MOST_ADDRESSES)
def _one_client(address: Address) -> str:
    if isinstance(address, IPv6Address) and not address.is_loopback:
        return str(ip_network((address, _ONE_CLIENT_BITS), strict=False))
    return str(address)
