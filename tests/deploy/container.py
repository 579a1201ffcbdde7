"""A real container of what compose.yaml says, without an image: this machine's system, read-only.

runc is what Docker, Podman and Kubernetes start containers with; the profile of system calls is the
usual one of engines, as Debian's golang-github-containers-common brings it.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.deploy.deployed import COMPOSE, DOCKERFILE, documents, image_environment
from tests.server_process import PROJECT

PROFILE = Path("/usr/share/containers/seccomp.json")
SOURCE = "/srv/safelight"
_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc", sys.base_prefix, sys.prefix)
_NAMESPACES = ("pid", "ipc", "uts", "mount")  # the network stays: tests ask on loopback
_STRAIGHT = ["nosuid", "nodev"]


class Container:
    """A bundle in a folder, and the process that runs it."""

    def __init__(self, folder: Path) -> None:
        self.name = f"safelight-{os.getpid()}-{folder.name}"
        self.volume = folder / "volume"
        self._bundle = folder / "bundle"
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        (self._bundle / "rootfs").mkdir(parents=True)
        self.volume.mkdir()
        os.chown(self.volume, *owner())

    def start(self, *command: str, **environment: str) -> None:
        """Begin to run a command, with these settings beside those of compose.yaml."""
        config = _config(list(command), self.volume, environment)
        (self._bundle / "config.json").write_text(json.dumps(config))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["runc", "run", "--bundle", str(self._bundle), self.name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """Ask it to end, as engines do."""
        subprocess.run(["runc", "kill", self.name, "TERM"], check=True)

    def ended(self, timeout_s: float) -> int:
        """Wait for its end; returns its exit code."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def status(self) -> dict[str, str]:
        """What the kernel says of its first process: /proc/{pid}/status."""
        told = subprocess.run(["runc", "state", self.name], capture_output=True, check=True)
        text = Path(f"/proc/{json.loads(told.stdout)['pid']}/status").read_text()
        rows = (row.partition(":") for row in text.splitlines())
        return {name: value.strip() for name, _, value in rows}

    def log(self) -> str:
        """What it printed."""
        return self._log.read_text()

    def close(self) -> None:
        """End what is left of it."""
        subprocess.run(["runc", "delete", "--force", self.name], capture_output=True)
        if self._process is not None:
            self._process.wait(30)


def owner() -> tuple[int, int]:
    """User and group that the image runs as."""
    [line] = [row for row in DOCKERFILE.read_text().splitlines() if row.startswith("USER ")]
    user, _, group = line.removeprefix("USER ").partition(":")
    return int(user), int(group)


def why_none(folder: Path) -> str:
    """Why no container can be run here; empty if one can."""
    if os.geteuid() != 0 or platform.machine() != "x86_64":
        return "containers of this test need root, and x86-64"
    if shutil.which("runc") is None or not PROFILE.exists():
        return "runc is not installed (Debian: runc, golang-github-containers-common)"
    trial = Container(folder)
    trial.start("/bin/true")
    try:
        return "" if trial.ended(60) == 0 else f"runc cannot run here: {trial.log()[-300:]}"
    finally:
        trial.close()


def _config(command: list[str], volume: Path, environment: dict[str, str]) -> dict[str, Any]:
    """As https://github.com/opencontainers/runtime-spec has it."""
    [service] = documents(COMPOSE[0])[0]["services"].values()
    [mounted] = [row.split(":")[1] for row in service["volumes"]]
    settings = image_environment() | service["environment"] | environment
    user, group = owner()
    assert service["cap_drop"] == ["ALL"]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": user, "gid": group},
            "args": command,
            "env": [f"{name}={value}" for name, value in settings.items()],
            "cwd": SOURCE,
            "capabilities": {},
            "noNewPrivileges": "no-new-privileges:true" in service["security_opt"],
        },
        "root": {"path": "rootfs", "readonly": service["read_only"]},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            _tmpfs("/dev", "mode=755", "nosuid"),
            _tmpfs("/dev/shm", *_STRAIGHT, "size=65536k"),  # as small as engines make it
            _bind("/sys", "/sys", "ro"),
            *(_tmpfs(path, *_STRAIGHT) for path in service["tmpfs"]),
            *(_bind(path, path, "ro") for path in _SYSTEM if Path(path).exists()),
            _bind(str(PROJECT), SOURCE, "ro"),
            _bind(str(volume), mounted, "rw"),
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in _NAMESPACES],
            "seccomp": _seccomp(),
            "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
        },
    }


def _bind(source: str, target: str, access: str) -> dict[str, Any]:
    options = ["rbind", access, "rprivate"]
    return {"destination": target, "type": "bind", "source": source, "options": options}


def _tmpfs(target: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": "tmpfs", "source": "tmpfs", "options": list(options)}


def _seccomp() -> dict[str, Any]:
    """The profile of engines for a container without capabilities, as runc reads it."""
    profile = json.loads(PROFILE.read_text())
    rows = [row for row in profile["syscalls"] if _applies(row)]
    kept = ("names", "action", "args", "errnoRet")
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{name: row[name] for name in kept if row.get(name)} for row in rows],
    }


def _applies(row: dict[str, Any]) -> bool:
    included, excluded = row.get("includes") or {}, row.get("excludes") or {}
    if included.get("caps") or "amd64" in (excluded.get("arches") or ()):
        return False
    return "amd64" in (included.get("arches") or ["amd64"])
