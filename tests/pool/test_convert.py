"""`safelight convert`: files to files through real lanes, without a server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import pyvips

from tests.patience import PATIENCE_S
from tests.pool.pictures import decoded, waves

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        waves(300 + number, 200).jpegsave(str(folder / f"{number}.jpg"), Q=95)
    return folder


def convert(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", "convert", *map(str, arguments)],
        cwd=PROJECT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_all_pictures_are_converted_and_the_summary_says_what_it_saved(
    photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    done = convert(*sorted(photos.iterdir()), "--width", "80", "--format", "webp", "--out", out)

    assert done.returncode == 0, done.stderr
    assert names(out) == ["0.webp", "1.webp", "2.webp"]
    assert decoded(str(out / "1.webp")).width == 80
    assert "3 of 3 converted" in done.stderr
    assert "% less" in done.stderr


def test_a_bad_picture_costs_only_itself_and_the_exit_code(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"\xff\xd8\xff and no more")
    missing = photos / "missing.jpg"
    out = tmp_path / "out"

    done = convert(*sorted(photos.iterdir()), missing, "--out", out, "--jobs", "1")

    assert done.returncode == 1
    assert names(out) == ["0.webp", "1.webp", "2.webp"]
    assert "3 of 5 converted" in done.stderr
    assert "bad.jpg: the picture is damaged" in done.stderr
    assert "missing.jpg: No such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_overwritten_unless_forced(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "0.png").write_bytes(b"precious")

    refused = convert(photos / "0.jpg", photos / "1.jpg", "--format", "png", "--out", out)
    kept = (out / "0.png").read_bytes()
    forced = convert(photos / "0.jpg", "--format", "png", "--out", out, "--force")

    assert refused.returncode == 1
    assert kept == b"precious"
    assert "0.png is there already" in refused.stderr
    assert names(out) == ["0.png", "1.png"]
    assert forced.returncode == 0
    assert pyvips.Image.pngload(str(out / "0.png")).width == 300


def test_options_are_a_whole_recipe_and_flags_win(photos: Path, tmp_path: Path) -> None:
    recipe = {"flip": True, "quality": 10, "responsive": {"widths": [40, 60], "formats": ["jpeg"]}}
    out = tmp_path / "out"

    done = convert(
        photos / "0.jpg", "--options", json.dumps(recipe), "--quality", "auto", "--out", out
    )

    assert done.returncode == 0, done.stderr
    assert names(out) == ["0-w40-jpeg.jpg", "0-w60-jpeg.jpg"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "bmp"], "expected one of auto, jpeg"),
        (["--options", "{"], "--options: expected JSON"),
        (["--options", "[]"], "--options: expected a JSON object"),
        (["--quality", "high"], "expected an integer from 1 to 100 or 'auto', got 'high'"),
        (["../in/0.jpg"], "two pictures would be written as 0"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(
    photos: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = convert(photos / "0.jpg", *arguments, "--out", tmp_path / "out")

    assert done.returncode == 2
    assert words in done.stderr
    assert not (tmp_path / "out").exists()
