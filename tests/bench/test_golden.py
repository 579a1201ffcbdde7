"""Pictures beside those that ImageMagick and Pillow make of the same wish."""

from pathlib import Path

import pytest

from bench.scenarios.golden import Case, _photo, cases, differences, magick


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _photo(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_pillow_makes_nearly_the_same(case: Case, photo: Path, tmp_path: Path) -> None:
    [found] = [one for one in differences(case, photo, tmp_path) if one.peer == "Pillow"]

    assert found.is_near, found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_imagemagick_makes_nearly_the_same(case: Case, photo: Path, tmp_path: Path) -> None:
    if magick() is None:
        pytest.skip("ImageMagick is not installed: this test compares pictures with it")
    [found] = [one for one in differences(case, photo, tmp_path) if one.peer == "ImageMagick"]

    assert found.is_near, found
