"""When it is worth asking Redis for work: some came, some was left, or a while has passed.

Most claims would bring nothing otherwise: one after each job that ends, one for each wake that was
meant for others.
"""

import time


class News:
    """One claimer's notes."""

    def __init__(self, *, every_s: float) -> None:
        """every_s: asked so often in any case, for what is delayed and for a wake that was lost."""
        self._every_s = every_s
        self._has_come = True
        self._asked_at = -every_s

    @property
    def is_due(self) -> bool:
        """Whether a claim may bring something."""
        return self._has_come or time.monotonic() >= self._asked_at + self._every_s

    def note(self) -> None:
        """Something came, or was left by the last claim."""
        self._has_come = True

    def ask(self) -> None:
        """A claim begins: what comes from now on may be too late for it."""
        self._has_come = False
        self._asked_at = time.monotonic()
