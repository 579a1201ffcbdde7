"""What is about to become a job: a checked picture with its recipe, as its hash will have it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """A checked picture with its recipe, about to be admitted. Sizes in bytes.

    original_key: where its own file lies; where the same bytes are held already, that goes.
    dedup: digest of the result that it shares; "": none.
    source: by which way it came in; "": its hash knows already, since it was fetched.
    network_s: what networks should take for it, and network_turn_s how much later each job for
    networks ahead of it lets it begin, if they are all like it.
    request_id, trace: of the request that brought it (trail/context.py); "" likewise.
    """

    job_id: str
    name: str
    recipe: str
    original_key: str
    original_bytes: int
    original_format: str
    width: int
    height: int
    cost_bytes: int
    group: str
    digest: str
    dedup: str = ""
    private: bool = False
    expires_in_s: int | None = None
    needs_network: bool = False
    network_s: float = 0.0
    network_turn_s: float = 0.0
    came: str = ""
    source: str = ""
    request_id: str = ""
    trace: str = ""

    def fields(self) -> list[str]:
        """The hash's fields, flat."""
        rare = {
            "dedup": self.dedup,
            "private": "1" if self.private else "",
            "network": "1" if self.needs_network else "",
            "network_ms": str(round(self.network_s * 1000)) if self.network_s else "",
            "network_turn_ms": str(round(self.network_turn_s * 1000)) if self.network_s else "",
            "came": self.came,
            "source": self.source,
            "request": self.request_id,
            "trace": self.trace,
            "expires": str(self.expires_in_s * 1000) if self.expires_in_s is not None else "",
        }
        return [
            *("name", self.name),
            *("recipe", self.recipe),
            *("original_key", self.original_key),
            *("original_bytes", str(self.original_bytes)),
            *("original_format", self.original_format),
            *("width", str(self.width)),
            *("height", str(self.height)),
            *("cost", str(self.cost_bytes)),
            *("group", self.group),
            *("digest", self.digest),
            *(part for name, value in rare.items() if value for part in (name, value)),
        ]
