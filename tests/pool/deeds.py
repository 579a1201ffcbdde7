"""What children are made to do in the tests of lanes: each takes one plain argument."""

import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pool import child
from pool.fault import Refused
from pool.kill import Kill
from pool.letters import LENGTH
from pool.records import Progress, Stage


def echo(value: object) -> object:
    return value


def process_id(_: None) -> int:
    return os.getpid()


def parent_id(_: None) -> int:
    return os.getppid()


def thread_count(_: None) -> int:
    return threading.active_count()


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def crash_after(gate: str) -> NoReturn:
    """Wait for a file, then touch memory that is not ours."""
    wait_for(gate)
    ctypes.string_at(0)
    raise AssertionError("alive after a segmentation fault")


def wait_for(gate: str) -> str:
    while not Path(gate).exists():
        time.sleep(0.005)
    return "passed"


def hold_the_interpreter(seconds: int) -> int:
    """Block every thread of Python, as a library that hangs in C does."""
    return ctypes.PyDLL(None).sleep(seconds)


def leave(code: int) -> NoReturn:
    os._exit(code)


def fill_memory(_: None) -> NoReturn:
    held: list[bytearray] = []
    while True:
        held.append(bytearray(b"x") * (8 << 20))


def keep_memory(size: int) -> int:
    globals()["kept"] = bytearray(b"x") * size
    return os.getpid()


def ask_for_memory(size: int) -> int:
    return len(bytearray(size))


class OnlyHere(Exception):
    """Could not be built from its pickle."""

    def __init__(self, one: object, two: object) -> None:
        super().__init__("lost on the way")


def raise_what_cannot_travel(_: object) -> NoReturn:
    raise OnlyHere(threading.Lock(), threading.Event())


class Malice:
    """A pickle that runs a command where it is read."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def answer_with_malice(command: str) -> Malice:
    return Malice(command)


def leave_by_system_exit(_: None) -> NoReturn:
    raise SystemExit(3)


def answer_by_hand(answer: bytes) -> NoReturn:
    """Write into the pipe of answers what is no answer, and then nothing more."""
    letter = (
        answer if answer.startswith(LENGTH.pack(1 << 31)) else LENGTH.pack(len(answer)) + answer
    )
    os.write(child._child.ends.answers.fileno(), letter)
    time.sleep(60)
    raise AssertionError("nobody ended it")


def report_much(times: int) -> int:
    for turn in range(times):
        child.report(Progress("job", 1, Stage.ENCODING, turn * 100 // times))
    return times


def blur_until_stopped(_: object) -> str:
    """A real evaluation of libvips that lasts minutes unless it is stopped."""
    import pyvips

    noise = pyvips.Image.gaussnoise(20_000, 20_000).gaussblur(40)
    noise.set_progress(True)
    kill: Kill = child.in_hand().kill
    told = threading.Event()

    def evaluated(_image: pyvips.Image, _progress: object) -> None:
        kill.again()
        if not told.is_set():
            told.set()
            child.report(Progress("job", 1, Stage.PROCESSING, 1))

    noise.signal_connect("eval", evaluated)
    kill.watch(noise)
    try:
        noise.avg()
    except pyvips.Error:
        kill.check()
        raise
    return "finished"


def stopped_fault(_: None) -> object:
    try:
        return blur_until_stopped(None)
    except Refused as refused:
        return refused.fault


def ignore_every_stop(seconds: float) -> str:
    deaf_until = time.monotonic() + seconds
    while time.monotonic() < deaf_until:
        time.sleep(0.02)
    return "never stopped"


def attempt(name: str) -> str:
    """Try one thing that a child may not do; says which error refused it, or "allowed"."""
    try:
        ATTEMPTS[name.partition(" ")[0]](name.partition(" ")[2])
    except OSError as error:
        return type(error).__name__
    return "allowed"


def _fork(_: str) -> None:
    if os.fork() == 0:
        os._exit(0)


ATTEMPTS: dict[str, Callable[[str], object]] = {
    "read": lambda path: Path(path).read_bytes(),
    "write": lambda path: Path(path).write_bytes(b"x"),
    "chmod": lambda path: Path(path).chmod(0o600),
    "link": lambda path: Path(path).symlink_to("/etc/passwd"),
    "socket": lambda _: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "unix-socket": lambda _: socket.socket(socket.AF_UNIX),
    "shell": lambda _: subprocess.run(["/bin/sh", "-c", "true"], check=True),
    "system": lambda _: os.posix_spawn("/bin/true", ["true"], {}),
    "exec": lambda _: os.execv("/bin/true", ["true"]),
    "fork": _fork,
    "signal": lambda pid: os.kill(int(pid), 0),
    "signal-group": lambda _: os.kill(0, signal.SIGCONT),
    "own-signal": lambda _: os.kill(os.getpid(), 0),
}


def develop_in_threads(folder: str) -> tuple[int, int]:
    """Real libvips work with several threads, from and to the spool."""
    import pyvips

    pyvips.concurrency_set(4)
    target = Path(folder, "inside.webp")
    pyvips.Image.gaussnoise(1500, 1500).gaussblur(3).cast("uchar").write_to_file(str(target))
    pyvips.Image.gaussnoise(99, 99).cast("uchar").write_to_file(str(Path(folder, "inside.avif")))
    image = pyvips.Image.new_from_file(str(target))
    return image.width, image.height


def limits_in_force(_: None) -> dict[str, str]:
    status = Path("/proc/self/status").read_text().splitlines()
    return {
        name: value.strip()
        for name, _, value in (line.partition(":") for line in status)
        if name in {"NoNewPrivs", "Seccomp"}
    }
