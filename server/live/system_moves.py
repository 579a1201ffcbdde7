"""Moves of jobs as they are published, kept for a tenth of a second while there is room."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import orjson

from server.live.system_part import short

MOST_MOVES = 200
"""Of one flush; failures have room of their own beside."""
MOST_FAILURES = 50
_WORDS = 6


class Moves:
    """What came since it was taken last."""

    def __init__(self, lane_of: Callable[[str], str | None]) -> None:
        """lane_of: the lane of this node that a job went to, if any."""
        self._lane_of = lane_of
        self._kept: list[tuple[list[str], str]] = []
        self._failures = 0
        self._dropped = 0

    def __bool__(self) -> bool:
        return bool(self._kept or self._dropped)

    def add(self, line: str) -> None:
        """One move as shared.lua tells it: id, from, to, class, node, why; - for none."""
        words = line.split(" ")
        if len(words) != _WORDS:
            return  # of another version of the service
        has_failed = words[2] == "failed"
        room = self._failures < MOST_FAILURES if has_failed else self._others < MOST_MOVES
        if not room:
            self._dropped += 1
            return
        self._failures += has_failed
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._kept.append((words, moment))

    @property
    def _others(self) -> int:
        return len(self._kept) - self._failures

    def take(self) -> tuple[list[bytes], int]:
        """Each move as JSON, and how many more there were."""
        taken = [self._encoded(*one) for one in self._kept], self._dropped
        self._kept, self._failures, self._dropped = [], 0, 0
        return taken

    def _encoded(self, words: list[str], moment: str) -> bytes:
        job_id, before, after, queue_class, node, why = (None if w == "-" else w for w in words)
        return orjson.dumps(
            {
                "jobId": job_id,
                "from": before,
                "to": after,
                "queue": public_class(queue_class or ""),
                "node": short(node) if node else None,
                "lane": self._lane_of(job_id or "") if node else None,
                "errorCode": why if after == "failed" else None,
                "blame": why if after == "queued" else None,
                "at": moment,
            }
        )


def public_class(queue_class: str) -> str:
    """A class of the queue as JSON says it."""
    return "fetchBulk" if queue_class == "fetch-bulk" else queue_class


def moves_message(moves: Sequence[bytes], dropped: int) -> bytes:
    """What a watcher is sent."""
    return b'{"type":"moves","moves":[%b],"dropped":%d}' % (b",".join(moves), dropped)
