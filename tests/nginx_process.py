"""A real nginx in front of a server, set up by the sample of deploy/, without rights of root."""

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.server_process import PROJECT

SAMPLE = PROJECT / "deploy" / "nginx" / "safelight.conf"
READY_TIMEOUT_S = 60.0
_PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx_program() -> str | None:
    """The program file; Debian's lies where only root looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")


def sample(server_url: str, data_dir: Path, folder: Path, port: int) -> str:
    """deploy/nginx/safelight.conf with the four things changed that it asks to be changed."""
    text = SAMPLE.read_text()
    for was, now in (
        ("server 127.0.0.1:8080;", f"server {urlsplit(server_url).netloc};"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("/var/cache/nginx/safelight", str(folder / "cache")),
        ("/var/lib/safelight/data/", f"{data_dir}/"),
    ):
        assert text.count(was) == 1, was
        text = text.replace(was, now)
    return text


@dataclass
class Nginx:
    """One nginx with `sites` (text for its http context) and a folder of its own."""

    folder: Path
    port: int
    sites: str
    main: str = "worker_processes 1;"
    command: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The master; its workers are its children."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nginx.conf"
        config.write_text(self._config())
        program = nginx_program()
        assert program is not None
        log = self.folder / "error.log"
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*self.command, program, "-e", str(log), "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise AssertionError(f"nginx did not answer in time:\n{log.read_text()}")

    def stop(self) -> None:
        """End it with its workers."""
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait(10)
        self.process = None

    def _config(self) -> str:
        user = "user root;\n" if os.geteuid() == 0 else ""
        paths = "".join(f"{name}_temp_path {self.folder / name};\n" for name in _PATHS)
        return (
            f"daemon off;\n{user}{self.main}\npid {self.folder / 'pid'};\n"
            f"error_log {self.folder / 'error.log'};\nevents {{ worker_connections 512; }}\n"
            f"http {{\naccess_log off;\nsendfile on;\n{paths}{self.sites}\n}}\n"
        )
