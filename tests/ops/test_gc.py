"""`safelight gc` beside a running server: what it lists, what it removes, what it spares."""

import io
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import orjson
from PIL import Image

from tests.conftest import StartServer
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess


def gc(data_dir: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server", "gc", "--data-dir", str(data_dir), *flags]
    environment = {"SAFELIGHT_IMAGES__ORPHAN_GRACE_S": "0", "COLUMNS": "200"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def upload(server: ServerProcess) -> str:
    file = io.BytesIO()
    Image.effect_noise((32, 24), 60).save(file, "PNG")
    request = Request(
        f"{server.url}/upload", data=file.getvalue(), headers={"Content-Type": "image/png"}
    )
    with urlopen(request, timeout=PATIENCE_S) as response:
        return str(orjson.loads(response.read())["url"])


def put(data_dir: Path, key: str, content: bytes) -> Path:
    path = data_dir / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_orphans_are_listed_first_and_then_removed(start_server: StartServer) -> None:
    server = start_server()
    picture = upload(server)
    original = put(server.data_dir, "originals/zz/zznobody", b"x" * 1234)
    result = put(server.data_dir, "results/zz/zznobody/default.webp", b"x" * 4321)

    listed = gc(server.data_dir, "--dry-run")
    still_there = original.exists() and result.exists()
    removed = gc(server.data_dir)

    assert listed.returncode == removed.returncode == 0, listed.stderr + removed.stderr
    assert "original originals/zz/zznobody" in listed.stdout
    assert "1234" in listed.stdout and "4321" in listed.stdout
    assert "2 would be removed" in listed.stdout
    assert still_there
    assert "2 removed" in removed.stdout
    assert not original.exists() and not result.exists()
    with urlopen(server.url + picture, timeout=PATIENCE_S) as response:
        assert response.status == 200


def test_without_a_server_it_says_what_it_needs(tmp_path: Path) -> None:
    done = gc(tmp_path)

    assert done.returncode == 1
    assert "beside a running service or with redis.url" in done.stderr
