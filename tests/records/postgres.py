"""A real PostgreSQL of one's own, on a unix socket in a folder of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_S = 60.0


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`, the newest where there are several."""
    versions = Path("/usr/lib/postgresql")
    found = sorted(versions.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(Path(on_path).resolve())
    return found[-1].parent if found else None


@dataclass
class Postgres:
    """One server; it can be stopped and started again on what it has kept."""

    folder: Path
    bin: Path
    user: str | None  # it refuses to run as root
    is_durable: bool
    process: "subprocess.Popen[bytes] | None" = None
    _databases: int = 0
    _shared: str = ""

    def start(self) -> None:
        """Returns when it answers."""
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder)}
        settings |= {"max_connections": "50", "shared_buffers": "64MB"}
        settings |= {} if self.is_durable else {"fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.bin / "postgres"), "-D", str(self.folder / "data"), *options],
                stdout=log,
                stderr=log,
                user=self.user,
                start_new_session=True,
            )
        ready = [str(self.bin / "pg_isready"), "-q", "-h", str(self.folder), "-d", "postgres"]
        deadline = time.monotonic() + READY_S
        while subprocess.run(ready).returncode != 0:
            assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """At once, as when its machine is switched off and on (SIGQUIT); it recovers."""
        if self.process is not None:
            self.process.send_signal(3)
            self.process.wait(20)
            self.process = None

    def shared_url(self) -> str:
        """A database that several tests read and none writes to."""
        self._shared = self._shared or self.url()
        return self._shared

    def url(self) -> str:
        """An empty database more."""
        self._databases += 1
        name = f"records{self._databases}"
        create = [str(self.bin / "createdb"), "-h", str(self.folder), "-U", "postgres", name]
        subprocess.run(create, check=True)
        return f"postgresql://postgres@/{name}?host={self.folder}"


@contextmanager
def running(binaries: Path, *, is_durable: bool = False) -> Iterator[Postgres]:
    """One for as long as it is needed; what is thrown away with its folder need not be synced."""
    folder = Path(tempfile.mkdtemp(prefix="safelight-pg-"))
    user = "nobody" if os.getuid() == 0 else None
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    postgres = Postgres(folder, binaries, user, is_durable)
    try:
        initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-N"]
        command = [*initdb, "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8"]
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)
        postgres.start()
        yield postgres
    finally:
        postgres.stop()
        shutil.rmtree(folder)
