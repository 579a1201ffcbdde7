"""The launcher of the single-file program, with next to nothing packed behind it."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.binary.build import assemble
from tests.deploy.bare_root import can_compile
from tests.patience import PATIENCE_S

pytestmark = [
    pytest.mark.skipif(not can_compile(), reason="no C compiler with zlib: make compiler"),
]

# In the place of Python: says what it was given.
SAYS = '#!/bin/sh\nexec echo unpacked $0 "$@"\n'
NOWHERE = {"TMPDIR": "/proc"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A launcher with two small files behind it."""
    folder = tmp_path_factory.mktemp("launcher")
    top = folder / "program"
    (top / "bin").mkdir(parents=True)
    (top / "bin" / "python3").write_text(SAYS)
    (top / "bin" / "python3").chmod(0o755)
    (top / "bin" / "safelight").write_bytes(os.urandom(3_000_000))
    assemble(top, folder, folder / "safelight")
    return folder / "safelight"


def run(program: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [program, *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )


def versions(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "safelight").iterdir())


def test_arguments_pass_and_what_was_packed_is_whole(program: Path, tmp_path: Path) -> None:
    told = run(program, "serve", "--port", "1 2", XDG_CACHE_HOME=str(tmp_path))
    [version] = versions(tmp_path)
    unpacked = tmp_path / "safelight" / version / "bin"

    assert told.stdout == f"unpacked {unpacked}/python3 -I {unpacked}/safelight serve --port 1 2\n"
    packed = program.parent / "program" / "bin" / "safelight"
    assert (unpacked / "safelight").read_bytes() == packed.read_bytes()


def test_two_first_starts_at_once_make_one_folder(program: Path, tmp_path: Path) -> None:
    started = [
        subprocess.Popen([program], env={"XDG_CACHE_HOME": str(tmp_path)}, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    ended = [process.communicate(timeout=PATIENCE_S)[0] for process in started]

    assert all(text.startswith(b"unpacked ") for text in ended)
    assert len(versions(tmp_path)) == 1


def test_a_new_version_takes_those_away_that_nobody_runs(program: Path, tmp_path: Path) -> None:
    run(program, XDG_CACHE_HOME=str(tmp_path))
    [present] = versions(tmp_path)
    cache = tmp_path / "safelight"
    shutil.rmtree(cache / present)
    for name in ("0" * 32, "1" * 32, f"{present}.part"):  # two older ones, and a killed start
        (cache / name / "bin").mkdir(parents=True)
        (cache / name / "bin" / "python3").touch()
    held = os.open(cache / ("0" * 32), os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        told = run(program, XDG_CACHE_HOME=str(tmp_path))
    finally:
        os.close(held)

    assert told.stdout.startswith("unpacked "), told.stderr
    assert versions(tmp_path) == sorted(["0" * 32, present])


def test_whoever_runs_holds_the_folder(program: Path, tmp_path: Path) -> None:
    run(program, XDG_CACHE_HOME=str(tmp_path))
    [version] = versions(tmp_path)
    folder = tmp_path / "safelight" / version
    (folder / "bin" / "python3").write_text("#!/bin/sh\necho held\nread end\n")
    process = subprocess.Popen(
        [program],
        env={"XDG_CACHE_HOME": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    looking = os.open(folder, os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(looking, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process.communicate(b"\n", timeout=PATIENCE_S)

        fcntl.flock(looking, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(looking)


def test_a_folder_that_others_can_write_into_is_not_used(program: Path, tmp_path: Path) -> None:
    planted = tmp_path / "open" / "safelight"
    planted.mkdir(parents=True)
    planted.chmod(0o777)
    own = tmp_path / "own"
    own.mkdir()
    told = run(program, XDG_CACHE_HOME=str(planted.parent), TMPDIR=str(own))
    refused = run(program, XDG_CACHE_HOME=str(planted.parent), **NOWHERE)

    assert told.stdout.startswith(f"unpacked {own}/safelight-{os.geteuid()}/")
    assert list(planted.iterdir()) == []
    assert refused.returncode == 1
    assert "Set XDG_CACHE_HOME" in refused.stderr


@pytest.mark.parametrize(("kept", "reason"), [(0.5, "its end is not here"), (1, "damaged: ")])
def test_a_damaged_program_says_so_and_leaves_nothing(
    program: Path, tmp_path: Path, kept: float, reason: str
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copy(program, damaged)
    size = damaged.stat().st_size
    os.truncate(damaged, int(size * kept))
    with damaged.open("r+b") as content:
        content.seek(size // 2 - 4096)
        content.write(bytes(4096))

    told = run(damaged, XDG_CACHE_HOME=str(tmp_path / "spoilt"))

    assert told.returncode == 1
    assert reason in told.stderr
    spoilt = tmp_path / "spoilt"
    assert not spoilt.exists() or versions(spoilt) == []
