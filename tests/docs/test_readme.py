"""The README is followed in a copy of what a clone would have: started by make, asked by curl.

The environment is the one that these tests run in, as `make` would take it for installed; with
README_INSTALL=1 it is installed from the lock as for a stranger, which takes minutes.
"""

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.docs.blocks import blocks_of
from tests.docs.shell import Shell
from tests.server_process import PROJECT, READY

README = PROJECT / "README.md"
START = "make serve"
INSTALLS = os.environ.get("README_INSTALL") == "1"
READY_TIMEOUT_S = 900 if INSTALLS else 90


@dataclass
class Followed:
    """A copy of the project whose service runs."""

    folder: Path
    url: str


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Iterator[Followed]:
    """What `make serve` starts in the copy, on a free port."""
    folder = tmp_path_factory.mktemp("clone") / "safelight"
    _copy(folder)
    shutil.copy(pictures / "photo.jpg", folder)
    command = ["make", "serve", "ARGS=--port 0"]
    if not INSTALLS:
        (folder / ".venv").symlink_to(PROJECT / ".venv", target_is_directory=True)
        command += ["--assume-old", ".venv/serve.stamp"]
    own = {name: text for name, text in os.environ.items() if not name.startswith("SAFELIGHT_")}
    log = (folder.parent / "log").open("w+")
    process = subprocess.Popen(
        command, cwd=folder, env=own, stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        yield Followed(folder, _ready(process, log.name))
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        for one in [*family, psutil.Process(process.pid)]:
            with suppress(psutil.NoSuchProcess):  # it ended just now
                if "serve" in one.cmdline():
                    one.send_signal(signal.SIGTERM)
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()
        log.close()


@pytest.mark.timeout(READY_TIMEOUT_S + 120)
def test_every_command_of_the_readme_works(followed: Followed) -> None:
    blocks = blocks_of(README)
    place = followed.url.removeprefix("http://")
    shell = Shell(followed.folder, {"127.0.0.1:8080": place})
    started, *others = [one for one in blocks if one.why_not is None]

    assert started.commands.split("#")[0].strip() == START
    assert len([one for one in blocks if one.why_not]) == 1
    assert len(others) >= 2
    for block in others:
        shell.run(block)
    assert (followed.folder / "data").is_dir()
    assert [file.suffix for file in (followed.folder / "out").iterdir()] == [".avif"]


def _copy(folder: Path) -> None:
    """What git would give: nothing that is ignored, nothing that is only here."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git repository: what a clone would have is not known")
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, target = PROJECT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def _ready(process: "subprocess.Popen[str]", log: str) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + READY_TIMEOUT_S
    while (left_s := deadline - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left_s)[0]:
            break
        line = process.stdout.readline()
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
        assert line, f"it ended before it was ready:\n{Path(log).read_text()[-3000:]}"
    raise AssertionError(f"it was not ready:\n{Path(log).read_text()[-3000:]}")
