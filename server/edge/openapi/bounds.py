"""Bounds that are settings: the contract tells those of the running service."""

from typing import Any

from server.config import Settings
from server.edge.openapi.parts import LIMIT

_KEYWORDS = {"integer": "maximum", "number": "maximum", "string": "maxLength", "array": "maxItems"}


def bounded(part: Any, settings: Settings) -> Any:
    """A copy in which every schema that names a setting has its value as upper bound."""
    if isinstance(part, list):
        return [bounded(one, settings) for one in part]
    if not isinstance(part, dict):
        return part
    whole = {name: bounded(value, settings) for name, value in part.items()}
    if isinstance(named := part.get(LIMIT), str):
        whole[_keyword(part["type"])] = _value(named, settings)
    return whole


def _keyword(kind: str | list[str]) -> str:
    kinds = [kind] if isinstance(kind, str) else kind
    return next(_KEYWORDS[one] for one in kinds if one in _KEYWORDS)


def _value(named: str, settings: Settings) -> int | float:
    section, _, key = named.partition(".")
    value: int | float = getattr(getattr(settings, section), key)
    return value
