"""What the tests of the commands share: servers, and folders of pictures that are all different."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import server_process
from tests.edge import gated
from tests.edge.pictures import jpeg
from tests.server_process import ServerProcess


@pytest.fixture(scope="session")
def narrow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One lane, room for three that wait, and nothing is shared."""
    server = server_process.start(
        tmp_path_factory.mktemp("narrow-server") / "data",
        environment={
            "SAFELIGHT_DEDUP__ENABLED": "false",
            "SAFELIGHT_AI__ENABLED": "false",
            "SAFELIGHT_POOL__MAX_LANES": "1",
            "SAFELIGHT_QUEUE__MAX_DEPTH": "3",
        },
    )
    yield server
    server.close()


@pytest.fixture(scope="session")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Asks for keys."""
    folder = tmp_path_factory.mktemp("keyed-for-commands") / "data"
    settings = {**gated.settings(), "SAFELIGHT_AI__ENABLED": "false"}
    server = server_process.start(folder, environment=settings)
    yield server
    server.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two pictures, one of the same name in a folder, and what is no picture."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for place in ("a.jpg", "b.JPG", "deep/a.jpg"):
        (folder / place).write_bytes(jpeg())
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.jpg").write_bytes(jpeg())
    return folder
