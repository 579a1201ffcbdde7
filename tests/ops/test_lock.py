"""One server a data folder."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.ops.lock import DataDirInUse, data_dir_lock
from tests.patience import PATIENCE_S


def test_second_server_is_refused_with_folder_and_process_id(tmp_path: Path) -> None:
    with data_dir_lock(tmp_path), pytest.raises(DataDirInUse) as refused, data_dir_lock(tmp_path):
        pass

    assert str(tmp_path) in str(refused.value)
    assert f"process id {os.getpid()}:" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_folder_is_made_and_free_again_afterwards(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"

    with data_dir_lock(data_dir):
        pass
    with data_dir_lock(data_dir):
        assert (data_dir / "lock").read_text() == f"{os.getpid()}\n"


def test_folder_of_a_killed_server_is_free(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from server.ops.lock import data_dir_lock\n"
        "with data_dir_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DataDirInUse, match=str(holder.pid)), data_dir_lock(tmp_path):
            pass
        holder.kill()

    with data_dir_lock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_programs_started_by_the_server_do_not_hold_its_folder(tmp_path: Path) -> None:
    with data_dir_lock(tmp_path):
        child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, close_fds=False)

    with child:
        wait_until_free(tmp_path)
        assert child.poll() is None
        child.communicate()


def wait_until_free(data_dir: Path) -> None:
    """exec closes what the child shall not have, one after the other: Popen may return before."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with data_dir_lock(data_dir):
                return
        except DataDirInUse:
            if time.monotonic() > deadline:
                raise
