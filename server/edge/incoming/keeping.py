"""`private` and `expiresIn` of an upload, as text: who may share its result, how long it stays."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.config.sections import ImageSettings
from server.refusals import BadRequest

FIELDS = ("private", "expiresIn", "callbackUrl")
"""The names, for whoever reads a form or a query; callbackUrl is read by callbacks.py."""

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_MOST_QUOTED = 40


@dataclass(frozen=True, slots=True)
class Keeping:
    """What one upload asks for; expires_in_s counts from the end of its job, None: the usual."""

    private: bool
    expires_in_s: int | None


def keeping(fields: Mapping[str, str], settings: ImageSettings) -> Keeping:
    """Read both fields, which may be absent. Raises BadRequest."""
    private = fields.get("private", "false")
    if private.lower() not in _FLAGS:
        raise BadRequest(f"private: expected true or false, got '{private[:_MOST_QUOTED]}'.")
    return Keeping(_FLAGS[private.lower()], _seconds(fields.get("expiresIn"), settings))


def _seconds(text: str | None, settings: ImageSettings) -> int | None:
    if text is None:
        return None
    most = settings.max_expires_in_s
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not is_number or not 1 <= int(text) <= most:
        raise BadRequest(
            f"expiresIn: expected whole seconds from 1 to {most}, got '{text[:_MOST_QUOTED]}'."
        )
    return int(text)
