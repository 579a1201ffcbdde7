"""The shipped networks at work; skipped, and said so, where the extra `ai` is not installed."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyvips

pytest.importorskip("onnxruntime", reason="the extra ai is not installed")

from pool import (
    LaneSettings,
    Limits,
    Outcome,
    Progress,
    Stage,
    Task,
    measure_networks,
    parse_recipe,
)
from pool.ai.bench import Bench
from pool.ai.engines import OWN, Engines, Model, Notes
from pool.ai.session import SHELF, ModelUnfit, Shelf, checked
from pool.ai.tiles import boxes, through
from pool.develop import develop
from pool.fault import Refused
from pool.kill import Kill
from pool.lane import Lane
from pool.steps import Frame, Size
from pool.steps.enhance import Enhance, noise_of
from pool.steps.enhance import apply as enhance
from pool.steps.upscale import Upscale
from pool.steps.upscale import apply as upscale
from tests.pool.pictures import LIMITS, waves

ENGINES = Engines(models=tuple(OWN.values()), why_not="")
WITH_AI = replace(LIMITS, engines=ENGINES)


def nothing(_done: int) -> None:
    return


def noisy(image: pyvips.Image, sigma: float) -> pyvips.Image:
    rng = np.random.default_rng(5)
    pixels = image.numpy() + rng.standard_normal(image.numpy().shape) * sigma
    made = pyvips.Image.new_from_array((pixels + 0.5).clip(0, 255).astype(np.uint8))
    return made.copy(interpretation="srgb")


def psnr(one: pyvips.Image, other: pyvips.Image) -> float:
    away = one.numpy().astype(float) - other.numpy()
    return float(10 * np.log10(255**2 / max(float(np.mean(away**2)), 1e-9)))


def frame(before: pyvips.Image, factor: int, bench: Bench) -> Frame:
    size = Size(before.width, before.height)
    after = Size(size.width * factor, size.height * factor)
    return Frame(size, after, (255, 255, 255), bench=bench)


@pytest.mark.parametrize("name", sorted(OWN))
def test_tiles_leave_no_seam(name: str) -> None:
    image = noisy(waves(301, 203), 10)

    whole, _ = through(image, replace(OWN[name], tile=1024), ENGINES, 1.0, nothing)
    tiled, _ = through(image, replace(OWN[name], tile=64), ENGINES, 1.0, nothing)

    assert np.abs(whole.numpy().astype(int) - tiled.numpy()).max() <= 1


def test_tiles_too_close_to_each_other_would_be_seen() -> None:
    """The comparison above can fail: without the overlap it does."""
    image = noisy(waves(301, 203), 10)

    whole, _ = through(image, replace(OWN["enhance"], tile=1024), ENGINES, 1.0, nothing)
    apart, _ = through(image, replace(OWN["enhance"], tile=64, overlap=0), ENGINES, 1.0, nothing)

    assert np.abs(whole.numpy().astype(int) - apart.numpy()).max() > 1


def test_boxes_cover_the_picture_once() -> None:
    covered = np.zeros((203, 301), int)

    for box in boxes(301, 203, replace(OWN["enhance"], tile=64)):
        covered[box.top : box.top + box.height, box.left : box.left + box.width] += 1
        assert box.from_left % 2 == 0
        assert box.from_top % 2 == 0

    assert (covered == 1).all()


def test_noise_becomes_less_and_the_size_stays() -> None:
    clean = waves(256, 192)
    spoilt = noisy(clean, 25)

    made = enhance(spoilt, Enhance(), frame(spoilt, 1, Bench(ENGINES)))

    assert (made.width, made.height, made.bands) == (256, 192, 3)
    assert psnr(made, clean) > psnr(spoilt, clean) + 3


def test_strength_zero_changes_nothing_and_half_is_between() -> None:
    spoilt = noisy(waves(128, 128), 25)
    bench = Bench(ENGINES)

    none = enhance(spoilt, Enhance(strength=0), frame(spoilt, 1, bench))
    half = enhance(spoilt, Enhance(strength=0.5), frame(spoilt, 1, bench))
    all_of_it = enhance(spoilt, Enhance(strength=1), frame(spoilt, 1, bench))

    assert (none.numpy() == spoilt.numpy()).all()
    assert psnr(half, spoilt) == pytest.approx(psnr(all_of_it, spoilt) + 9, abs=0.5)


def test_a_clean_picture_stays_as_it_is() -> None:
    clean = waves(256, 256)

    made = enhance(clean, Enhance(strength=0.5), frame(clean, 1, Bench(ENGINES)))

    assert psnr(made, clean) >= 38


@pytest.mark.parametrize("factor", [2, 4])
def test_upscale_makes_what_it_announced_and_keeps_the_picture(factor: int) -> None:
    large = waves(400, 300)
    small = large.resize(1 / factor)

    made = upscale(
        small, Upscale.model_validate({"factor": factor}), frame(small, factor, Bench(ENGINES))
    )

    assert (made.width, made.height) == (400, 300)
    assert psnr(made, large) > 24


def test_grey_and_alpha_come_through() -> None:
    grey = waves(64, 48).colourspace("b-w")
    clear = grey.bandjoin(pyvips.Image.black(64, 48) + 77).cast("uchar").copy(interpretation="b-w")

    soft = enhance(clear, Enhance(), frame(clear, 1, Bench(ENGINES)))
    large = upscale(clear, Upscale(factor=2), frame(clear, 2, Bench(ENGINES)))

    assert (soft.bands, soft.interpretation) == (2, "b-w")
    assert (large.width, large.height, large.bands) == (128, 96, 2)
    assert (soft[1].min(), large[1].min(), large[1].max()) == (77, 77, 77)


def test_a_large_result_lies_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pool.ai.tiles.MOST_IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    image = waves(96, 64)

    mapped, _ = through(image, OWN["upscale"], ENGINES, 1.0, nothing)
    monkeypatch.undo()
    held, _ = through(image, OWN["upscale"], ENGINES, 1.0, nothing)

    assert (mapped.numpy() == held.numpy()).all()
    assert list(tmp_path.iterdir()) == []


def task(tmp_path: Path, image: pyvips.Image, options: object, limits: Limits) -> Task:
    source, workdir = tmp_path / "source.png", tmp_path / "out"
    image.write_to_file(str(source))
    workdir.mkdir()
    return Task("job", 1, str(source), parse_recipe(options), str(workdir), limits, 60.0)


def test_an_outcome_says_what_was_used_and_progress_goes_by_tiles(tmp_path: Path) -> None:
    told: list[Progress] = []
    options = {"enhance": {}, "upscale": {"factor": 2}, "format": "png"}

    outcome = develop(task(tmp_path, waves(200, 100), options, WITH_AI), told.append, Kill())

    assert outcome.fault is None
    assert [(one.step, one.engine, one.model) for one in outcome.engines] == [
        ("upscale", "ai", "upscale"),
        ("enhance", "ai", "enhance"),
    ]
    assert sum(one.megapixels for one in outcome.engines) == pytest.approx(0.02 + 0.08)
    assert [one.percent for one in told] == sorted(one.percent for one in told)
    assert next(one.percent for one in told if one.stage is Stage.ENCODING) == 90
    assert list(dict.fromkeys(one.stage for one in told)) == [
        Stage.DECODING,
        Stage.UPSCALING,
        Stage.PROCESSING,
        Stage.ENHANCING,
        Stage.ENCODING,
    ]


def test_between_two_networks_of_one_stage_the_stage_is_told_again(tmp_path: Path) -> None:
    told: list[Progress] = []
    variants = [{"name": "a"}, {"name": "b", "resize": {"width": 90}}]
    options = {"enhance": {}, "variants": variants, "format": "png"}

    outcome = develop(task(tmp_path, waves(200, 100), options, WITH_AI), told.append, Kill())

    assert outcome.fault is None
    assert [one.percent for one in told] == sorted(one.percent for one in told)
    assert [one.stage for one in told].count(Stage.ENHANCING) >= 2


def test_auto_without_networks_is_classic_and_says_so(tmp_path: Path) -> None:
    options = {"enhance": {}, "upscale": {"factor": 2}, "format": "png"}

    outcome = develop(task(tmp_path, waves(200, 100), options, LIMITS), lambda _: None, Kill())

    assert outcome.fault is None
    assert [(one.step, one.engine) for one in outcome.engines] == [
        ("upscale", "classic"),
        ("enhance", "classic"),
    ]
    assert (outcome.outputs[0].width, outcome.outputs[0].height) == (400, 200)


def test_a_pressed_kill_stops_between_two_tiles() -> None:
    kill = Kill()
    done: list[float] = []

    def hear(_step: str, part: float) -> None:
        done.append(part)
        if part:
            kill.now()
        kill.check()

    image = waves(1200, 64)
    bench = Bench(ENGINES, hear, Notes(pixels=1200 * 64))
    with pytest.raises(Refused, match="cancelled"):
        enhance(image, Enhance(), frame(image, 1, bench))

    assert len(done) == 2
    assert 0 == done[0] < done[1] < 0.5


async def test_networks_work_in_a_child_that_is_shut_in(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    told: list[Progress] = []
    lane = Lane("ai", on_progress=told.append, settings=LaneSettings(spool=str(spool)))
    await lane.start()
    try:
        speeds = await lane.run(measure_networks, ENGINES, deadline_s=30)
        given = task(spool, noisy(waves(300, 200), 20), {"enhance": {}, "format": "png"}, WITH_AI)
        [outcome] = await lane.develop([given])
        assert lane.sandbox is not None
    finally:
        await lane.close()

    assert isinstance(speeds, dict)
    assert all(isinstance(told, float) and told > 0 for told in speeds.values()), speeds
    assert isinstance(outcome, Outcome)
    assert outcome.fault is None
    assert [one.engine for one in outcome.engines] == ["ai"]
    assert Stage.ENHANCING in {one.stage for one in told}


def test_a_network_whose_file_is_broken_meanwhile_is_done_without_or_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "enhance.onnx"
    path.write_bytes(b"nothing")
    broken = Engines(models=(replace(OWN["enhance"], path=str(path)),), why_not="")
    image = waves(64, 64)
    bench = Bench(broken)

    made = enhance(image, Enhance(), frame(image, 1, bench))

    assert made.width == 64
    assert [(one.step, one.engine) for one in bench.notes.used] == [("enhance", "classic")]
    with pytest.raises(Refused, match="the network enhance does not work here"):
        enhance(image, Enhance(engine="ai"), frame(image, 1, bench))


def test_a_file_that_is_no_network_is_said_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "house.onnx"
    path.write_bytes(b"nothing")

    with pytest.raises(ModelUnfit, match=r"house: .*house\.onnx cannot be loaded"):
        checked(Model("house", str(path)), ENGINES)


def test_a_network_of_another_scale_than_it_is_said_to_have_is_unfit() -> None:
    with pytest.raises(ModelUnfit, match=r"expected \(1, 3, 512, 512\)"):
        checked(replace(OWN["enhance"], name="house", scale=2), ENGINES)


def test_an_operators_network_is_given_what_it_expects() -> None:
    """Mean and deviation are taken off before it, and put back after it."""
    mean, deviation = (0.5, 0.4, 0.3), (0.5, 0.25, 1.0)
    model = replace(OWN["enhance"], mean=mean, deviation=deviation)
    image = waves(48, 32)

    made, _ = through(image, model, ENGINES, 1.0, nothing)

    given = (image.numpy().astype(np.float32) / 255 - mean) / deviation
    with SHELF.lent(model, ENGINES) as loaded:
        tile = loaded.run(given.transpose(2, 0, 1)[None].astype(np.float32))[0]
    expected = ((tile.transpose(1, 2, 0) * deviation + mean) * 255 + 0.5).clip(0, 255)
    assert np.abs(made.numpy() - expected.astype(np.uint8).astype(int)).max() <= 1


def test_idle_networks_are_let_go() -> None:
    shelf = Shelf()
    engines = replace(ENGINES, idle_s=0.05)
    with shelf.lent(OWN["enhance"], engines):
        assert shelf.names == ("enhance",)

    timer = shelf._timer
    while timer is not None:
        timer.join(5)
        assert not timer.is_alive()
        timer = shelf._timer

    assert shelf.names == ()


def test_onnxruntime_is_told_to_be_silent_before_it_is_loaded(tmp_path: Path) -> None:
    code = "import os, pool.ai.session; print(os.environ['ORT_DISABLE_TELEMETRY'])"

    told = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert (told.stdout, told.stderr) == ("1\n", "")
    assert list(tmp_path.rglob("*")) == []


def test_the_noise_of_a_picture_is_measured() -> None:
    grey = (pyvips.Image.black(256, 256, bands=3) + 128).cast("uchar").copy(interpretation="srgb")

    assert noise_of(grey) == 0
    assert 5 < noise_of(noisy(grey, 10)) < 10  # of brightness: three colours share it


def test_one_shelf_serves_a_child() -> None:
    heard: Callable[[int], None] = nothing
    through(waves(64, 64), OWN["enhance"], ENGINES, 1.0, heard)

    assert "enhance" in SHELF.names
