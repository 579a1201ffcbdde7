"""The service as a whole, live: the topic `system` of the WebSocket, as a page or as lines."""

import asyncio
import random
import sys
import time
from typing import Any

import orjson
from rich.console import Console
from rich.live import Live

from server.cli.client.exits import DONE, GIVEN_UP, STOPPED, WRONG
from server.cli.client.problem import Problem
from server.cli.client.session import Service
from server.cli.client.stopping import stop_by_signal
from server.cli.flags import complain
from server.cli.following.page import line, page

_SUBSCRIBE = {"type": "subscribe", "topic": "system"}
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 10.0


class SystemWatch:
    """`once`: one message and no more. `as_json`: messages as they came, a line each."""

    def __init__(
        self, server: str, key: str | None, *, patience_s: float, once: bool, as_json: bool
    ) -> None:
        self._server = server
        self._key = key
        self._patience_s = patience_s
        self._once = once
        self._as_json = as_json
        self._console = Console()
        self._is_page = self._console.is_terminal and not as_json
        self._live: Live | None = None
        self._heard_at = time.monotonic()

    def run(self) -> int:
        """The exit code."""
        return asyncio.run(self._run())

    async def _run(self) -> int:
        watching = asyncio.create_task(self._watch())
        stop_by_signal(watching)
        try:
            if self._is_page and not self._once:
                with Live(console=self._console, screen=True, auto_refresh=False) as self._live:
                    await watching
            else:
                await watching
        except asyncio.CancelledError:
            return STOPPED
        except Problem as problem:
            complain(str(problem))
            return GIVEN_UP if problem.may_pass else WRONG
        return DONE

    async def _watch(self) -> None:
        failures = 0
        async with Service(self._server, self._key) as service:
            while True:
                try:
                    if await self._listen(service):
                        return
                    failures = 0
                except Problem as problem:
                    failures += 1
                    silent_s = time.monotonic() - self._heard_at
                    if not problem.may_pass or silent_s > self._patience_s:
                        raise
                wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(failures, 10))
                await asyncio.sleep(wait_s * random.uniform(0.5, 1))

    async def _listen(self, service: Service) -> bool:
        """Until the connection ends; true where all that was wanted has come."""
        async with service.socket() as socket:
            await socket.send(_SUBSCRIBE)
            async for message in socket.messages():
                self._heard_at = time.monotonic()
                if message["type"] == "error":
                    raise _problem(message["problem"])
                if message["type"] == "system":
                    self._show(message)
                    if self._once:
                        return True
                elif self._as_json and not self._once:
                    _write(message)
        return False

    def _show(self, message: dict[str, Any]) -> None:
        if self._as_json:
            _write(message)
        elif self._live is not None:
            self._live.update(page(message, self._server), refresh=True)
        elif self._is_page:
            self._console.print(page(message, self._server))
        else:
            print(line(message), flush=True)


def _write(message: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(message).decode() + "\n")
    sys.stdout.flush()


def _problem(told: dict[str, Any]) -> Problem:
    code = str(told["type"]).removeprefix("/problems/")
    return Problem(code, told["title"], told["detail"], status=told["status"])
