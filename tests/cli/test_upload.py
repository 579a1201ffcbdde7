"""`safelight upload` against real servers."""

import io
import os
import pty
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import orjson
import pytest
from PIL import Image

from server.cli.sending.groups import LARGE_BYTES
from tests.cli.command import safelight, started
from tests.cli.losing_proxy import losing_proxy
from tests.conftest import StartServer
from tests.edge.cutting_proxy import cutting_proxy
from tests.edge.pictures import jpeg
from tests.patience import PATIENCE_S
from tests.ports import free_port
from tests.server_process import PROJECT, ServerProcess

SMALL = ("--width", "16", "--format", "png")
SLOW = ("--options", '{"upscale":{"factor":4,"engine":"classic"},"format":"avif","effort":"best"}')


def names(folder: Path) -> list[str]:
    """All files below a folder."""
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


def width_of(path: Path) -> int:
    """Of a picture."""
    with Image.open(path) as image:
        return image.width


def jobs(server: ServerProcess) -> int:
    """How many this server has ever let in."""
    with urlopen(f"{server.url}/jobs?limit=500", timeout=PATIENCE_S) as answer:
        return len(orjson.loads(answer.read())["jobs"])


def test_a_folder_comes_back_with_its_names_and_its_folders(
    live_server: str, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    flat = safelight("upload", photos, *SMALL, "-o", out / "flat", "-s", live_server)
    deep = safelight("upload", photos, *SMALL, "-r", "-o", out / "deep", "-s", live_server)

    assert (flat.code, deep.code) == (0, 0), flat.err + deep.err
    assert names(out / "flat") == ["a.png", "b.png"]
    assert names(out / "deep") == ["a.png", "b.png", "deep/a.png"]
    assert width_of(out / "deep" / "deep" / "a.png") == 16
    assert "2 of 2 done" in flat.err
    assert {line.split("\t")[1] for line in flat.out.splitlines()} == {"completed"}


def test_nothing_is_overwritten_unless_forced(
    live_server: str, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"precious")
    at = ("-o", out, "-s", live_server)

    refused = safelight("upload", photos, *SMALL, *at)
    kept = (out / "a.png").read_bytes()
    forced = safelight("upload", photos, *SMALL, *at, "--force")

    assert (refused.code, forced.code) == (1, 0)
    assert kept == b"precious"
    assert "a.png is there already; --force overwrites it" in refused.out
    assert names(out) == ["a.png", "b.png"]
    assert width_of(out / "a.png") == 16


def test_a_bad_picture_costs_only_itself_and_json_tells_which(
    live_server: str, photos: Path, tmp_path: Path
) -> None:
    (photos / "broken.jpg").write_bytes(jpeg()[:300])
    (photos / "empty.jpg").touch()
    what = (photos, photos / "notes.txt", tmp_path / "missing.jpg", "http://10.0.0.1/x.jpg")

    done = safelight("upload", *what, *SMALL, "--json", "-s", live_server)

    told = {Path(one["source"]).name: one for one in done.lines}
    assert done.code == 1
    assert {name for name, one in told.items() if one["status"] == "completed"} == {
        "a.jpg",
        "b.JPG",
    }
    assert told["broken.jpg"]["error"]["code"] in ("corrupt_image", "not_an_image")
    assert told["notes.txt"]["error"]["code"] == "not_an_image"
    assert told["x.jpg"]["error"]["code"] == "fetch_refused"
    assert "No such file" in told["missing.jpg"]["error"]["detail"]
    assert told["empty.jpg"]["error"]["detail"] == "it is empty"
    assert told["a.jpg"]["variants"][0]["width"] == 16
    with urlopen(told["a.jpg"]["url"], timeout=PATIENCE_S) as answer:
        assert len(answer.read()) == told["a.jpg"]["bytesOut"]


def test_standard_input_and_archives_are_taken(
    live_server: str, photos: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "holiday.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(photos / "a.jpg", "one.jpg")
        archive.write(photos / "deep" / "a.jpg", "two.jpg")
        archive.writestr("notes.txt", "no picture")
    at = ("-o", tmp_path / "out", "-s", live_server)

    piped = safelight("upload", "-", "--name", "from pipe.jpg", *SMALL, *at, stdin=jpeg())
    nothing = safelight("upload", "-", *SMALL, *at, stdin=b"")
    unpacked = safelight("upload", packed, *SMALL, *at)

    assert (piped.code, nothing.code, unpacked.code) == (0, 1, 1)
    assert "standard input is empty" in nothing.out
    assert "holiday.zip:notes.txt\trefused" in unpacked.out
    assert names(tmp_path / "out") == ["from pipe.png", "holiday/one.png", "holiday/two.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--options", "{"), "--options: expected JSON"),
        (("--options", "@/nowhere/recipe.json"), "No such file"),
        (("--preset", "thumb", "--width", "3"), "--preset, or --options"),
        (("--no-wait", "-o", "out"), "waits for the results"),
        (("--options", '{"blurr": 1}'), "blurr"),
        (("--preset", "nobodys"), "preset: expected one of"),
        (("--callback-url", "http://127.0.0.1/x"), "not public"),
    ],
)
def test_a_wrong_wish_is_told_once_and_sends_nothing(
    live_server: str, photos: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = safelight("upload", photos, *arguments, "-s", live_server)

    assert done.code == 2
    assert words in done.err
    assert done.out == ""


def test_a_server_that_is_away_is_waited_for_within_bounds(photos: Path) -> None:
    done = safelight("upload", photos, "-s", "http://127.0.0.1:9", "--patience", "1")

    assert done.code == 3
    assert "No server answers at http://127.0.0.1:9; again in" in done.err


def test_a_batch_that_is_too_large_for_the_queue_goes_in_pieces(
    narrow_server: ServerProcess, tmp_path: Path
) -> None:
    for number in range(10):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg())

    done = safelight("upload", tmp_path, *SMALL, "--json", "-s", narrow_server.url)

    assert done.code == 0, done.err
    assert len({one["jobId"] for one in done.lines}) == 10


def test_a_lost_answer_is_asked_for_again_and_makes_no_second_job(
    narrow_server: ServerProcess, tmp_path: Path
) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    before = jobs(narrow_server)

    with losing_proxy(narrow_server.url, b"POST /upload") as proxy:
        done = safelight("upload", tmp_path, *SMALL, "--json", "-s", proxy.url)

    assert proxy.lost == 1
    assert "again in" in done.err
    assert [one["status"] for one in done.lines] == ["completed"] * 2
    assert jobs(narrow_server) == before + 2


async def test_a_large_file_goes_on_where_it_was_cut(
    narrow_server: ServerProcess, tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1900, 1900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    size = (tmp_path / "large.png").stat().st_size

    async with cutting_proxy(narrow_server.url, (size - 1_000_000, lambda: True)) as proxy:
        done = await _upload(tmp_path / "large.png", *SMALL, "--json", "-s", proxy.url)

    assert size > LARGE_BYTES + 1_000_000
    assert len(proxy.done) == 1
    assert done.code == 0, done.err
    [told] = done.lines
    assert (told["status"], told["bytesIn"]) == ("completed", size)


def test_a_server_that_is_killed_in_between_costs_nothing(
    start_server: StartServer, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(6):
        (photos / f"{number}.jpg").write_bytes(jpeg(700, 500))
    settings = {"SAFELIGHT_AI__ENABLED": "false", "SAFELIGHT_POOL__MAX_LANES": "1"}
    port = str(free_port())
    server = start_server("--port", port, **settings)

    out = ("-o", tmp_path / "out", "-s", server.url)
    with started("upload", photos, "--format", "avif", *out) as upload:
        assert upload.stdout is not None
        first = upload.stdout.readline()
        server.kill()
        start_server("--port", port, data_dir=server.data_dir, **settings)
        rest, err = upload.communicate(timeout=PATIENCE_S)

    assert upload.returncode == 0, err
    assert len({line.split("\t")[0] for line in (first + rest).splitlines()}) == 6
    assert names(tmp_path / "out") == [f"{number}.avif" for number in range(6)]


def test_ctrl_c_says_what_goes_on_and_watch_takes_it_up(
    narrow_server: ServerProcess, tmp_path: Path
) -> None:
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(400, 300))
    before = _batches(narrow_server)

    at = ("-o", tmp_path / "out", "-s", narrow_server.url)
    with started("upload", tmp_path / "0.jpg", tmp_path / "1.jpg", *SLOW, *at) as upload:
        _until(lambda: _batches(narrow_server) > before)
        upload.send_signal(signal.SIGINT)
        _, err = upload.communicate(timeout=PATIENCE_S)
    command = re.search(r"safelight (watch .*)", err)

    assert upload.returncode == 130
    assert command is not None, err
    followed = safelight(*command[1].split())
    assert followed.code == 0, followed.err
    assert names(tmp_path / "out") == ["0.avif", "1.avif"]


def test_a_terminal_gets_bars_and_a_table(live_server: str, photos: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "server", "upload", str(photos), *SMALL, "-s", live_server]
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**os.environ, "COLUMNS": "200", "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = _read_all(ours)

    assert process.wait(PATIENCE_S) == 0
    assert "sending" in shown
    assert "developing" in shown
    assert re.search(r"picture.*result.*before.*after", shown)
    assert "2 of 2 done" in shown


def test_ten_thousand_files_are_read_as_they_are_sent(tmp_path: Path) -> None:
    from server.cli.sending.groups import MOST_FILES, Bounds, Group, groups
    from server.cli.sending.pictures import Picture

    read = 0

    def found() -> Any:
        nonlocal read
        for number in range(10_000):
            read += 1
            yield Picture(f"{number}", f"{number}.jpg", f"{number}", tmp_path, 1000)

    first = next(groups(found(), Bounds(max_files=500, max_urls=500, max_upload_bytes=10**8)))

    assert isinstance(first, Group)
    assert len(first.pictures) == MOST_FILES == read


async def _upload(*arguments: object) -> Any:
    """Beside a proxy that lives in this test's loop."""
    import asyncio

    from tests.cli.command import Done

    with started("upload", *arguments) as process:
        out, err = await asyncio.to_thread(process.communicate, timeout=PATIENCE_S)
    return Done(process.returncode, out, err)


def _batches(server: ServerProcess) -> int:
    from tests.edge.traces import redis_of

    with redis_of(server) as redis:
        return sum(1 for _ in redis.scan_iter("batch:*"))


def _until(is_so: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "it has not come to that"
        time.sleep(0.02)


def _read_all(descriptor: int) -> str:
    shown = io.BytesIO()
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # the other side has closed it
            break
        if not piece:
            break
        shown.write(piece)
    os.close(descriptor)
    return shown.getvalue().decode()
