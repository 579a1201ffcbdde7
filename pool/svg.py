"""Makes an SVG harmless: no script, no reference out of the file, no entity, bounded in size.

Only what stays is written again, so nothing that was not looked at reaches the renderer.
"""

import re
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from pool.fault import Fault, Refused

MOST_BYTES = 4 << 20
DEEPEST = 200
# What runs, embeds or fetches. A picture inside would be decoded without any of our limits.
DROPPED = frozenset(
    {
        *("script", "handler", "listener", "foreignobject", "iframe", "embed", "object"),
        *("audio", "video", "canvas", "image", "feimage"),
        *("set", "animate", "animatemotion", "animatetransform", "animatecolor"),
    }
)
REFERENCE = re.compile(r"url\(\s*['\"]?\s*(?!#)|@import|expression\(|\\", re.IGNORECASE)


def sanitised(path: str) -> bytes:
    """The drawing without what could reach out of it; raises Refused where it is none."""
    size = Path(path).stat().st_size
    if size > MOST_BYTES:
        detail = f"the drawing has {size} bytes; at most {MOST_BYTES} are taken"
        raise Refused(Fault("drawing_too_large", detail, limit=MOST_BYTES, actual=size))
    writer = _Writer()
    parser = expat.ParserCreate()
    parser.StartElementHandler = writer.start
    parser.EndElementHandler = writer.end
    parser.CharacterDataHandler = writer.text
    parser.EntityDeclHandler = _refuse_entity
    try:
        parser.Parse(Path(path).read_bytes(), True)
    except expat.ExpatError as error:
        raise Refused(Fault("corrupt_image", "the drawing is not well-formed XML")) from error
    return "".join(writer.parts).encode()


class _Writer:
    """Writes down again what may stay."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._depth = 0
        self._dropped_at: int | None = None
        self._style: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            detail = f"the drawing is nested more than {DEEPEST} deep"
            raise Refused(Fault("corrupt_image", detail, limit=DEEPEST, actual=self._depth))
        if self._dropped_at is None and _local(name) in DROPPED:
            self._dropped_at = self._depth
        if self._dropped_at is not None:
            return
        kept = "".join(
            f" {key}={quoteattr(value)}"
            for key, value in attributes.items()
            if _may_stay(_local(key), value)
        )
        self.parts.append(f"<{name}{kept}>")
        if _local(name) == "style":
            self._style = []

    def end(self, name: str) -> None:
        if self._dropped_at is None:
            self._end_style()
            self.parts.append(f"</{name}>")
        elif self._dropped_at == self._depth:
            self._dropped_at = None
        self._depth -= 1

    def text(self, text: str) -> None:
        if self._dropped_at is not None:
            return
        if self._style is not None:
            self._style.append(text)  # it comes in pieces, and is judged whole
        else:
            self.parts.append(escape(text))

    def _end_style(self) -> None:
        if self._style is not None and not REFERENCE.search("".join(self._style)):
            self.parts.append(escape("".join(self._style)))
        self._style = None


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _may_stay(name: str, value: str) -> bool:
    if name.startswith("on") or name == "base":
        return False
    if name in ("href", "src"):
        return value.strip().startswith("#")
    return not REFERENCE.search(value)


def _refuse_entity(*_: object) -> None:
    raise Refused(Fault("corrupt_image", "the drawing declares entities, which are not taken"))
