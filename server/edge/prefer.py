"""How long a client wants to wait: `Prefer: respond-async` or `wait=N` (RFC 7240), or `?wait=N`."""

from dataclasses import dataclass

from aiohttp import web

from server.refusals import BadRequest


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for a result, and the preferences that were followed."""

    wait_s: float
    applied: str | None

    def headers(self) -> dict[str, str]:
        """Tell the client what was followed."""
        return {"Preference-Applied": self.applied} if self.applied else {}


def patience(request: web.Request, *, default_s: float, longest_s: float) -> Patience:
    """Read the Prefer header. Both given: wait that long, then answer 202."""
    wanted = {
        name.strip().lower(): value.strip().strip('"')
        for header in request.headers.getall("Prefer", [])
        for name, _, value in (part.partition("=") for part in header.split(","))
    }
    if "wait" in wanted:
        wait_s = _seconds(wanted["wait"], "Prefer: wait")
        return Patience(min(wait_s, longest_s), f"wait={min(wait_s, longest_s):g}")
    if "respond-async" in wanted:
        return Patience(0, "respond-async")
    return Patience(default_s, None)


def wait_parameter(request: web.Request, *, longest_s: float) -> float:
    """`?wait=N` of a long poll; nothing said is no waiting."""
    return min(_seconds(request.query.get("wait", "0"), "wait"), longest_s)


def _seconds(text: str, path: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise BadRequest(f"{path}: expected a number of seconds, got '{text}'.") from error
    if not 0 <= seconds < float("inf"):
        raise BadRequest(f"{path}: expected seconds from 0 on, got '{text}'.")
    return seconds
