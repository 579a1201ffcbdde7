"""The real server as a process of its own: started, waited for, stopped, and nothing of it left."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.patience import PATIENCE_S
from tests.processes import wait_until_gone
from tests.server_template import Forked, fork_server

PROJECT = Path(__file__).parents[1]
PROGRAM = (sys.executable, "-m", "server")
READY = "Safelight is ready at "
ERROR = '"level":"error"'
READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = PATIENCE_S
UNHURRIED_S = 1.0  # a server that has nothing to do has ended by then
END_TIMEOUT_S = 30.0  # workers and Valkey, after the server has ended
LOG_TAIL_BYTES = 6000
# What a test does not choose. An answer comes when its picture is done, however busy the machine
# is; and no start measures neural networks that no test of the file asks for.
USUAL = {
    "SAFELIGHT_UPLOAD__SYNC_WAIT_S": "60",
    "SAFELIGHT_DERIVED__WAIT_S": "60",
    "SAFELIGHT_AI__ENABLED": "false",
}
WITH_NETWORKS = {"SAFELIGHT_AI__ENABLED": "true"}


@dataclass
class ServerProcess:
    """One `python -m server serve`, with the workers and the Valkey that it started."""

    url: str
    data_dir: Path
    log: Path
    process: "subprocess.Popen[str] | Forked"
    _family: set[psutil.Process] = field(default_factory=set)

    @property
    def pid(self) -> int:
        """The server itself; its workers and Valkey are its children."""
        return self.process.pid

    def children(self) -> list[psutil.Process]:
        """Workers, Valkey and whatever else it started, at this moment."""
        try:
            children = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self._family.update(children)
        return children

    def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Ask it to end as an operator would (SIGTERM); the answer is its exit code."""
        self.children()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """End it without a word (SIGKILL); workers and Valkey must notice by themselves."""
        self.children()
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)

    def _stop_at_once(self) -> None:
        # The second SIGTERM says that nobody waits for running work.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop(timeout_s=UNHURRIED_S)
        self.stop()

    def log_tail(self) -> str:
        """The end of what it wrote to stderr."""
        return self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

    def errors_logged(self) -> str:
        """What it logged as an error, and what came to stderr beside the log."""
        lines = self.log.read_text(errors="replace").split("\n")
        told = [one for one in lines if one and (ERROR in one or not one.startswith("{"))]
        return "\n".join(told)[-LOG_TAIL_BYTES:]

    def close(self) -> None:
        """Leave nothing behind, and say so if something had to be ended by force."""
        try:
            self._stop_at_once()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not stop the server:\n{self.log_tail()}") from None
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
            left = [child.pid for child in self._family if not _is_gone(child)]
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        assert not left, f"the server left processes behind: {left}\n{self.log_tail()}"


def start(
    data_dir: Path,
    *,
    environment: Mapping[str, str] | None = None,
    arguments: tuple[str, ...] = (),
    through: tuple[str, ...] = (),
    within_s: float = READY_TIMEOUT_S,
    program: tuple[str, ...] | None = None,
    usual: Mapping[str, str] = USUAL,
) -> ServerProcess:
    """Start it on a free port and wait until it says that it answers.

    through: a program that becomes it, e.g. in another network; program: what `safelight` is;
    usual: settings that `environment` may change.
    Where neither is given, nor any variable but settings, it is forked from a process that has
    loaded it (server_template.py).
    """
    log = data_dir.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = ["serve", "--port", "0", "--data-dir", str(data_dir), *arguments]
    own = {name: value for name, value in os.environ.items() if not name.startswith("SAFELIGHT_")}
    whole = own | dict(usual) | dict(environment or {})
    process: subprocess.Popen[str] | Forked
    with log.open("ab") as stderr:
        if not through and program is None and _is_read_late(environment or {}):
            process = fork_server(command, whole, stderr.fileno())
        else:
            process = subprocess.Popen(
                [*through, *(program or PROGRAM), *command],
                cwd=PROJECT,
                env=whole,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
    server = ServerProcess(url="", data_dir=data_dir, log=log, process=process)
    try:
        server.url = _ready_url(server, within_s)
    except BaseException:
        server.kill()
        server.close()
        raise
    server.children()
    return server


def _is_read_late(environment: Mapping[str, str]) -> bool:
    """Whether no library may have read any of it when it was loaded, as TLS does SSL_CERT_FILE."""
    return all(name.startswith(("SAFELIGHT_", "AWS_")) for name in environment)


def _is_gone(child: psutil.Process) -> bool:
    # is_running: the number may belong to another process by now
    return not child.is_running() or wait_until_gone(child.pid, timeout_s=END_TIMEOUT_S)


def _ready_url(server: ServerProcess, within_s: float) -> str:
    assert server.process.stdout is not None
    deadline = time.monotonic() + within_s
    while (left_s := deadline - time.monotonic()) > 0:
        if not select.select([server.process.stdout], [], [], left_s)[0]:
            break
        line = server.process.stdout.readline()
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
        assert line, f"the server ended before it was ready:\n{server.log_tail()}"
    raise AssertionError(f"the server was not ready in {within_s} s:\n{server.log_tail()}")
