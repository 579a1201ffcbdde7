"""The stop button of one task: pressed by another thread, obeyed within one strip of pixels."""

from threading import Lock
from typing import TYPE_CHECKING

from pool.fault import Fault, Refused

if TYPE_CHECKING:
    import pyvips

WHY = {
    "cancelled": "the job was cancelled",
    "deadline_exceeded": "the job took longer than it may",
}


class Kill:
    """One per task. `now` is for the other thread, the rest for the one that develops."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._image: pyvips.Image | None = None
        self.fault: Fault | None = None

    def now(self, code: str = "cancelled") -> None:
        """Stop the task, now and whatever it begins later; the first reason stands."""
        with self._lock:
            if self.fault is None:
                self.fault = Fault(code, WHY[code])
            if self._image is not None:
                self._image.set_kill(True)

    def watch(self, image: "pyvips.Image") -> None:
        """From here on `image` is what is being evaluated."""
        with self._lock:
            self._image = image
            if self.fault is not None:
                image.set_kill(True)

    def again(self) -> None:
        """Press once more if pressed: a saver that was just beginning may have lost the first."""
        if self.fault is not None:
            self.now()

    def check(self) -> None:
        """Between two evaluations: raise Refused if pressed."""
        if self.fault is not None:
            raise Refused(self.fault)

    def rest(self) -> None:
        """The task is over; let go of its picture."""
        with self._lock:
            self._image = None
