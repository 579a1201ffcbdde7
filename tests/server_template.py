"""A process that has loaded what a server loads, and forks servers: a start costs no imports.

Most tests start a server of their own, and of its start more than half is the loading of modules.
What is forked goes on as `python -m server` does, from its command line on. Tests of the command
itself, and one server that all share, start it as an operator does.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, NoReturn

PROJECT = Path(__file__).parents[1]
LOADED = (
    *("server.service", "server.cli.serve", "server.cli.settings", "server.ops.networks", "uvloop"),
    *("alembic.command", "alembic.script", "sqlalchemy.dialects.sqlite.aiosqlite"),
)
_MOST_BYTES = 1 << 20
_PIECES = 3  # stdout, stderr, and where the template tells a server's id and exit code


class Forked:
    """A forked server, with the face of a Popen as far as tests use it."""

    def __init__(self, stdout: IO[str], told: int) -> None:
        self.stdout = stdout
        self.returncode: int | None = None
        self._told = told
        self._lock = threading.Lock()
        self.pid = int(self._next_number())

    def poll(self) -> int | None:
        """Its exit code, or None while it runs; -n if signal n ended it."""
        with self._lock:
            if self.returncode is None and select.select([self._told], [], [], 0)[0]:
                self.returncode = self._next_number()
                os.close(self._told)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        if self.poll() is None:
            select.select([self._told], [], [], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("a forked server", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """To it alone; nothing once it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _next_number(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            piece = os.read(self._told, 1)
            assert piece, "the template of servers has ended"
            line += piece
        return int(line)


def fork_server(arguments: list[str], environment: Mapping[str, str], stderr: int) -> Forked:
    """`python -m server ARGUMENTS` with this environment and no other."""
    stdout_end, stdout = os.pipe()
    told_end, told = os.pipe()
    asked = json.dumps({"arguments": arguments, "environment": dict(environment)}).encode()
    assert len(asked) < _MOST_BYTES
    try:
        socket.send_fds(_template()[0], [asked], [stdout, stderr, told])
    finally:
        os.close(stdout)
        os.close(told)
    return Forked(os.fdopen(stdout_end, encoding="utf-8"), told_end)


@cache
def _template() -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    """The way to this process' template, which ends when this end is closed; and itself."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_BYTES)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.server_template", str(its.fileno())],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
        )
    return ours, process


def _load() -> None:
    """All that `safelight serve` loads on its way."""
    for name in LOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _serve_forks(way: socket.socket) -> list[str]:
    """Fork for who asks, tell of ends; returns in the children, with their command line."""
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end of the tests is the end of `way`
    tell: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([way.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_ends(tell)
        if way.fileno() in ready:
            asked, pieces, _, _ = socket.recv_fds(way, _MOST_BYTES, _PIECES)
            if not asked:
                _end_all(tell)
            if not _is_fork(tell, pieces):
                continue
            for inherited in (*tell.values(), woken, wakes, way.fileno()):
                os.close(inherited)
            return _become(json.loads(asked), pieces)


def _is_fork(tell: dict[int, int], pieces: list[int]) -> bool:
    """Fork; whether this is the new process. The other one notes whom to tell of its end."""
    [_] = Path("/proc/self/task").iterdir()  # another thread would not live on in a fork
    if pid := os.fork():
        tell[pid] = pieces[2]
        os.write(pieces[2], b"%d\n" % pid)
        for piece in pieces[:2]:
            os.close(piece)
        return False
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return True


def _end_all(tell: dict[int, int]) -> NoReturn:
    """The tests are over, or were killed: no server outlives them."""
    for pid in tell:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    raise SystemExit(0)


def _tell_ends(tell: dict[int, int]) -> None:
    while tell:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        told = tell.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody asks any more
            os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(told)


def _become(asked: dict[str, object], pieces: list[int]) -> list[str]:
    """In the child: streams and environment as of a process of its own."""
    os.dup2(pieces[0], 1)
    os.dup2(pieces[1], 2)
    for piece in pieces:
        os.close(piece)
    os.environ.clear()
    environment, arguments = asked["environment"], asked["arguments"]
    assert isinstance(environment, dict) and isinstance(arguments, list)
    os.environ.update(environment)
    return arguments


def main() -> NoReturn:
    """Runs as the template, and in each fork as the server."""
    way = socket.socket(fileno=int(sys.argv[1]))
    _load()
    arguments = _serve_forks(way)
    way.detach()  # closed there
    sys.argv[1:] = arguments
    runpy.run_module("server", run_name="__main__", alter_sys=True)
    raise SystemExit(0)


if __name__ == "__main__":
    main()
