"""What the tests of the doctor share: settings for a folder, one area looked at, small disks."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.config import Settings, load
from server.ops.doctor.examine import holder_of
from server.ops.doctor.finding import Check, Finding, State, Surroundings

needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may mount the small disks of this test"
)


def settings_for(data_dir: Path, **sections: dict[str, Any]) -> Settings:
    """The defaults, but for what is given by section."""
    server = {"data_dir": data_dir, "port": 0}
    return load(None, {**sections, "server": {**server, **sections.get("server", {})}})


async def found(check: Check, settings: Settings, folder: Path) -> list[Finding]:
    """What one area says."""
    data_dir = settings.server.data_dir.resolve()
    own = folder / "own"
    own.mkdir(exist_ok=True)
    here = Surroundings(settings, data_dir, own, holder_of(data_dir), None)
    return [finding async for finding in check(here)]


def only(findings: list[Finding], state: State) -> Finding:
    """The one in that state."""
    [one] = [finding for finding in findings if finding.state is state]
    return one


def states(findings: list[Finding]) -> set[State]:
    """All that there are."""
    return {finding.state for finding in findings}


@contextmanager
def disk(place: Path, options: str) -> Iterator[Path]:
    """A file system of its own, in memory."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this container may not mount file systems")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def remount_read_only(place: Path) -> None:
    """As a kernel does it that has met errors on a disk."""
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
