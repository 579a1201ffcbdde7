"""A request as it may be shown to whoever may see its job: no keys, cookies or signatures."""

from typing import Any

from aiohttp import web

# A list of what may be shown: what is not known here could be a secret.
_HEADERS = (
    "Host",
    "User-Agent",
    "Content-Type",
    "Content-Length",
    "Transfer-Encoding",
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Origin",
    "Prefer",
    "Expect",
    "X-File-Name",
)
_LONGEST = 120


def shown(request: web.Request) -> dict[str, Any]:
    """The request line and the headers that tell nothing; of the query only the names."""
    query = "&".join(f"{name}=…" for name in dict.fromkeys(request.query))
    target = request.path + (f"?{query}" if query else "")
    version = request.version
    headers = {name: _short(request.headers[name]) for name in _HEADERS if name in request.headers}
    return {
        "line": f"{request.method} {_short(target)} HTTP/{version.major}.{version.minor}",
        "headers": headers,
        "headersHidden": len(request.headers) - len(headers),
    }


def _short(text: str) -> str:
    """Bytes that are no UTF-8 stand in headers as surrogates, which JSON cannot carry."""
    whole = text.encode(errors="replace").decode()
    return whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}…"
