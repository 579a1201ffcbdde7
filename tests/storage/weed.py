"""A real S3 server for tests: SeaweedFS, all of it in one process on loopback, ended by its pid."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.ports import free_ports

KEY, SECRET = "safelight", "darkroom-secret"
HOOK_TOKEN = "what only the bucket knows"
NOTIFIED_BUCKET = "notified"
READY_TIMEOUT_S = 90.0
_PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"),
)


@dataclass
class Weed:
    """One server with a folder, ports and a webhook of its own.

    What is created in NOTIFIED_BUCKET is told to `hook_port` of this machine.
    """

    folder: Path
    hook_port: int
    host: str = "127.0.0.1"
    ports: dict[str, int] = field(default_factory=lambda: free_ports(_PORTS))
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Where S3 is spoken."""
        return f"http://{self.host}:{self.ports['s3.port']}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client of it needs to be told."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "SAFELIGHT_STORAGE__ENDPOINT": self.url,
            "SAFELIGHT_STORAGE__REGION": "us-east-1",
            "SAFELIGHT_STORAGE__ALLOW_HTTP": "true",
        }

    def start(self) -> None:
        """Start it and wait until it answers."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        self._write_settings()
        command = [str(Path(sys.executable).with_name("weed")), "server", f"-dir={data}"]
        command += [f"-{name}={port}" for name, port in self.ports.items()]
        command += [f"-ip={self.host}", f"-ip.bind={self.host}", "-master.telemetry=false"]
        command += ["-filer", "-s3", "-s3.config=s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        command += ["-volume.max=20", "-master.volumeSizeLimitMB=64", "-master.electionTimeout=1s"]
        command += [
            f"-filer.localSocket={self.folder / 'f'}",
            f"-s3.localSocket={self.folder / 's'}",
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End it; nothing of it is left but its folder."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def _wait_until_it_answers(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self._log_tail()
            try:
                urlopen(self.url, timeout=2).close()
                return
            except HTTPError:  # it refuses who has no key
                return
            except (URLError, OSError):
                time.sleep(0.05)
        self.stop()
        raise AssertionError(f"the S3 server did not answer in time:\n{self._log_tail()}")

    def _write_settings(self) -> None:
        everything = ["Admin", "Read", "Write", "List", "Tagging"]
        keys = [{"accessKey": KEY, "secretKey": SECRET}]
        identity = {"name": "safelight", "credentials": keys, "actions": everything}
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        # One volume at a time instead of seven: the first file of a bucket comes at once.
        (self.folder / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
        (self.folder / "notification.toml").write_text(
            "[notification.webhook]\nenabled = true\n"
            f'endpoint = "http://127.0.0.1:{self.hook_port}/hooks/storage"\n'
            f'bearer_token = "{HOOK_TOKEN}"\n'
            "backoff_seconds = 1\n"
            f'path_prefixes = ["/buckets/{NOTIFIED_BUCKET}/"]\n'
        )

    def _log_tail(self) -> str:
        return (self.folder / "log").read_bytes()[-4000:].decode(errors="replace")
