"""How one picture ended, as it is shown to people and to programs."""

from dataclasses import dataclass, field
from typing import Any

NOT_SENT = "not sent"
SENT = "sent"  # with --no-wait
_WORDS = {"unknown": "the server does not know it any more"}


@dataclass(frozen=True, slots=True)
class Ended:
    """One picture. `status` is the job's, or NOT_SENT; `error` has code, title and detail."""

    source: str
    name: str
    status: str
    job_id: str | None = None
    batch_id: str | None = None
    url: str | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    cached: bool = False
    variants: tuple[dict[str, Any], ...] = ()
    files: tuple[str, ...] = ()
    error: dict[str, str] | None = field(default=None)

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.error is None and self.status in ("completed", SENT)

    @property
    def why(self) -> str:
        """Why it is not good, in a sentence."""
        if self.error is not None:
            return self.error["detail"] or self.error["title"]
        return _WORDS.get(self.status, self.status)

    def line(self) -> dict[str, Any]:
        """As --json shows it."""
        return {
            "source": self.source,
            "name": self.name,
            "status": self.status,
            "jobId": self.job_id,
            "batchId": self.batch_id,
            "url": self.url,
            "cached": self.cached,
            "bytesIn": self.bytes_in,
            "bytesOut": self.bytes_out,
            "variants": list(self.variants),
            "files": list(self.files),
            "error": self.error,
        }


def fault(code: str, title: str, detail: str) -> dict[str, str]:
    """An error of our own in the words of the server's."""
    return {"code": code, "title": title, "detail": detail}
