"""What each node tells the others of itself about once a second, while somebody watches."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

import orjson

from pool import Lane
from server.jobs.counts.tally import Tally
from server.jobs.running.dispatcher import Dispatcher
from server.jobs.running.lanes import Lanes
from server.jobs.running.progress import ProgressBoard

_SHORT = 8
VERSION = 2
"""Of a part as it is published: grows when its fields change, so that nodes of two versions pass
each other's over."""


def short(node: str) -> str:
    """A node's name as people see it."""
    return node[:_SHORT]


@dataclass(frozen=True, slots=True)
class LanePart:
    """One lane. state: idle, working, starting (its child was lost) or gone (its node is silent).

    `restarts`: how often its child was replaced, by reason.
    """

    name: str
    state: str
    job_id: str | None
    stage: str | None
    progress: int | None
    rss_bytes: int | None
    jobs: int
    restarts: dict[str, int]


@dataclass(frozen=True, slots=True)
class NodePart:
    """One node; counts as in server.jobs.counts.tally.Recent, bytes and numbers as they stand.

    free_bytes: of the disk of its data folder. is_written: whether its last attempt to write
    records succeeded.
    """

    node: str
    role: str
    lanes: tuple[LanePart, ...]
    fetching: int
    rss_bytes: int
    budget_bytes: int
    budget_used_bytes: int
    moved: dict[str, int]
    latency: dict[int, int]
    rejected: dict[str, int]
    errors: dict[str, int]
    history: list[tuple[int, int, int, float | None]]
    free_bytes: int | None
    sockets: int
    is_written: bool

    def to_json(self) -> bytes:
        """As it is published."""
        told = asdict(self) | {"version": VERSION}
        return orjson.dumps(told, option=orjson.OPT_NON_STR_KEYS)

    @classmethod
    def from_json(cls, text: str) -> "NodePart":
        """Raises ValueError or TypeError for what another version of the service tells."""
        fields = orjson.loads(text)
        if not isinstance(fields, dict) or fields.pop("version", None) != VERSION:
            raise ValueError("a part of another version")
        lanes = tuple(LanePart(**one) for one in fields.pop("lanes"))
        latency = {int(bucket): jobs for bucket, jobs in fields.pop("latency").items()}
        return cls(lanes=lanes, latency=latency, **fields)


class Writing(Protocol):
    """Whoever writes the records."""

    @property
    def is_written(self) -> bool:
        """Whether the last attempt succeeded."""


@dataclass(frozen=True, slots=True)
class Report:
    """Reads this node's part from the parts that know; keeps nothing.

    Sizes in bytes: `own_rss` of the server process, `free` of the disk. `fetching`, `sockets`: how
    many there are at the moment.
    """

    node: str
    role: str
    lanes: Lanes
    dispatcher: Dispatcher
    progress: ProgressBoard
    tally: Tally
    records: Writing | None
    own_rss: Callable[[], int]
    free: Callable[[], int | None]
    fetching: Callable[[], int]
    sockets: Callable[[], int]

    def part(self) -> NodePart:
        """How this node stands now."""
        lanes = tuple(self._lane(lane) for lane in self.lanes.all)
        recent = self.tally.recent()
        return NodePart(
            node=short(self.node),
            role=self.role,
            lanes=lanes,
            fetching=self.fetching(),
            rss_bytes=self.own_rss() + sum(lane.rss_bytes or 0 for lane in lanes),
            budget_bytes=self.dispatcher.budget_bytes,
            budget_used_bytes=self.dispatcher.used_bytes,
            moved=recent.moved,
            latency=recent.latency,
            rejected=recent.rejected,
            errors=recent.errors,
            history=recent.history,
            free_bytes=self.free(),
            sockets=self.sockets(),
            is_written=self.records is None or self.records.is_written,
        )

    def _lane(self, lane: Lane) -> LanePart:
        jobs = self.dispatcher.jobs_of(lane)
        held = {job.job_id for job in jobs}
        begun = [job_id for job_id in lane.running if job_id in held]
        job_id = begun[0] if begun else jobs[0].job_id if jobs else None
        told = self.progress.of(job_id) if job_id else None
        return LanePart(
            name=lane.name,
            state=_state(lane, is_working=bool(jobs)),
            job_id=job_id,
            stage=told[0] if told else None,
            progress=told[1] if told else None,
            rss_bytes=lane.rss_bytes or None,
            jobs=lane.tasks_done,
            restarts=dict(lane.restarts),
        )


def _state(lane: Lane, *, is_working: bool) -> str:
    if not lane.is_alive:
        return "starting"
    return "working" if is_working else "idle"
