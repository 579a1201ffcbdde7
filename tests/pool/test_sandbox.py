"""What code inside a child may not do, and that libvips still works there."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pool import syscalls
from pool.lane import Lane, LaneSettings
from tests.pool import deeds

TOP = Path(__file__).parents[2]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


@pytest_asyncio.fixture
async def lane(spool: Path) -> AsyncIterator[Lane]:
    """A lane whose child is shut in; it may read this checkout, for the deeds of the tests."""
    settings = LaneSettings(spool=str(spool), read_only=(str(TOP),))
    lane = Lane("test", on_progress=lambda _: None, settings=settings)
    await lane.start()
    if lane.sandbox is not None and "off" in (lane.sandbox.landlock, lane.sandbox.seccomp):
        reason = lane.sandbox.reason
        await lane.close()
        pytest.skip(f"this kernel cannot shut a child in: {reason}")
    yield lane
    await lane.close()


async def test_the_state_of_the_sandbox_is_told(lane: Lane) -> None:
    assert lane.sandbox is not None
    assert lane.sandbox.landlock.startswith("on (abi ")
    assert lane.sandbox.seccomp == "on"
    assert await lane.run(deeds.limits_in_force, None) == {"NoNewPrivs": "1", "Seccomp": "2"}


async def test_without_a_spool_a_child_is_not_shut_in_and_says_so() -> None:
    lane = Lane("test", on_progress=lambda _: None, settings=LaneSettings())
    await lane.start()
    state = lane.sandbox
    allowed = await lane.run(deeds.attempt, "read /etc/passwd")
    await lane.close()

    assert state is not None
    assert (state.landlock, state.seccomp) == ("off", "off")
    assert allowed == "allowed"


@pytest.mark.parametrize(
    "what",
    ["socket", "unix-socket", "fork", "shell", "system", "exec", "signal-group"],
)
async def test_a_child_reaches_neither_the_network_nor_another_program(
    lane: Lane, what: str
) -> None:
    assert await lane.run(deeds.attempt, what) == "PermissionError"


async def test_a_child_cannot_signal_its_server_but_may_end_itself(lane: Lane) -> None:
    assert await lane.run(deeds.attempt, f"signal {os.getpid()}") == "PermissionError"
    assert await lane.run(deeds.attempt, "own-signal") == "allowed"


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/1/environ", "/dev/shm", "/root"])
async def test_a_child_cannot_read_the_system(lane: Lane, path: str) -> None:
    assert await lane.run(deeds.attempt, f"read {path}") == "PermissionError"


async def test_a_child_touches_no_file_outside_the_spool(lane: Lane, tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(b"kept")

    for what in ("read", "write", "chmod"):
        assert await lane.run(deeds.attempt, f"{what} {outside}") == "PermissionError"
    assert await lane.run(deeds.attempt, f"write {tmp_path}/new") == "PermissionError"

    assert outside.read_bytes() == b"kept"
    assert not (tmp_path / "new").exists()


async def test_a_child_writes_in_the_spool_but_leaves_no_link_there(
    lane: Lane, spool: Path
) -> None:
    assert await lane.run(deeds.attempt, f"write {spool}/file") == "allowed"
    assert await lane.run(deeds.attempt, f"read {spool}/file") == "allowed"
    assert await lane.run(deeds.attempt, f"link {spool}/link") == "PermissionError"

    assert not (spool / "link").is_symlink()


async def test_what_is_read_only_is_not_written(lane: Lane) -> None:
    target = Path(__file__).with_name("never-written")

    assert await lane.run(deeds.attempt, f"write {target}") == "PermissionError"

    assert not target.exists()


async def test_libvips_works_with_threads_inside(lane: Lane, spool: Path) -> None:
    assert await lane.run(deeds.develop_in_threads, str(spool)) == (1500, 1500)
    assert (spool / "inside.avif").stat().st_size > 0


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_program_for_each_machine_fits_the_kernel_and_ends_in_allow(machine: str) -> None:
    program = syscalls.program(machine, pid=7)
    lines = list(syscalls.INSTRUCTION.iter_unpack(program))

    assert len(lines) < 4096
    assert lines[-1] == (syscalls.RETURN, 0, 0, syscalls.ALLOW)
    for place, (_, jump_true, jump_false, _) in enumerate(lines[:-1]):
        assert place + 1 + max(jump_true, jump_false) < len(lines)


def test_an_unknown_machine_has_no_program() -> None:
    with pytest.raises(OSError, match="no table of system calls for vax"):
        syscalls.program("vax", pid=7)
