"""Our service as an operator starts it.

Tests fork theirs from a process that has loaded it; what such a server shares with that process
would count half, and what it need not load would not count at all.
"""

from collections.abc import Mapping
from pathlib import Path

from tests import server_process
from tests.server_process import ServerProcess


def start(data_dir: Path, *, environment: Mapping[str, str]) -> ServerProcess:
    """On a free port, with a data folder of its own; it answers when this returns."""
    return server_process.start(
        data_dir, environment=environment, program=server_process.PROGRAM, usual={}
    )
