"""Shuts a child in: files below the spool only, no network, no other process, bounded memory.

Best effort by kernel; the Sandbox returned says what holds.
https://docs.kernel.org/userspace-api/landlock.html
and https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import ctypes
import os
import resource
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pool import syscalls

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SIGKILL = 9

RULESET_VERSION, RULE_PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG, REFER, TRUNCATE, IOCTL_DEV = 1 << 7, 1 << 8, 1 << 13, 1 << 14, 1 << 15
FILES_SINCE_ABI = {1: (1 << 13) - 1, 2: REFER, 3: TRUNCATE, 5: IOCTL_DEV}
BIND_AND_CONNECT_TCP = 0b11  # since ABI 4
ABSTRACT_SOCKETS_AND_SIGNALS = 0b11  # since ABI 6
ON_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # the rest needs a folder
READ = READ_FILE | READ_DIR
# No MAKE_SYM: a link planted in the spool would lead the server, which is not shut in, elsewhere.
READ_AND_WRITE = (
    READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE
)

SYSTEM_PATHS = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/usr/share/fonts", "/usr/local/share/fonts", "/etc/fonts", "/usr/share/fontconfig"),
    *("/usr/share/mime", "/usr/share/zoneinfo", "/etc/localtime", "/usr/share/color"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"),
    *("/dev/urandom", "/dev/random", "/dev/zero"),
)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What holds a child: each part "on ..." or "off", and why where it is off."""

    landlock: str
    seccomp: str
    reason: str


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


def enter(spool: Path, read_only: Sequence[Path] = ()) -> Sandbox:
    """Shut the calling thread in for good; call it before the process has a second one."""
    if not spool.is_dir():
        raise NotADirectoryError(f"expected the spool folder, found none at {spool}")
    reasons: list[str] = []
    landlock = seccomp = "off"
    try:
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        landlock = f"on (abi {_restrict_files(spool, read_only)})"
    except OSError as error:
        reasons.append(f"landlock: {error.strerror}")
    try:
        _filter_syscalls()
        seccomp = "on"
    except OSError as error:
        reasons.append(f"seccomp: {error.strerror}")
    return Sandbox(landlock, seccomp, "; ".join(reasons))


def limit(*, data_bytes: int, file_bytes: int) -> None:
    """Bound what one process may take.

    RLIMIT_DATA and not RLIMIT_AS: libvips maps files and stacks far beyond what it uses.
    """
    bounds = {
        resource.RLIMIT_DATA: data_bytes,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_CORE: 0,  # a core file would hold somebody's picture
    }
    for name, wanted in bounds.items():
        hard = resource.getrlimit(name)[1]
        bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(name, (bound, bound))


def die_with_parent() -> None:
    """Have the kernel kill this process when its fork server ends."""
    _prctl(PR_SET_PDEATHSIG, SIGKILL)


def first_to_die() -> None:
    """Make the kernel choose this process, not the server, when memory runs out."""
    Path("/proc/self/oom_score_adj").write_text("900")


def code_paths() -> tuple[str, ...]:
    """Where the interpreter, the installed packages and this package lie."""
    installed = (
        sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
    )
    return (*installed, str(Path(sys.base_prefix, "lib")), str(Path(__file__).parent))


def _restrict_files(spool: Path, read_only: Sequence[Path]) -> int:
    abi = _call(syscalls.LANDLOCK_CREATE_RULESET, None, 0, RULESET_VERSION)
    files = sum(rights for since, rights in FILES_SINCE_ABI.items() if since <= abi)
    wanted = _Ruleset(
        files,
        BIND_AND_CONNECT_TCP if abi >= 4 else 0,
        ABSTRACT_SOCKETS_AND_SIGNALS if abi >= 6 else 0,
    )
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8  # older kernels refuse what they do not know
    ruleset = _call(syscalls.LANDLOCK_CREATE_RULESET, ctypes.byref(wanted), size, 0)
    try:
        for path in (*SYSTEM_PATHS, *code_paths(), *map(str, read_only)):
            _allow(ruleset, path, READ & files)
        _allow(ruleset, "/dev/null", (READ | WRITE_FILE) & files)
        _allow(ruleset, str(spool), READ_AND_WRITE & files)
        _call(syscalls.LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return abi


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # not on this system; then nothing needs it
    try:
        if not Path(path).is_dir():
            rights &= ON_A_FILE
        rule = _PathBeneath(rights, opened)
        _call(syscalls.LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(opened)


def _filter_syscalls() -> None:
    program = syscalls.program(os.uname().machine, os.getpid())
    loaded = _Filter(len(program) // syscalls.INSTRUCTION.size, program)
    number = syscalls.TABLES[os.uname().machine].seccomp
    _call(number, syscalls.SET_MODE_FILTER, syscalls.ALL_THREADS, ctypes.byref(loaded))


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _call(number: int, *arguments: object) -> int:
    """One raw system call; glibc has no wrappers for these."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
