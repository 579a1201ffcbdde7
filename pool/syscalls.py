"""The seccomp program of a child: which system calls it is refused, as data and as BPF.

Numbers from the kernel's asm/unistd.h; a refused call fails with EPERM.
"""

import errno
import struct
from dataclasses import dataclass

LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446  # everywhere
SET_MODE_FILTER, ALL_THREADS = 1, 1

INSTRUCTION = struct.Struct("=HBBI")
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000
REFUSE = 0x00050000 | errno.EPERM
# glibc starts threads with clone3, whose flags lie in memory that BPF cannot read;
# told that it does not exist, glibc takes clone, whose flags are an argument.
UNKNOWN = 0x00050000 | errno.ENOSYS
NUMBER_AT, MACHINE_AT, FIRST_ARGUMENT_AT = 0, 4, 16  # offsets in struct seccomp_data
CLONE_THREAD = 0x00010000
X32_BIT = 0x40000000
CLONE3 = 435


@dataclass(frozen=True, slots=True)
class Table:
    """One machine's numbers."""

    audit: int  # AUDIT_ARCH_...
    seccomp: int
    clone: int
    own_process: tuple[int, ...]  # kill, tgkill: allowed on the process itself
    own_or_zero: tuple[int, ...]  # prlimit64
    refused: dict[str, tuple[int, ...]]


SINCE_ONE_NUMBER_FOR_ALL = {
    "io_uring": (425, 426, 427),
    "mounts": (428, 429, 430, 431, 432, 433, 442),
    "other processes": (424, 434, 438, 440, 448),  # pidfd_*, process_madvise, process_mrelease
    "fchmodat2, setxattrat, removexattrat": (452, 463, 466),
}

TABLES = {
    "x86_64": Table(
        audit=0xC000003E,
        seccomp=317,
        clone=56,
        own_process=(62, 234),
        own_or_zero=(302,),
        refused={
            "sockets": (41, 42, 43, 44, 46, 49, 50, 53, 288, 307),
            "fork, vfork, execve, execveat": (57, 58, 59, 322),
            "ptrace, process_vm_*, kcmp": (101, 310, 311, 312),
            "tkill, rt_*sigqueueinfo": (200, 129, 297),
            "mount, umount, pivot_root, chroot, setns, unshare": (165, 166, 155, 161, 308, 272),
            "bpf, perf, userfaultfd, fanotify": (321, 298, 323, 300),
            "keyctl, add_key, request_key": (250, 248, 249),
            "kexec, modules, reboot, swap, acct, quota": (
                *(246, 320, 175, 313),
                176,
                169,
                167,
                168,
                163,
                179,
            ),
            "clocks, host name, log": (164, 227, 170, 103),
            "handles, personality": (303, 304, 135),
            # Landlock leaves these open, also outside the spool.
            "chmod, chown, extended attributes": (
                *(90, 91, 268, 92, 93, 94),
                260,
                188,
                189,
                190,
                197,
                198,
                199,
            ),
            "mknod": (133, 259),
        },
    ),
    "aarch64": Table(
        audit=0xC00000B7,
        seccomp=277,
        clone=220,
        own_process=(129, 131),
        own_or_zero=(261,),
        refused={
            "sockets": (198, 203, 202, 206, 211, 200, 201, 199, 242, 269),
            "execve, execveat": (221, 281),
            "ptrace, process_vm_*, kcmp": (117, 270, 271, 272),
            "tkill, rt_*sigqueueinfo": (130, 138, 240),
            "mount, umount, pivot_root, chroot, setns, unshare": (40, 39, 41, 51, 268, 97),
            "bpf, perf, userfaultfd, fanotify": (280, 241, 282, 262),
            "keyctl, add_key, request_key": (219, 217, 218),
            "kexec, modules, reboot, swap, acct, quota": (
                *(104, 294, 105, 273),
                106,
                142,
                224,
                225,
                89,
                60,
            ),
            "clocks, host name, log": (170, 112, 161, 116),
            "handles, personality": (264, 265, 92),
            "chmod, chown, extended attributes": (*(52, 53, 55, 54), 5, 6, 7, 14, 15, 16),
            "mknod": (33,),
        },
    ),
}


def program(machine: str, pid: int) -> bytes:
    """The filter for a process of that number; OSError where the machine has no table."""
    if (table := TABLES.get(machine)) is None:
        raise OSError(errno.ENOSYS, f"no table of system calls for {machine}")
    lines = [
        *_do(LOAD, MACHINE_AT),
        *_when(EQUAL, table.audit, otherwise=_do(RETURN, KILL_PROCESS)),
        *_do(LOAD, NUMBER_AT),
        *_on(AT_LEAST, X32_BIT, _do(RETURN, REFUSE)),
        *_on(EQUAL, CLONE3, _do(RETURN, UNKNOWN)),
        *_on(EQUAL, table.clone, _only(ANY_BIT, CLONE_THREAD)),
    ]
    for number in table.own_process:
        lines += _on(EQUAL, number, _only(EQUAL, pid))
    for number in table.own_or_zero:
        lines += _on(
            EQUAL,
            number,
            [*_do(LOAD, FIRST_ARGUMENT_AT), *_on(EQUAL, 0, _do(RETURN, ALLOW)), *_only(EQUAL, pid)],
        )
    for numbers in (SINCE_ONE_NUMBER_FOR_ALL | table.refused).values():
        for number in numbers:
            lines += _on(EQUAL, number, _do(RETURN, REFUSE))
    return b"".join([*lines, *_do(RETURN, ALLOW)])


def _do(code: int, value: int) -> list[bytes]:
    return [INSTRUCTION.pack(code, 0, 0, value)]


def _on(test: int, value: int, then: list[bytes]) -> list[bytes]:
    return [INSTRUCTION.pack(test, 0, len(then), value), *then]


def _when(test: int, value: int, *, otherwise: list[bytes]) -> list[bytes]:
    return [INSTRUCTION.pack(test, len(otherwise), 0, value), *otherwise]


def _only(test: int, value: int) -> list[bytes]:
    """Allow the call if its first argument passes."""
    return [
        *_do(LOAD, FIRST_ARGUMENT_AT),
        *_on(test, value, _do(RETURN, ALLOW)),
        *_do(RETURN, REFUSE),
    ]
