"""Servers as the docs presume them, and somebody else's server with pictures and a receiver."""

import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from PIL import Image

from tests import server_process
from tests.docs.shell import need_programs
from tests.edge import gated
from tests.server_process import ServerProcess

START_S = 150.0  # on a machine that is busy with other tests


def photo(width: int, height: int, *, noise: float = 12.0) -> bytes:
    """A JPEG with large shapes and some noise, as photographs have."""
    y, x = numpy.mgrid[0:height, 0:width]
    waves = numpy.stack(
        [numpy.sin(x / (9 + n)) + numpy.cos(y / (13 + n)) for n in range(3)], axis=2
    )
    grain = numpy.random.default_rng(7).normal(0, noise, waves.shape)
    pixels = numpy.clip(128 + 50 * waves + grain, 0, 255).astype("uint8")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=88)
    return file.getvalue()


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    """Gives a picture to whoever asks, and takes every webhook."""

    picture = photo(320, 200)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(self.picture)))
        self.end_headers()
        self.wfile.write(self.picture)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test's output is not its log."""


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[str]:
    """The address of a server that is not ours."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the commands name."""
    need_programs()
    folder = tmp_path_factory.mktemp("reader")
    (folder / "photo.jpg").write_bytes(photo(1200, 900))
    (folder / "cat.jpg").write_bytes(photo(1000, 700))
    (folder / "old.jpg").write_bytes(photo(64, 48))
    with zipfile.ZipFile(folder / "holiday.zip", "w") as archive:
        archive.writestr("IMG_1.jpg", photo(200, 150))
        archive.writestr("IMG_2.jpg", photo(210, 150))
        archive.writestr("notes.txt", "no picture")
    return folder


@pytest.fixture(scope="session")
def open_docs_server(
    tmp_path_factory: pytest.TempPathFactory, elsewhere: str
) -> Iterator[ServerProcess]:
    """As it comes, but that it may fetch from this machine and has one receiver of webhooks."""
    endpoint = {"shop": {"url": f"{elsewhere}/hooks/safelight"}}
    server = server_process.start(
        tmp_path_factory.mktemp("open-docs") / "data",
        environment={
            **server_process.WITH_NETWORKS,
            "SAFELIGHT_FETCH__ALLOW_NETWORKS": '["127.0.0.0/8"]',
            "SAFELIGHT_FETCH__PORTS": "[0]",
            "SAFELIGHT_WEBHOOKS__ALLOW_NETWORKS": '["127.0.0.0/8"]',
            "SAFELIGHT_WEBHOOKS__PORTS": "[0]",
            "SAFELIGHT_WEBHOOKS__ENDPOINTS": json.dumps(endpoint),
        },
        within_s=START_S,
    )
    yield server
    server.close()


@pytest.fixture(scope="session")
def keyed_docs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """With keys, quotas and a foreign origin, as the sections on those presume."""
    server = server_process.start(
        tmp_path_factory.mktemp("keyed-docs") / "data",
        environment={
            **gated.settings(),
            "SAFELIGHT_AI__ENABLED": "false",
            "SAFELIGHT_CORS__ORIGINS": f'["{gated.LISTED}"]',
            "SAFELIGHT_QUOTA__REQUESTS": "100",
            "SAFELIGHT_QUOTA__JOBS": "20",
        },
        within_s=START_S,
    )
    yield server
    server.close()
