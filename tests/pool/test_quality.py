"""Quality "auto": the measure behaves as an eye would, and the search keeps its promise."""

from pathlib import Path

import pytest
import pyvips

from pool import parse_recipe
from pool.likeness import likeness
from pool.quality import JUDGED_SIDE, MOST_TRIALS, RANGES, TARGETS, sample, seek
from tests.pool.pictures import decoded, developed, noise, plain, quarters, waves


def photo(width: int, height: int) -> pyvips.Image:
    """Soft shapes at several scales, edges and a little grain."""
    image = pyvips.Image.black(width, height, bands=3) + 60
    for scale in (64, 16, 4):
        soft = noise(width // scale + 2, height // scale + 2).resize(scale, kernel="cubic")
        image = image + soft.crop(0, 0, width, height) * (scale / 200)
    marked = image + (quarters(width, height) - 100) * 0.2 + (noise(width, height) - 128) * 0.05
    return marked.cast("uchar").copy(interpretation="srgb").copy_memory()


def test_the_same_picture_is_wholly_alike() -> None:
    assert likeness(photo(200, 150), photo(200, 150)) == pytest.approx(100)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a_higher_quality_is_never_less_alike(kind: str, tmp_path: Path) -> None:
    image = photo(320, 240).gaussblur(0.8)
    scores = []
    for quality in (20, 40, 60, 80, 95):
        path = str(tmp_path / f"a.{'jpg' if kind == 'jpeg' else kind}")
        getattr(image, f"{kind}save")(path, Q=quality)
        scores.append(likeness(image, decoded(path)))

    assert scores == sorted(scores)
    assert scores[0] < scores[-1] - 5


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_auto_reaches_its_target_with_a_lower_quality_than_is_usual(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "source.png"
    photo(320, 240).pngsave(str(path))

    (output,) = developed(path, {"format": kind, "quality": "auto"}).outputs

    assert output.quality is not None and output.score is not None
    assert RANGES[kind][0] <= output.quality <= RANGES[kind][1]  # type: ignore[index]
    assert output.score >= TARGETS[kind]  # type: ignore[index]
    assert likeness(photo(320, 240), decoded(output.path)) >= output.score - 0.01
    assert [path.name for path in Path(output.path).parent.iterdir()] == [Path(output.path).name]


def test_a_plain_picture_gets_less_quality_than_a_busy_one(tmp_path: Path) -> None:
    found = []
    for image in (plain(200, 200, (120, 90, 60)), photo(200, 200)):
        path = tmp_path / "source.png"
        image.pngsave(str(path))
        found.append(developed(path, {"format": "jpeg", "quality": "auto"}).outputs[0].quality)

    assert found[0] is not None and found[1] is not None
    assert found[0] == RANGES["jpeg"][0] < found[1]


def test_the_search_takes_few_encodings(tmp_path: Path) -> None:
    image = photo(200, 150)
    asked: list[int | None] = []

    def write(part: pyvips.Image, quality: int | None, path: Path) -> int:
        asked.append(quality)
        part.jpegsave(str(path), Q=quality)
        return 0

    sought = seek(image, "jpeg", 1, tmp_path / "a.jpg", write)

    assert len(asked) <= MOST_TRIALS
    assert sought.quality in asked


@pytest.mark.parametrize("size", [(4000, 3000), (4000, 60), (60, 4000), (700, 700), (1, 1)])
def test_what_is_judged_is_bounded_and_never_resampled(size: tuple[int, int]) -> None:
    image = waves(*size)

    part = sample(image, 1)

    assert part.width * part.height <= JUDGED_SIDE * JUDGED_SIDE
    assert list(part(0, 0)) in (
        list(image(0, 0)),
        list(image((size[0] - part.width) // 2, (size[1] - part.height) // 2)),
    )


def test_formats_that_lose_nothing_have_no_use_for_it(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    photo(60, 40).pngsave(str(path))

    for format in ("png", "gif", "tiff"):
        (output,) = developed(path, {"format": format, "quality": "auto"}).outputs
        assert output.quality is None


def test_a_grey_and_a_clear_picture_can_be_judged(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    for image in (photo(60, 40)[0].copy(interpretation="b-w"), photo(60, 40).bandjoin(99)):
        image.pngsave(str(path))
        outcome = developed(path, {"format": "webp", "quality": "auto"})
        assert outcome.fault is None


def test_auto_is_a_recipe_of_its_own() -> None:
    auto, fixed = parse_recipe({"quality": "auto"}), parse_recipe({"quality": 80})

    assert auto.canonical() == '{"quality":"auto"}'
    assert auto.canonical() != fixed.canonical()
