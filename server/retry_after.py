"""Retry-After (RFC 9110, section 10.2.3), as whoever waits needs it."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DIGITS = 9  # thirty years are enough


def seconds(text: str) -> float | None:
    """How long to wait from now; the header is a number of seconds or a date. None: neither."""
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None  # none was given, or one that nobody can read
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
