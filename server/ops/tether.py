"""Become another program that ends when its parent ends and that holds a lock file while it lives.

Run as a script, `tether.py PARENT_PID LOCK_FILE LOCK_WAIT_S PROGRAM ARGUMENT…`: a fresh process may
call prctl, where a preexec_fn would run Python between fork and exec of a process with threads.
"""

import ctypes
import fcntl
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1  # linux/prctl.h; kept across exec


def die_with(parent: int) -> None:
    """Ask for SIGTERM at the parent's end; leave at once if that has already come.

    The kernel means the thread that forked us: start this from a thread that stays, the main one.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit("tether: the process that asked for this one is gone")


def hold(lock_file: str, wait_s: float) -> None:
    """Take the lock and keep it open across exec: the kernel frees it when the program ends."""
    descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                sys.exit(f"tether: another process has held {lock_file} for {wait_s:g} s")
            time.sleep(0.02)
    os.set_inheritable(descriptor, True)


def main(arguments: list[str]) -> None:
    """Tether this process, then become the program."""
    parent, lock_file, wait_s, *command = arguments
    die_with(int(parent))
    hold(lock_file, float(wait_s))
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
