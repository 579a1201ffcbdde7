"""The doctor on data folders that are broken for real."""

import os
from pathlib import Path

import pytest

from server.ops.doctor import folder
from server.ops.doctor.finding import State
from server.ops.lock import data_dir_lock
from tests.ops.doctor.places import (
    disk,
    found,
    needs_mounts,
    only,
    remount_read_only,
    settings_for,
    states,
)


async def test_a_sound_folder_is_good_and_nothing_of_the_look_is_left(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "spool").mkdir(parents=True)

    findings = await found(folder.check, settings_for(data), tmp_path)

    assert states(findings) == {State.GOOD}
    assert [one.name for one in data.iterdir()] == ["spool"]


async def test_a_folder_in_use_is_said_to_be(tmp_path: Path) -> None:
    data = tmp_path / "data"

    with data_dir_lock(data):
        findings = await found(folder.check, settings_for(data), tmp_path)

    told = only(findings, State.SKIPPED)
    assert f"process id {os.getpid()}" in told.says
    assert State.WRONG not in states(findings)


async def test_a_file_in_the_place_of_the_folder_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")

    [told] = await found(folder.check, settings_for(tmp_path / "data"), tmp_path)

    assert told.state is State.WRONG
    assert "server.data_dir" in told.advice


@needs_mounts
async def test_a_read_only_disk_is_named_as_such(tmp_path: Path) -> None:
    with disk(tmp_path / "data", "size=1m") as data:
        remount_read_only(data)
        findings = await found(folder.check, settings_for(data), tmp_path)

    told = next(one for one in findings if "cannot be written" in one.says)
    assert told.state is State.WRONG
    assert "mounted read-only" in told.advice


@needs_mounts
async def test_a_full_disk_is_named_as_such(tmp_path: Path) -> None:
    with disk(tmp_path / "data", "size=64k") as data:
        (data / "filler").write_bytes(bytes(64 * 1024))
        findings = await found(folder.check, settings_for(data), tmp_path)

    wrong = [one for one in findings if one.state is State.WRONG]
    assert any("No space left" in one.says and "gc --dry-run" in one.advice for one in wrong)
    assert any("every upload is refused (507)" in one.says for one in wrong)


@needs_mounts
async def test_a_spool_on_another_disk_is_wrong(tmp_path: Path) -> None:
    data = tmp_path / "data"

    with disk(data / "spool", "size=1m"):
        findings = await found(folder.check, settings_for(data), tmp_path)

    assert "several file systems" in only(findings, State.WRONG).says


@pytest.mark.parametrize(("factor", "state"), [(1.5, State.WARNING), (0.5, State.WRONG)])
async def test_little_room_is_told_before_uploads_are_refused(
    tmp_path: Path, factor: float, state: State
) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    data = tmp_path / "data"
    data.mkdir()

    settings = settings_for(data, storage={"min_free_bytes": int(free / factor)})
    findings = await found(folder.check, settings, tmp_path)

    assert "507" in only(findings, state).says + only(findings, state).advice
