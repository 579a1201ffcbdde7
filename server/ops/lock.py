"""One server a data folder: two would clean up each other's files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


class DataDirInUse(Exception):
    """Another server holds the data folder; the message names both."""


@contextmanager
def data_dir_lock(data_dir: Path) -> Iterator[None]:
    """Hold the data folder; the kernel lets go of it when this process ends, however it ends.

    Take it before worker processes start and start them by exec: a fork would hold it too.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, data_dir)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, data_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip()
        raise DataDirInUse(
            f"The data folder {data_dir.resolve()} is in use by the Safelight server with process"
            f" id {holder or 'unknown'}: stop that one, or choose another folder with --data-dir."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
