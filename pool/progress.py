"""True progress of one task: libvips' own eval signal as percent of the whole job."""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from pool.kill import Kill
from pool.records import Progress, Stage

if TYPE_CHECKING:
    import pyvips

# Shares measured on photographs to 800 px WebP; what is left to 100 is storing, by the parent.
SHARES = {Stage.DECODING: (0, 55), Stage.PROCESSING: (55, 65), Stage.ENCODING: (65, 95)}
# Where networks work, nearly all the time is theirs: from the end of PROCESSING to ENCODING.
SHARES_BESIDE_NETWORKS = {
    Stage.DECODING: (0, 4),
    Stage.PROCESSING: (4, 6),
    Stage.ENCODING: (90, 97),
}
OF_NETWORKS = (6, 90)
NETWORK_STAGES = {"enhance": Stage.ENHANCING, "upscale": Stage.UPSCALING}  # by step
SHORTEST_PAUSE_S = 0.1
# A smaller picture is through a stage before there would be anything to tell, and libvips calls
# back some fifty times for it: 1 ms of 40.
LEAST_FOLLOWED_PIXELS = 500_000


class Evaluation(Protocol):
    """What the eval signal tells."""

    percent: int


class Reporter:
    """Tells how far a task is, at most ten times a second, never less than before."""

    def __init__(
        self, job_id: str, attempt: int, report: Callable[[Progress], None], kill: Kill
    ) -> None:
        self._job_id = job_id
        self._attempt = attempt
        self._report = report
        self._kill = kill
        self._shares = SHARES
        self._stage = Stage.QUEUED  # of which it is a part of the percent
        self._shown = Stage.QUEUED  # the same, or what a network does within it
        self._percent = 0
        self._told_at = 0.0
        self._told_percent = -1
        self._range = (0.0, 0.0)
        # libvips calls us through a handle that the Python object holds: let one go while its
        # image is still evaluated for another, and the process aborts.
        self._watched: list[pyvips.Image] = []

    def enter(self, stage: Stage) -> None:
        """A stage begins; always told."""
        self._kill.check()
        self._stage = self._shown = stage
        self._range = self._shares[stage]
        self._percent = max(self._percent, self._shares[stage][0])
        self._tell(monotonic())

    def watch(self, image: "pyvips.Image", done: float = 0.0, share: float = 1.0) -> None:
        """Follow the evaluation of whatever is made from `image`.

        It is the part of the stage from `done` to `done + share`, both of 1.
        """
        self._shown = self._stage
        low, high = self._shares[self._stage]
        width = high - low
        self._range = (low + width * done, low + width * (done + share))
        image.set_progress(True)  # without it a kill is not heard
        if image.width * image.height >= LEAST_FOLLOWED_PIXELS:
            image.signal_connect("eval", self._evaluated)
        self._watched.append(image)
        self._kill.watch(image)

    def check(self) -> None:
        """Between two evaluations: raise Refused if the task was stopped."""
        self._kill.check()

    def expect_networks(self) -> None:
        """Networks will do most of this task; their part is told by `worked`."""
        self._shares = SHARES_BESIDE_NETWORKS

    def worked(self, step: str, part: float) -> None:
        """A step's network is at work, and so much of all networks' work is done, 0 to 1.

        Raises Refused if the task was stopped.
        """
        self._kill.check()
        low, high = OF_NETWORKS
        stage = NETWORK_STAGES[step]
        if stage is not self._shown:
            self._shown = stage
            self._percent = max(self._percent, int(low))
            self._tell(monotonic())
        self._advance(low + (high - low) * part)

    def rest(self) -> None:
        """The task is over; let go of its pictures."""
        self._watched.clear()
        self._kill.rest()

    def _evaluated(self, _image: "pyvips.Image", evaluation: Evaluation) -> None:
        self._kill.again()
        low, high = self._range
        self._advance(low + (high - low) * evaluation.percent / 100)

    def _advance(self, percent: float) -> None:
        self._percent = max(self._percent, int(percent))
        now = monotonic()
        if self._percent > self._told_percent and now - self._told_at >= SHORTEST_PAUSE_S:
            self._tell(now)

    def _tell(self, now: float) -> None:
        self._told_at = now
        self._told_percent = self._percent
        self._report(Progress(self._job_id, self._attempt, self._shown, self._percent))
