"""What all sockets, or all event streams, of this process have been sent."""

from dataclasses import dataclass


@dataclass(slots=True)
class Sent:
    """How many events left; cut_off: readers that took nothing for live.send_timeout_s."""

    events: int = 0
    cut_off: int = 0
