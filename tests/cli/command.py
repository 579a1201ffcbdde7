"""`safelight` as its user calls it: in this process, or as one of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from typer.testing import CliRunner

from server.cli import cli
from tests.server_process import PROJECT


@dataclass(frozen=True)
class Done:
    """What a command has left."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its output as JSON, a line each."""
        return [orjson.loads(line) for line in self.out.splitlines()]


def safelight(*arguments: object, stdin: bytes | None = None, **environment: str) -> Done:
    """Run here: without the second that a start of Python takes."""
    result = CliRunner().invoke(cli, [*map(str, arguments)], input=stdin, env={**environment})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


@contextmanager
def started(*arguments: object, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of its own, which can be interrupted."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server", *map(str, arguments)],
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
