"""`?limit=` and `?cursor=` of a batch's pictures: a part at a time, in the client's order."""

from dataclasses import dataclass

from aiohttp import web

from server.refusals import BadRequest

_USUAL = 500
_MOST = 1000
_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Page:
    """So many from this place on."""

    first: int
    most: int


FIRST_PAGE = Page(0, _USUAL)


def page_parameters(request: web.Request) -> Page:
    """Raises BadRequest. A cursor is what `next` of the page before has in it."""
    first, most = _number(request, "cursor", 0), _number(request, "limit", _USUAL)
    if not 1 <= most <= _MOST:
        raise BadRequest(f"limit: expected a number from 1 to {_MOST}, got {most}.")
    return Page(first, most)


def _number(request: web.Request, name: str, usual: int) -> int:
    text = request.query.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise BadRequest(f"{name}: expected a whole number, got '{text[:40]}'.")
    return int(text)
