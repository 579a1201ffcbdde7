"""Every way the service says no, as the contract tells it: read from server/refusals.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from server.edge.hosting.byterange import NotSatisfiable
from server.refusals import FETCH_FAULTS, JOB_FAULTS, PICTURE_FAULTS, Faulted, Refusal

# Beside the ranges it is about; imported, so that it is met.
_ELSEWHERE: tuple[type[Refusal], ...] = (NotSatisfiable,)


@dataclass(frozen=True, slots=True)
class Problem:
    """One code with what is fixed about it."""

    code: str
    status: int
    title: str
    about: str

    def example(self) -> dict[str, Any]:
        """The members that are always there."""
        return {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.about,
            "requestId": "5d4ad0b2c9f1e683",
        }


def _problems() -> Iterator[Problem]:
    kinds: tuple[type[Refusal], ...] = (Refusal, *_below(Refusal), *_ELSEWHERE)
    for kind in kinds:
        if kind is not Faulted:  # its code is that of the fault
            about = (kind.__doc__ or "").partition("\n")[0]
            yield Problem(kind.code, kind.status, kind.title, about)
    for code, (status, title) in (PICTURE_FAULTS | FETCH_FAULTS | JOB_FAULTS).items():
        yield Problem(code, status, title, f"{title}.")


def _below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _below(inner)


PROBLEMS: dict[str, Problem] = {problem.code: problem for problem in _problems()}


def problem_schema() -> dict[str, Any]:
    """The body of every refusal."""
    return {
        "type": "object",
        "description": "Why the request was refused (RFC 9457).",
        # For pages that show failures: codes in words, and those that no other attempt can help.
        "x-final": sorted(PICTURE_FAULTS),
        "x-titles": {code: problem.title for code, problem in sorted(PROBLEMS.items())},
        "required": ["type", "title", "status", "detail", "requestId"],
        "properties": {
            "type": {
                "type": "string",
                "description": "Stable: what a program decides by.",
                "enum": sorted(f"/problems/{code}" for code in PROBLEMS),
            },
            "title": {"type": "string", "description": "The code in words."},
            "status": {"type": "integer", "description": "The status of the answer."},
            "detail": {
                "type": "string",
                "description": "What was wanted, what came, what to do.",
            },
            "limit": {"type": "integer", "description": "The limit that was hit."},
            "actual": {"type": "integer", "description": "What came instead."},
            "jobId": {"type": "string", "description": "The job that failed, if it was one."},
            "requestId": {"type": "string", "description": "The log has more under it."},
        },
    }
