"""What `safelight watch ID…` shows: a bar for each, or lines where nobody looks on."""

import sys
from collections.abc import Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

_MOST_BARS = 15


class FollowShow:
    """`as_json`: each event as a JSON line on standard output, and no other word there."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._out = Console(soft_wrap=True, highlight=False)
        self._remarks = Console(stderr=True, soft_wrap=True, highlight=False)
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}
        self._states: dict[str, str] = {}

    def begin(self, ids: Sequence[str]) -> None:
        """The first few get a bar."""
        if not self._remarks.is_terminal:
            return
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[where]}"),
            console=self._remarks,
            transient=True,
        )
        for some_id in ids[:_MOST_BARS]:
            self._bars[some_id] = self._progress.add_task(some_id, total=100, where="")
        self._progress.start()

    def end(self) -> None:
        """Take the bars away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def tell(self, text: str) -> None:
        """A remark on the way."""
        self._remarks.print(escape(text), style="yellow")

    def moved(self, picture: dict[str, Any]) -> None:
        """One event of a job or batch."""
        some_id, status = picture["jobId"], picture["status"]
        if self._as_json:
            sys.stdout.write(orjson.dumps(picture).decode() + "\n")
            sys.stdout.flush()
        elif self._progress is None and self._states.get(some_id) != status:
            print(f"{some_id}\t{status}\t{where(picture)}", flush=True)
        self._states[some_id] = status
        if self._progress is not None and some_id in self._bars:
            done = picture.get("progress") or (100 if status == "completed" else 0)
            self._progress.update(self._bars[some_id], completed=done, where=where(picture))

    def ended(self, job: dict[str, Any], fault: str | None, files: Sequence[str]) -> None:
        """A job has ended, one of a batch as well."""
        if self._as_json:
            return
        name = job.get("name") or job["jobId"]
        told = fault or " ".join(files) or job.get("url") or ""
        colour = "red" if fault else "green"
        if self._out.is_terminal:
            self._out.print(f"[{colour}]{escape(name)}[/]  {escape(told)}")
        else:
            print(f"{name}\t{job['status']}\t{told}", flush=True)


def where(picture: dict[str, Any]) -> str:
    """In a few words."""
    if "counts" in picture:
        counts = picture["counts"]
        ended = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        return f"{ended} of {picture['total']}"
    if picture["status"] == "queued" and picture.get("queuePosition") is not None:
        eta = picture.get("etaSeconds")
        return f"place {picture['queuePosition']}" + (f", about {eta:.0f} s" if eta else "")
    return str(picture.get("stage") or picture["status"])
