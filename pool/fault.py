"""What is wrong with a picture or a job, and the exception that carries it inside the pool."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """The failure of one job; `detail` is shown to the client as it is."""

    code: str
    detail: str
    limit: int | None = None
    actual: int | None = None


class Refused(Exception):
    """Work on this picture ends here, for the reason in `fault`."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault
