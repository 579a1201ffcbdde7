"""What a browser says by WebSocket: whom it wants to hear of, or no longer."""

from dataclasses import dataclass
from typing import Any

import orjson

from server.live.system import TOPIC
from server.refusals import BadRequest

_LONGEST_ID = 64


@dataclass(frozen=True, slots=True)
class Ask:
    """`topic` or `watched_id` says of what, the other is ""."""

    kind: str
    watched_id: str
    topic: str


NOTHING = Ask("", "", "")


def understand(text: bytes) -> Ask:
    """Raises BadRequest, which says what was expected."""
    try:
        message: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest('Expected JSON such as {"type":"subscribe","jobId":"…"}.') from error
    kind = message.get("type") if isinstance(message, dict) else None
    if kind not in ("subscribe", "unsubscribe"):
        raise BadRequest("type: expected 'subscribe' or 'unsubscribe'.")
    if "topic" in message:
        if message["topic"] != TOPIC:
            raise BadRequest(f"topic: expected '{TOPIC}'.")
        return Ask(kind, "", TOPIC)
    watched_id = message.get("jobId")
    if not isinstance(watched_id, str) or not 1 <= len(watched_id) <= _LONGEST_ID:
        raise BadRequest("jobId: expected the id of a job or batch.")
    return Ask(kind, watched_id, "")
