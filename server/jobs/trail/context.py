"""Which trace something belongs to, as W3C Trace Context writes it: https://www.w3.org/TR/trace-context/

Only traces that are recorded are carried about, so whoever has one of these has something to tell.
"""

import re
import secrets
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_OF_CALLER = "-c"


@dataclass(frozen=True, slots=True)
class Traced:
    """A span's place: its trace, itself. Ids are hexadecimal, 32 and 16 digits.

    is_of_caller: the trace was begun by whoever called us.
    """

    trace_id: str
    span_id: str
    is_of_caller: bool = False

    @property
    def header(self) -> str:
        """A `traceparent` for whoever is called."""
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED:02x}"

    @property
    def text(self) -> str:
        """As it stands in a job's hash."""
        return self.header + (_OF_CALLER if self.is_of_caller else "")

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """None for what is no trace, or none that is recorded."""
        given = parent_of(text)
        if given is None or not given.is_sampled:
            return None
        return cls(given.trace_id, given.span_id, text.endswith(_OF_CALLER))

    def child(self, *names: object) -> Self:
        """A span below this one; the same for the same names, on every node."""
        return type(self)(self.trace_id, span_id_of(*names), self.is_of_caller)

    def fresh(self) -> Self:
        """A span below this one that nobody else has to find."""
        return type(self)(self.trace_id, new_span_id(), self.is_of_caller)


@dataclass(frozen=True, slots=True)
class Parent:
    """What a request's `traceparent` says."""

    trace_id: str
    span_id: str
    is_sampled: bool


def parent_of(header: str) -> Parent | None:
    """None for a header that is missing or wrong; later versions are read as far as this one is."""
    found = _HEADER.fullmatch(header)
    if found is None:
        return None
    version, trace_id, span_id, flags, _ = found.groups()
    if version == "ff" or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Parent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def new_trace_id() -> str:
    """Random."""
    return secrets.token_hex(16)


def new_span_id() -> str:
    """Random."""
    return secrets.token_hex(8)


def span_id_of(*names: object) -> str:
    """Derived, so that whoever knows the names knows the span."""
    return blake2b("\n".join(map(str, names)).encode(), digest_size=8).hexdigest()
