"""A real Prometheus that scrapes one server every second or two, and what it answers."""

import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import orjson

from tests.patience import PATIENCE_S
from tests.server_process import PROJECT

FOLDER = PROJECT / "deploy" / "prometheus"
READY_TIMEOUT_S = 60.0
EVERY = "1500ms"
_NOT_READY = 503


def program(name: str) -> str | None:
    """prometheus or promtool."""
    return shutil.which(name)


def promtool(*arguments: str, given: str = "") -> str:
    """What it prints; raises when it finds something wrong."""
    path = program("promtool")
    assert path is not None
    done = subprocess.run([path, *arguments], input=given, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@dataclass
class Prometheus:
    """`targets`: where metrics are, by the name of the job."""

    folder: Path
    port: int
    targets: Mapping[str, str]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """With the project's rules and alerts, so that they are evaluated, too."""
        path = program("prometheus")
        assert path is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = [
            {"job_name": job, "static_configs": [{"targets": [target]}]}
            for job, target in self.targets.items()
        ]
        timing = {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY}
        config = {
            "global": timing,
            "rule_files": [str(FOLDER / "rules.yml"), str(FOLDER / "alerts.yml")],
            "scrape_configs": jobs,
        }
        file = self.folder / "prometheus.yml"
        file.write_bytes(orjson.dumps(config))  # JSON is YAML
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(path, f"--config.file={file}", f"--storage.tsdb.path={self.folder / 'db'}"),
                    *(f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)

    def ask(self, path: str, **query: str) -> Any:
        """`data` of an answer of its HTTP API; any JSON. Raises ValueError with its complaint."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(query)}"
        try:
            with urlopen(url, timeout=PATIENCE_S) as response:
                return orjson.loads(response.read())["data"]
        except HTTPError as error:
            if error.code == _NOT_READY:
                raise
            raise ValueError(error.read().decode()) from error

    def values(self, expression: str) -> list[float]:
        """The values of an expression now."""
        return [float(one["value"][1]) for one in self.ask("query", query=expression)["result"]]

    def wait_for(self, expression: str) -> None:
        """Until an expression has a value."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.process is not None and self.process.poll() is None, self.log()
            try:
                if self.values(expression):
                    return
            except OSError:  # it does not listen yet
                pass
            time.sleep(0.1)
        raise AssertionError(f"nothing for {expression}:\n{self.log()}")

    def log(self) -> str:
        """What it complained of."""
        return (self.folder / "log").read_text()
