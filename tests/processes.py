"""Waiting for the end of processes that are not our own children."""

import os
import select

from tests.patience import PATIENCE_S


def wait_until_gone(pid: int, *, timeout_s: float = PATIENCE_S) -> bool:
    """Whether the process ended within the time; a pidfd becomes readable at that moment."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        readable, _, _ = select.select([descriptor], [], [], timeout_s)
        return bool(readable)
    finally:
        os.close(descriptor)
