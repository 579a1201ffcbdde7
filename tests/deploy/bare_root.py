"""A root folder with nothing but the C library: no Python, no shell, no /usr."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

# What glibc consists of, beside the loader; python, libvips and Valkey ask for no more of a system.
PARTS = (
    *("libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libutil.so.1"),
    *("libresolv.so.2",),
)
ENTER = 'mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
TOOLS = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))


class BareRoot:
    """The folder, and how to become a program in it, in this process and this network."""

    def __init__(self, top: Path) -> None:
        self.top = top
        for name in ("proc", "dev", "tmp"):
            (top / name).mkdir(parents=True)
        told = subprocess.run(["ldd", sys.executable], capture_output=True, text=True, check=True)
        [libc] = re.findall(r"=> (/\S+/libc\.so\.6)", told.stdout)
        [loader] = re.findall(r"^\s+(/\S+/ld-linux\S+)", told.stdout, re.MULTILINE)
        for path in (Path(loader), *(Path(libc).with_name(name) for name in PARTS)):
            self.add(path, str(path))

    @property
    def through(self) -> tuple[str, ...]:
        """In front of a command of that root: namespaces of its own for mounts, and the change."""
        as_root = () if os.geteuid() == 0 else ("--user", "--map-root-user")
        return (
            "unshare",
            *as_root,
            "--mount",
            "env",
            f"PATH={TOOLS}",
            "sh",
            "-c",
            ENTER,
            str(self.top),
        )

    def add(self, file: Path, name: str) -> None:
        """Put a file there."""
        target = self.top / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file.resolve(), target)

    def run(self, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a program of that root to its end."""
        return subprocess.run(
            [*self.through, *command], env=environment, capture_output=True, text=True, timeout=120
        )

    def can_be_entered(self) -> bool:
        """Whether this user may make such namespaces; the answer does not depend on a program."""
        told = subprocess.run(
            ["unshare", *self.through[1:-6], "true"], capture_output=True, text=True
        )
        return told.returncode == 0


def can_compile() -> bool:
    """Whether there is a compiler, and zlib to link with."""
    if shutil.which("cc") is None or shutil.which("strip") is None:
        return False
    answer = ["cc", "-print-file-name=libz.a"]
    return "/" in subprocess.run(answer, capture_output=True, text=True, check=True).stdout
