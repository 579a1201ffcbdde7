"""API keys as requests bring them: where they may stand, and how many wrong ones are looked at."""

import time
from collections import OrderedDict
from hashlib import sha256

import structlog
from aiohttp import web

from server.refusals import BadRequest, TooManyWrongKeys

log = structlog.get_logger(__name__)

_PROTOCOL = "safelight"
_PROTOCOL_KEY = "key."
_WRONG_KEYS_WINDOW_S = 60.0
_MOST_ADDRESSES = 10_000


def key_hash(key: str) -> str:
    """What config.toml knows of a key, in hex."""
    return sha256(key.encode(errors="surrogatepass")).hexdigest()


def presented_key(request: web.Request, *, is_socket: bool) -> str | None:
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


class WrongKeys:
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
