"""What has happened to jobs on this node since it started: counts that only grow, for /metrics.

`Tally` knows the last while of the same; whoever scrapes wants the whole, and takes differences.
"""

from server.counting import JOB_S, STAGE_S, Counts, Durations
from server.jobs import names
from server.jobs.job import JobState
from server.jobs.trail.way import Arriving, Working

_ENDS = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)
_BLAMES = ("attempt", "loss", "none")

STAGES = (
    *("receive", "fetch", "probe", "store_original", "admit"),
    *("wait", "prepare", "hand_over", "open", "decode", "steps", "look", "encode"),
    *("answer", "store_result", "settle"),
)
"""The parts of a job's way, in their order; a picture is received or fetched."""

# What a worker calls its laps, and what we call them; a lap of another name is no stage.
_LAPS = {"open": "open", "decoding": "decode", "processing": "steps", "look": "look"}


class Ever:
    """One node's counts of jobs."""

    def __init__(self) -> None:
        self.admitted = Counts("class", "source")
        """Jobs let in here."""
        self.ended = Counts("state", "error", known=[(one.value, "") for one in _ENDS])
        """Jobs settled here; error is the code of a failure."""
        self.durations = Durations("class", bounds=JOB_S, known=names.LANE_CLASSES)
        """From admission to the end, of what was worked on here and completed."""
        self.stages = Durations("stage", bounds=STAGE_S, known=STAGES)
        self.given_back = Counts("blame", known=_BLAMES)
        """Attempts that did not end their job, by who is to blame."""
        self.files_in = Counts("format")
        self.bytes_in = Counts("format")
        self.files_out = Counts("format")
        self.bytes_out = Counts("format")
        self.problems = Counts("status", "code")
        """Answers that said no, and those that went wrong."""

    def came_in(self, way: Arriving, admitted_ms: float, *, is_fetched: bool) -> None:
        """A picture is a job now."""
        add = self.stages.add
        if is_fetched:
            add(_s(way.asked_ms, way.spooled_ms), "fetch")
        else:
            add(_s(way.first_byte_ms, way.spooled_ms), "receive")
        add(_s(way.spooled_ms, way.probed_ms), "probe")
        add(_s(way.storing_ms, way.stored_ms), "store_original")
        add(_s(way.stored_ms, admitted_ms), "admit")

    def worked(self, work: Working, waiting_since_ms: float, settled_ms: float) -> None:
        """A job was completed by this attempt."""
        add, turn = self.stages.add, work.turn
        add(_s(waiting_since_ms, turn.claimed_ms), "wait")
        add(_s(turn.claimed_ms, turn.handed_ms), "prepare")
        add(_s(turn.handed_ms, work.began_ms), "hand_over")
        at_ms, saving_s = work.began_ms, 0.0
        for name, ended_ms in work.laps:
            if name.startswith("save "):
                saving_s += _s(at_ms, ended_ms)
            elif name in _LAPS:
                add(_s(at_ms, ended_ms), _LAPS[name])
            at_ms = ended_ms
        add(saving_s, "encode")
        add(_s(at_ms, turn.answered_ms), "answer")
        add(_s(turn.answered_ms, work.stored_ms), "store_result")
        add(_s(work.stored_ms, settled_ms), "settle")


def _s(began_ms: float, ended_ms: float) -> float:
    """Two nodes' clocks may differ; nothing took less than no time."""
    return max(0.0, ended_ms - began_ms) / 1000
