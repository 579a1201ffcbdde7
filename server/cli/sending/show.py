"""What `safelight upload` shows: bars where somebody looks on, else lines; a table at the end."""

import sys
import time
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from server.cli.sending.ended import SENT, Ended

_MOST_ROWS = 40
_MOST_FAULTS = 50


class Show:
    """Told by the sender. `as_json`: a JSON line a picture on standard output and no other word.

    Bars and remarks go to standard error, so that the output can be piped.
    """

    def __init__(self, *, as_json: bool, is_quiet: bool) -> None:
        self._as_json = as_json
        self._is_quiet = is_quiet
        self._out = Console(soft_wrap=True, highlight=False)
        self._remarks = Console(stderr=True, soft_wrap=True, highlight=False)
        self._has_bars = self._remarks.is_terminal and not is_quiet
        self._is_table = self._out.is_terminal and not as_json
        self._progress: Progress | None = None
        self._since = time.monotonic()
        self._rows: list[Ended] = []
        self._faults: list[Ended] = []
        self.good = self.bad = self._bytes_in = self._bytes_out = 0

    def begin(self) -> None:
        """Show bars, if anybody can see them."""
        if not self._has_bars:
            return
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            _Amount(),
            TimeRemainingColumn(),
            console=self._remarks,
            transient=True,
        )
        self._sending = self._progress.add_task("sending", total=None, unit="bytes")
        self._developing = self._progress.add_task("developing", total=None, unit="pictures")
        self._progress.start()

    def end(self) -> None:
        """Take the bars away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def found(self, pictures: int, size: int) -> None:
        """How much there is to do."""
        if self._progress is not None:
            self._progress.update(self._sending, total=size)
            self._progress.update(self._developing, total=pictures)

    def sent(self, count: int) -> None:
        """So many bytes more have gone out."""
        if self._progress is not None:
            self._progress.advance(self._sending, count)

    def moved(self, progress: float) -> None:
        """See Audience.moved."""
        if self._progress is not None:
            self._progress.advance(self._developing, progress)

    def tell(self, text: str) -> None:
        """A remark on the way."""
        if not self._is_quiet:
            self._remarks.print(escape(text), style="yellow")

    def ended(self, one: Ended) -> None:
        """See Audience.ended."""
        if one.is_good:
            self.good += 1
            self._bytes_in += one.bytes_in
            self._bytes_out += one.bytes_out
        else:
            self.bad += 1
        if one.job_id is None or one.status == SENT:
            self.moved(1.0)  # nobody else tells of it
        self._keep(one)
        if self._as_json:
            sys.stdout.write(orjson.dumps(one.line()).decode() + "\n")
            sys.stdout.flush()
        elif not self._is_table and not (self._is_quiet and one.is_good):
            print(_plain(one), flush=True)

    def summary(self) -> None:
        """The table, what failed, and one line for all of it."""
        self.end()
        if self._is_table and not self._is_quiet:
            self._tabulate()
        if self._is_table and self.bad:
            for one in self._faults:
                self._out.print(f"[red]{escape(one.source)}: {escape(one.why)}[/]")
            if self.bad > len(self._faults):
                self._out.print(f"[red]and {self.bad - len(self._faults)} more[/]")
        if not self._is_quiet:
            self._remarks.print(escape(self._line()))

    def _keep(self, one: Ended) -> None:
        """Few enough to stay small however many there are."""
        if not one.is_good and len(self._faults) < _MOST_FAULTS:
            self._faults.append(one)
        if len(self._rows) <= _MOST_ROWS:
            self._rows.append(one)

    def _tabulate(self) -> None:
        rows = [one for one in self._rows if one.is_good]
        if not rows or len(self._rows) > _MOST_ROWS:
            return
        table = Table("picture", "result", "before", "after", box=None, header_style="bold")
        for one in rows:
            where = ", ".join(one.files) or one.url or one.job_id or ""
            note = " (made before)" if one.cached else ""
            after = size(one.bytes_out) if one.bytes_out else ""
            table.add_row(escape(one.source), escape(where + note), size(one.bytes_in), after)
        self._out.print(table, soft_wrap=False)

    def _line(self) -> str:
        taken_s = time.monotonic() - self._since
        line = f"{self.good} of {self.good + self.bad} done in {taken_s:.1f} s"
        if self._bytes_in and self._bytes_out:
            change = 100 * (self._bytes_out - self._bytes_in) / self._bytes_in
            line += f", {size(self._bytes_in)} to {size(self._bytes_out)} ({change:+.0f} %)"
        return line


class _Amount(TextColumn):
    """Bytes with their speed for one bar, pictures for the other."""

    def __init__(self) -> None:
        super().__init__("")
        self._bytes, self._speed = DownloadColumn(), TransferSpeedColumn()
        self._pictures = MofNCompleteColumn()

    def render(self, task: Any) -> Any:
        """`task` and the answer are rich's own."""
        if task.fields["unit"] == "bytes":
            return self._bytes.render(task) + " " + self._speed.render(task)
        return self._pictures.render(task)


def size(count: int) -> str:
    """Bytes for people."""
    if count < 10_000:
        return f"{count} bytes"
    return f"{count / 1000:,.0f} kB" if count < 10_000_000 else f"{count / 1_000_000:,.1f} MB"


def _plain(one: Ended) -> str:
    """One line for a log or a pipe: picture, status, result or reason, apart by tabs."""
    if not one.is_good:
        return f"{one.source}\t{one.status if one.job_id else 'refused'}\t{one.why}"
    where = " ".join(one.files) or one.url or one.job_id or ""
    return f"{one.source}\t{one.status}\t{where}"
