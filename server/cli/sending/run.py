"""One run of `safelight upload` from its first look at the server to its exit code."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from server.cli.client.exits import DONE, GIVEN_UP, SOME_FAILED, STOPPED, WRONG
from server.cli.client.patience import Patience
from server.cli.client.problem import Problem
from server.cli.client.results import Results
from server.cli.client.session import Service
from server.cli.client.stopping import stop_by_signal
from server.cli.flags import complain
from server.cli.sending.groups import Bounds, groups
from server.cli.sending.pictures import Picture, Targets, Unreadable, pictures, safe, total
from server.cli.sending.requests import Requests
from server.cli.sending.sender import Sender, Terms
from server.cli.sending.show import Show

_STDIN = "-"


@dataclass(frozen=True, slots=True)
class Run:
    """Which server, with which key, and what is shown."""

    server: str
    key: str | None
    as_json: bool
    is_quiet: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to send and how, as the command line says."""

    arguments: tuple[str, ...]
    stdin_name: str
    recursive: bool
    fields: Mapping[str, str]
    concurrency: int
    in_flight: int
    patience_s: float
    output: Path | None
    force: bool
    waits: bool


def run(one: Run, wanted: Wanted) -> int:
    """The exit code; docs/cli.md says what each means."""
    show = Show(as_json=one.as_json, is_quiet=one.is_quiet)
    with ExitStack() as stack:
        stdin = _read_stdin(stack, wanted) if _STDIN in wanted.arguments else None
        try:
            return asyncio.run(_Sending(one, wanted, show, stdin).run())
        finally:
            show.end()


class _Sending:
    def __init__(
        self, one: Run, wanted: Wanted, show: Show, stdin: Picture | Unreadable | None
    ) -> None:
        self._one = one
        self._wanted = wanted
        self._show = show
        self._stdin = stdin
        self._sender: Sender | None = None

    async def run(self) -> int:
        sending = asyncio.create_task(self._send())
        stop_by_signal(sending)
        try:
            await sending
        except asyncio.CancelledError:
            self._show.summary()
            self._tell_what_goes_on()
            return STOPPED
        except Problem as problem:
            self._show.summary()
            self._tell_what_goes_on()
            complain(str(problem))
            return GIVEN_UP if problem.may_pass else WRONG
        self._show.summary()
        return SOME_FAILED if self._show.bad else DONE

    async def _send(self) -> None:
        one, wanted, show = self._one, self._wanted, self._show
        async with Service(one.server, one.key, connections=wanted.concurrency + 4) as service:
            patience = Patience(wanted.patience_s, show.tell)
            offer = (await patience.ask(lambda: service.ask("GET", "/config"))).body
            _refuse_unfit_key(offer, waits=wanted.waits)
            bounds = Bounds(offer["maxFiles"], offer["maxUrls"], offer["maxUploadBytes"])
            results = None
            if wanted.output is not None:
                results = Results(service, patience, wanted.output, overwrites=wanted.force)
            requests = Requests(service, patience, wanted.fields, on_bytes=show.sent)
            self._sender = Sender(
                *(service, requests, results, show),
                terms=Terms(wanted.concurrency, wanted.in_flight, wanted.waits),
                patience_s=wanted.patience_s,
            )
            show.begin()
            counting = asyncio.create_task(asyncio.to_thread(total, self._found()))
            counting.add_done_callback(self._tell_total)
            await self._sender.run(groups(self._found(), bounds))
            await counting

    def _tell_total(self, counted: "asyncio.Task[tuple[int, int]]") -> None:
        if not counted.cancelled() and counted.exception() is None:
            self._show.found(*counted.result())

    def _found(self) -> Iterator[Picture | Unreadable]:
        """In one go: targets must differ among all arguments."""
        arguments = [one for one in self._wanted.arguments if one != _STDIN]
        if self._stdin is not None:
            yield self._stdin
        yield from pictures(arguments, recursive=self._wanted.recursive)

    def _tell_what_goes_on(self) -> None:
        ids = self._sender.at_the_server if self._sender is not None else []
        if not ids or self._one.is_quiet:
            return
        server = f" --server {self._one.server}"
        fetch = f" -o {self._wanted.output}" if self._wanted.output is not None else ""
        print(
            "What was sent goes on at the server; the rest was not sent. To follow it:\n"
            f"  safelight watch {' '.join(ids)}{server}{fetch}",
            file=sys.stderr,
        )


def _refuse_unfit_key(offer: dict[str, object], *, waits: bool) -> None:
    """Before anything is sent: what the server would refuse at the first picture, or after it."""
    if not offer["keyNeeded"]:
        return
    key = offer["key"]
    if not isinstance(key, dict):
        detail = "Give --key-file, or set SAFELIGHT_KEY; `safelight key new` makes one."
        raise Problem("key_missing", "This server asks for an API key", detail, status=401)
    needed = {"upload", "read"} if waits else {"upload"}
    missing = needed - set(key["scopes"])
    if missing and "admin" not in key["scopes"]:
        advice = "; --no-wait sends without it" if missing == {"read"} else ""
        detail = f"The key '{key['name']}' has {', '.join(key['scopes'])}{advice}."
        title = f"This needs the scope {' and '.join(sorted(missing))}"
        raise Problem("scope_missing", title, detail, status=403)


def _read_stdin(stack: ExitStack, wanted: Wanted) -> Picture | Unreadable:
    """Into a file: its length must be known, and an answer that is lost asks for it again."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="safelight-"))
    path = Path(folder, "stdin")
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        size = file.tell()
    if not size:
        return Unreadable(_STDIN, "standard input is empty")
    target = Targets().of(safe(wanted.stdin_name))
    return Picture(_STDIN, wanted.stdin_name, target, path, size)
