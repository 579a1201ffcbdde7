"""The data folder: can it be written, does it keep what was synced, is there room?"""

import errno
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

from server.ops.doctor.finding import Finding, Surroundings, good, size, skipped, warning, wrong

_SLOW_SYNC_S = 0.1  # two of them are in the way of each upload
_FEW_FILES = 20_000
_NETWORK_KINDS = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse")
_PROBE = ".doctor"


async def check(here: Surroundings) -> AsyncIterator[Finding]:
    """The folder, the disk below it, and the spool beside the results."""
    folder = here.data_dir
    if not folder.exists():
        yield _of_missing(folder)
        return
    if here.is_running:
        yield skipped(f"{folder} is in use by {_server(here.holder)}: its files are left alone")
    elif not folder.is_dir():
        yield wrong(f"{folder} is no folder", "name another one in server.data_dir")
        return
    yield _written(folder)
    for finding in (_linked(folder, here), _room(folder, here), _files(folder), _kind(folder)):
        if finding is not None:
            yield finding


def _of_missing(folder: Path) -> Finding:
    parent = next(one for one in folder.parents if one.exists())
    if os.access(parent, os.W_OK | os.X_OK):
        return good(f"{folder} is not there yet; serve makes it")
    return wrong(
        f"{folder} is not there, and {parent} cannot be written",
        f"make it for the user that serves: install -d -o {_user()} {folder}",
    )


def _written(folder: Path) -> Finding:
    """A file written, synced and removed, as each upload is."""
    probe = folder / f"{_PROBE}-{os.getpid()}"
    try:
        begun = time.monotonic()
        _write_and_sync(probe)
        _sync_folder(folder)
        taken_s = time.monotonic() - begun
    except OSError as error:
        return _not_written(folder, error)
    finally:
        _remove(probe)
    if taken_s > _SLOW_SYNC_S:
        return warning(
            f"{folder} is written and synced, which takes {taken_s * 1000:.0f} ms",
            "every upload waits for that; a local SSD takes a few milliseconds",
        )
    return good(f"{folder} is written and synced in {taken_s * 1000:.1f} ms")


def _not_written(folder: Path, error: OSError) -> Finding:
    says = f"{folder} cannot be written: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return wrong(says, "free some room (`safelight gc --dry-run` lists what may go)")
    if error.errno == errno.EROFS:
        return wrong(says, "its file system is mounted read-only: look into dmesg, mount it rw")
    if error.errno in (errno.EACCES, errno.EPERM):
        return wrong(says, f"chown -R {_user()} {folder}, or serve as the user whose it is")
    return wrong(says, "the disk or its mount is at fault: look into dmesg")


def _linked(folder: Path, here: Surroundings) -> Finding | None:
    """What came in is linked from the spool to its place; a link stays within a file system."""
    if here.settings.storage.url:
        return None
    places = [folder / name for name in ("spool", "originals", "results")]
    devices = {one.stat().st_dev for one in (folder, *places) if one.is_dir()}
    if len(devices) > 1:
        return wrong(
            "spool, originals and results lie on several file systems",
            f"mount one for all of {folder}: files are linked from the spool, never copied",
        )
    first, second = (folder / f"{_PROBE}-{os.getpid()}{end}" for end in ("-a", "-b"))
    try:
        first.touch()
        second.hardlink_to(first)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT):
            return None  # said before
        return wrong(
            f"its file system has no hard links: {error.strerror}",
            "use one that has them (ext4, xfs, btrfs, zfs), or a bucket (storage.url)",
        )
    finally:
        _remove(first)
        _remove(second)
    return good("spool and results are on one file system, which has hard links")


def _room(folder: Path, here: Surroundings) -> Finding:
    free, least = shutil.disk_usage(folder).free, here.settings.storage.min_free_bytes
    says = f"{size(free)} are free, storage.min_free_bytes is {size(least)}"
    if free < least:
        return wrong(f"{says}: every upload is refused (507)", "free some room, or a larger disk")
    if free < 2 * least:
        return warning(says, "uploads will be refused soon (507): free some room")
    return good(says)


def _files(folder: Path) -> Finding | None:
    found = os.statvfs(folder)
    if found.f_files and found.f_favail < _FEW_FILES:
        return warning(
            f"its file system has room for {found.f_favail} more files (inodes)",
            "each picture takes about four: make it anew with more inodes",
        )
    return None


def _kind(folder: Path) -> Finding | None:
    kind = _file_system(folder)
    if not kind.startswith(_NETWORK_KINDS):
        return None
    return warning(
        f"it lies on a network file system ({kind})",
        "locks and fsync are not to be relied on there: a local disk, and a bucket for pictures",
    )


def _file_system(folder: Path) -> str:
    """The kind of the mount that a path is in; the longest prefix wins, of equals the last."""
    best, kind = "", ""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        _, place, found = line.split()[:3]
        place = place.replace("\\040", " ")
        if folder.is_relative_to(place) and len(place) >= len(best):
            best, kind = place, found
    return kind


def _write_and_sync(path: Path) -> None:
    with path.open("xb") as file:
        file.write(bytes(4096))
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # a folder that cannot be written has nothing of ours in it
        return


def _user() -> str:
    return str(os.geteuid())


def _server(holder: int | None) -> str:
    return f"the server with process id {holder}" if holder else "a running server"
