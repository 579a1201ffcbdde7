"""Who can reach the service, with which keys; is its port free, is a running one well?"""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import orjson

from server.ops.doctor.finding import Finding, Surroundings, good, skipped, warning, wrong

_TIMEOUT_S = 5.0
_ANY = ("", "0.0.0.0", "::")


async def check(here: Surroundings) -> AsyncIterator[Finding]:
    """Keys, signatures, port."""
    if not here.settings.server.meets_clients:
        yield skipped("server.role is worker: it meets no clients")
    else:
        yield _keys(here)
    for finding in _shared_secrets(here):
        yield finding
    if here.is_running:
        yield await asyncio.to_thread(_running, here)
    else:
        yield await asyncio.to_thread(_port, here)


def _keys(here: Surroundings) -> Finding:
    server, auth = here.settings.server, here.settings.auth
    names = ", ".join(auth.keys)
    if auth.keys:
        if not any("admin" in key.scopes for key in auth.keys.values()):
            return warning(
                f"API keys: {names}; none has the scope admin, so nobody sees metrics and /control",
                "safelight key new operator --scope admin",
            )
        return good(f"API keys: {names}")
    if _is_loopback(server.host):
        return good(f"no API keys; {server.host} is reached from this machine only")
    place = server.host or "every address"
    if server.open:
        return warning(
            f"everybody who reaches {place} may do everything (server.open)",
            "unless whoever stands before it asks for keys: safelight key new NAME --scope upload",
        )
    return wrong(
        f"server.host is {place}, reached from other machines, and there are no API keys",
        "safelight key new NAME --scope upload --scope read; or --open if strangers may do all",
    )


def _shared_secrets(here: Surroundings) -> list[Finding]:
    """What several nodes must have in common."""
    settings = here.settings
    if not settings.redis.url:
        return []
    found = []
    if not settings.signing.keys:
        found.append(
            warning(
                "redis.url is set and signing.keys is empty: each node signs with a key of its own",
                "the same signing.keys on all nodes, or addresses of one are refused by the others",
            )
        )
    if settings.webhooks.endpoints and not settings.webhooks.secrets:
        found.append(
            warning(
                "webhooks.secrets is empty: each node signs with a secret of its own",
                "safelight webhooks secret --new; the same one on all nodes",
            )
        )
    return found


def _port(here: Surroundings) -> Finding:
    host, port = here.settings.server.host, here.settings.server.port
    if not port:
        return good("server.port is 0: a free one is taken")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
    except OSError as error:
        return _not_bound(f"{host or '*'}:{port}", error)
    return good(f"{host or '*'}:{port} is free")


def _not_bound(place: str, error: OSError) -> Finding:
    if error.errno == errno.EADDRINUSE:
        return wrong(
            f"{place} is in use by another program",
            "`ss -ltnp` names it; or take another server.port",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return wrong(
            f"{place}: this machine has no such address", "`ip address` lists those it has"
        )
    if error.errno == errno.EACCES:
        return wrong(
            f"{place}: ports below 1024 are not for every user",
            "a port above 1024 and a proxy before it, or AmbientCapabilities=CAP_NET_BIND_SERVICE",
        )
    return wrong(f"{place} cannot be listened on: {error}", "another server.host or server.port")


def _running(here: Surroundings) -> Finding:
    """The server's own word. It may have been started with another --port than we know of."""
    server = here.settings.server
    host = "127.0.0.1" if server.host in _ANY else server.host
    url = f"http://{f'[{host}]' if ':' in host else host}:{server.port}/health"
    headers = {} if here.api_key is None else {"Authorization": f"Bearer {here.api_key}"}
    try:
        opener = build_opener(ProxyHandler({}))  # it is on this machine
        with opener.open(Request(url, headers=headers), timeout=_TIMEOUT_S) as answer:
            health: dict[str, Any] = orjson.loads(answer.read())
    except HTTPError as error:
        return warning(f"{url} answers {error.code}", "is the API key right (SAFELIGHT_KEY)?")
    except (URLError, OSError, orjson.JSONDecodeError) as error:
        return warning(
            f"a server holds the folder, and {url} does not answer: {error}",
            "it may listen elsewhere: give doctor the same --config and environment as serve",
        )
    bad = [name for name, is_well in health.get("checks", {}).items() if not is_well]
    if bad:
        return wrong(f"the running server says: {', '.join(bad)} do not work", "look into its log")
    return good(f"the running server says that it is well ({url})")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
