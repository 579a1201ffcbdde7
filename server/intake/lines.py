"""application/x-ndjson, one line a picture: split with bounded memory, each line read strictly."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from pool import RecipeError, parse_recipe
from server.refusals import BadOptions, BadRequest, Refusal, TooLarge

_FIELDS = ("imageUrl", "imageId", "name", "options")
_MAX_QUOTED = 40
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Asked:
    """What one line asks for. recipe: canonical; None: that of the batch."""

    url: str
    image_id: str
    name: str
    recipe: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line by its number, from 1 on; None instead of bytes: it was too long to be kept."""

    number: int
    content: bytes | None


class Lines:
    """Cuts a stream into lines; a line that is too long is passed over, not collected."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max_bytes = max_line_bytes
        self._number = 0
        self._started = bytearray()
        self._is_too_long = False

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that end in this chunk, but those with nothing in them."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            yield from self._end(part)
        self._keep(rest)

    def end(self) -> Iterator[Line]:
        """The last line, if nothing ends it."""
        yield from self._end(b"")

    def _keep(self, part: bytes) -> None:
        if self._is_too_long or len(self._started) + len(part) > self._max_bytes:
            self._is_too_long = True
            self._started.clear()
        else:
            self._started += part

    def _end(self, part: bytes) -> Iterator[Line]:
        self._keep(part)
        self._number += 1
        content = bytes(self._started)
        if self._number == 1:
            content = content.removeprefix(_BYTE_ORDER_MARK)
        if self._is_too_long:
            yield Line(self._number, None)
        elif content.strip():
            yield Line(self._number, content)
        self._started.clear()
        self._is_too_long = False


def read_line(line: Line, *, max_line_bytes: int, takes_options: bool) -> Asked:
    """What a line asks for. Raises BadRequest, BadOptions or TooLarge."""
    if line.content is None:
        raise TooLarge(f"A line may have {max_line_bytes} bytes; this one has more.")
    try:
        asked: Any = orjson.loads(line.content)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"Expected a JSON object, got something else: {error}") from error
    if not isinstance(asked, dict):
        raise BadRequest("Expected a JSON object, got something else.")
    for name in asked:
        if name not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise BadRequest(f"There is no field '{name[:_MAX_QUOTED]}'; known are {known}.")
    url, image_id = _text(asked, "imageUrl"), _text(asked, "imageId")
    if bool(url) == bool(image_id):
        raise BadRequest("Expected imageUrl or imageId, one of them.")
    return Asked(url, image_id, _text(asked, "name"), _recipe(asked, takes_options))


def refusal_problem(refusal: Refusal) -> dict[str, Any]:
    """A refusal beside others in one answer."""
    return {
        "type": f"/problems/{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
    }


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name, "")
    if not isinstance(value, str):
        raise BadRequest(f"{name}: expected a text, got something else.")
    return value


def _recipe(asked: dict[str, Any], takes_options: bool) -> str | None:
    if "options" not in asked:
        return None
    if not takes_options:
        raise BadOptions("options: only presets are taken here, and they are the request's.")
    try:
        return parse_recipe(asked["options"]).canonical()
    except RecipeError as error:
        raise BadOptions(error.detail) from error
