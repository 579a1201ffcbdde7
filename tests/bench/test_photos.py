"""Pictures of a bench: every upload has bytes of its own and the same pixels."""

from pathlib import Path

import pytest
from PIL import Image

from bench import photos


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_stamped_copies_differ_in_bytes_and_not_in_pixels(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"gradient{suffix}"
    Image.linear_gradient("L").save(source)

    copies = photos.stamp([source], tmp_path / "copies", count=3, label="r0")

    assert len({copy.read_bytes() for copy in (*copies, source)}) == 4
    for copy in copies:
        with Image.open(copy) as stamped, Image.open(source) as original:
            assert stamped.tobytes() == original.tobytes()


def test_sources_are_taken_in_turn(tmp_path: Path) -> None:
    sources = [tmp_path / "a.png", tmp_path / "b.jpg"]
    for source in sources:
        Image.linear_gradient("L").save(source)

    copies = photos.stamp(sources, tmp_path / "copies", count=3, label="r0")

    assert [copy.name for copy in copies] == ["00000.png", "00001.jpg", "00002.png"]


def test_generated_pictures_are_the_same_in_every_run(tmp_path: Path) -> None:
    first, second = (photos.generate(tmp_path / run, "small") for run in ("a", "b"))

    assert [one.read_bytes() for one in first] == [two.read_bytes() for two in second]
    assert len({one.read_bytes() for one in first}) == len(first) == 4
