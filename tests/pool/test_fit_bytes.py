"""maxBytes: the quality falls until the file fits, the size never; and it says when it cannot."""

from pathlib import Path

import pytest

from pool import Progress, RecipeError, parse_recipe
from pool.kill import Kill
from tests.pool.pictures import developed, noise, waves


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.png"
    noise(200, 150).pngsave(str(path))
    return path


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_a_file_fits_its_budget_and_uses_most_of_it(source: Path, kind: str) -> None:
    usual = developed(source, {"format": kind}).outputs[0]
    budget = usual.bytes * 2 // 3

    (output,) = developed(source, {"format": kind, "maxBytes": budget}).outputs

    assert budget * 0.9 <= output.bytes <= budget
    assert output.bytes == Path(output.path).stat().st_size
    assert (output.width, output.height) == (200, 150)
    assert output.quality is not None


def test_a_file_that_fits_keeps_its_quality(source: Path) -> None:
    usual = developed(source, {"format": "jpeg", "quality": 60}).outputs[0]

    (output,) = developed(
        source, {"format": "jpeg", "quality": 60, "maxBytes": usual.bytes}
    ).outputs

    assert (output.digest, output.quality) == (usual.digest, None)


def test_the_sought_quality_is_lowered_too(source: Path) -> None:
    auto = developed(source, {"format": "jpeg", "quality": "auto"}).outputs[0]
    budget = auto.bytes * 3 // 4

    (output,) = developed(source, {"format": "jpeg", "quality": "auto", "maxBytes": budget}).outputs

    assert auto.quality is not None and output.quality is not None
    assert output.bytes <= budget
    assert output.quality < auto.quality
    assert output.score is None  # it no longer comes so near


@pytest.mark.parametrize(
    "recipe", [{"format": "jpeg"}, {"format": "png"}, {"format": "webp", "lossless": True}]
)
def test_what_cannot_fit_is_a_fault_with_its_numbers(source: Path, recipe: object) -> None:
    assert isinstance(recipe, dict)

    outcome = developed(source, {**recipe, "maxBytes": 300})

    assert outcome.fault is not None
    assert (outcome.fault.code, outcome.fault.limit) == ("max_bytes_too_small", 300)
    assert outcome.fault.actual is not None and outcome.fault.actual > 300
    assert "default" in outcome.fault.detail
    assert outcome.outputs == ()


def test_each_variant_has_its_own_budget(source: Path) -> None:
    variants = [
        {"name": "a", "format": "jpeg", "maxBytes": 9000},
        {"name": "b", "format": "jpeg", "maxBytes": 6000},
    ]

    outputs = developed(source, {"variants": variants}).outputs

    assert [output.bytes <= budget for output, budget in zip(outputs, (9000, 6000), strict=True)]
    assert outputs[0].bytes > 6000 >= outputs[1].bytes


def test_a_large_picture_is_held_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "source.png"
    waves(300, 200).pngsave(str(path))
    monkeypatch.setattr("pool.prints.MOST_HELD_FOR_PROGRESS_BYTES", 1000)

    outcome = developed(path, {"format": "jpeg", "maxBytes": 4000})

    assert outcome.fault is None
    assert outcome.outputs[0].bytes <= 4000


def test_a_kill_ends_the_search(source: Path) -> None:
    kill = Kill()

    class Watcher(list[Progress]):
        def append(self, report: Progress) -> None:
            if report.stage == "encoding":
                kill.now()

    outcome = developed(source, {"format": "jpeg", "maxBytes": 3000}, reports=Watcher(), kill=kill)

    assert outcome.fault is not None
    assert outcome.fault.code == "cancelled"


@pytest.mark.parametrize("value", [0, -1, "9", 2.5])
def test_a_budget_is_a_number_of_bytes(value: object) -> None:
    with pytest.raises(RecipeError, match="maxBytes: expected an integer from 100"):
        parse_recipe({"maxBytes": value})
