"""A whole task: outputs, announced sizes, progress, metadata, faults and the stop button."""

import threading
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pyvips
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pool import Header, Limits, ProbeTask, Progress, Stage, announce, parse_recipe, refusal
from pool.kill import Kill
from pool.probe import read_header
from pool.progress import SHARES
from tests.patience import PATIENCE_S
from tests.pool.pictures import (
    LIMITS,
    decoded,
    developed,
    is_near,
    noise,
    only,
    psnr,
    quarters,
    waves,
)

HEADER = Header("jpeg", 4000, 3000, 3, 1, False, False, 8, 1)


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif"])
def test_an_output_is_what_its_record_says(tmp_path: Path, name: str) -> None:
    path = tmp_path / "source.png"
    waves(90, 60).pngsave(str(path))

    outcome = developed(path, {"format": name, "resize": {"width": 45}})

    (output,) = outcome.outputs
    content = Path(output.path).read_bytes()
    assert Path(output.path).name == {"jpeg": "default.jpg"}.get(name, f"default.{name}")
    assert (output.variant, output.format, output.width, output.height) == ("default", name, 45, 30)
    assert (output.bytes, output.digest) == (len(content), sha256(content).hexdigest())
    assert set(outcome.timings_ms) == {"decoding", "processing", "encoding"}
    assert outcome.peak_rss_bytes > 1_000_000
    header = read_header(ProbeTask(output.path, LIMITS))
    assert isinstance(header, Header)
    assert (header.format, header.width, header.height) == (name, 45, 30)


def test_quality_changes_the_size_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    noise(100, 100).pngsave(str(path))
    variants = [
        {"name": f"{kind}-{quality}", "format": kind, "quality": quality}
        for kind in ("jpeg", "webp", "avif")
        for quality in (20, 90)
    ]

    outcome = developed(path, {"variants": variants})

    sizes = {output.variant: output.bytes for output in outcome.outputs}
    assert all(sizes[f"{kind}-20"] < sizes[f"{kind}-90"] / 2 for kind in ("jpeg", "webp", "avif"))


def test_several_variants_come_in_their_order_and_look_the_same(tmp_path: Path) -> None:
    path = tmp_path / "source.jpg"
    waves(1600, 1200).jpegsave(str(path), Q=95)
    sizes = [200, 800, 400, 100]
    variants = [{"name": f"w{width}", "resize": {"width": width}} for width in sizes]
    square = {"width": 120, "height": 120, "fit": "cover"}
    variants.append({"name": "square", "resize": square})
    variants.append({"name": "whole"})

    outcome = developed(path, {"format": "png", "variants": variants})

    assert outcome.fault is None
    assert [output.variant for output in outcome.outputs] == [v["name"] for v in variants]
    assert [output.width for output in outcome.outputs] == [*sizes, 120, 1600]
    for output in outcome.outputs[:4]:
        wanted = waves(1600, 1200).resize(output.width / 1600)
        assert psnr(decoded(output.path), wanted) > 35


def test_variants_of_a_picture_too_large_to_hold_are_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "source.jpg"
    quarters(400, 300).jpegsave(str(path))
    monkeypatch.setattr("pool.prints.MOST_HELD_BYTES", 1000)
    monkeypatch.setattr("pool.prints.MOST_HELD_FOR_PROGRESS_BYTES", 1000)
    variants = [{"name": "a", "resize": {"width": 300}}, {"name": "b", "resize": {"width": 100}}]

    for more in ({}, {"flip": True}, {"flop": True}):
        outcome = developed(path, {"format": "png", "variants": variants, **more})

        assert outcome.fault is None
        assert [output.width for output in outcome.outputs] == [300, 100]


def test_all_steps_are_done_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    quarters(80, 60).pngsave(str(path))
    recipe = {
        "format": "png",
        "crop": {"x": 20, "y": 10, "width": 40, "height": 40},
        "resize": {"width": 20},
        "rotate": {"angle": 90},
        "flip": True,
    }

    image = only(developed(path, recipe))

    wanted = quarters(80, 60).crop(20, 10, 40, 40).resize(0.5).rot90().flipver()
    assert psnr(image, wanted) > 50


def test_jpeg_puts_the_background_under_transparent_parts(tmp_path: Path) -> None:
    for bands in (2, 4):
        path = tmp_path / "source.png"
        clear = (pyvips.Image.black(20, 20, bands=bands)).cast("uchar")
        kind = "srgb" if bands == 4 else "b-w"
        clear.copy(interpretation=kind).pngsave(str(path))

        image = only(developed(path, {"format": "jpeg", "background": "#c80a32"}))

        assert is_near(image(10, 10), [200, 10, 50], by=4)


@pytest.fixture
def with_gps(tmp_path: Path) -> Path:
    path = tmp_path / "source.jpg"
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif[0x0112] = 6
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 30.0, 0.0)})
    icc = bytes(pyvips.Operation.call("profile_load", "p3"))
    Image.fromarray(waves(64, 48).numpy()).save(path, exif=exif, icc_profile=icc)
    return path


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif"])
def test_metadata_is_stripped_unless_asked(with_gps: Path, name: str) -> None:
    stripped = only(developed(with_gps, {"format": name}))
    kept = only(developed(with_gps, {"format": name, "metadata": "keep"}))

    marks = ("exif-data", "icc-profile-data", "xmp-data", "orientation")
    assert not [field for field in stripped.get_fields() if field.startswith("exif-ifd")]
    assert not [field for field in stripped.get_fields() if field in marks[:3]]
    assert kept.get("exif-ifd0-Make").startswith("Camera")
    assert kept.get("exif-ifd3-GPSLatitudeRef").startswith("N")
    assert kept.get_typeof("orientation") == 0 or kept.get("orientation") == 1
    assert (kept.width, kept.height) == (48, 64)


def test_kept_metadata_loses_the_thumbnail_the_camera_made(tmp_path: Path) -> None:
    path = tmp_path / "source.jpg"
    image = waves(64, 48).copy()
    thumbnail = waves(16, 12).jpegsave_buffer()
    image.set_type(pyvips.GValue.blob_type, "jpeg-thumbnail-data", thumbnail)
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Make", "Camera")
    image.jpegsave(str(path))
    assert pyvips.Image.jpegload(str(path)).get_typeof("jpeg-thumbnail-data")

    kept = only(developed(path, {"format": "jpeg", "metadata": "keep"}))

    assert kept.get_typeof("exif-ifd0-Make")
    assert kept.get_typeof("jpeg-thumbnail-data") == 0


@pytest.mark.parametrize(
    ("recipe", "limits", "limit", "actual"),
    [
        (
            {"resize": {"width": 5000, "height": 5000, "fit": "contain"}},
            replace(LIMITS, max_output_pixels=20_000_000),
            20_000_000,
            25_000_000,
        ),
        ({"resize": {"width": 20_000, "enlarge": True}}, LIMITS, 50_000_000, 300_000_000),
        (
            {"resize": {"width": 17_000, "height": 5, "fit": "contain"}, "format": "webp"},
            LIMITS,
            16_383,
            17_000,
        ),
    ],
)
def test_an_output_too_large_is_refused_before_work(
    recipe: object, limits: Limits, limit: int, actual: int
) -> None:
    fault = refusal(HEADER, parse_recipe(recipe), limits)

    assert fault is not None
    assert (fault.code, fault.limit, fault.actual) == ("output_too_large", limit, actual)


def test_a_task_keeps_the_limits_too(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    waves(60, 40).pngsave(str(path))

    large = developed(path, {}, limits=replace(LIMITS, max_output_pixels=2000)).fault
    many = developed(path, {}, limits=replace(LIMITS, max_pixels=2000)).fault

    assert large is not None
    assert many is not None
    assert (large.code, many.code) == ("output_too_large", "too_many_pixels")


def test_a_folder_that_is_gone_is_an_internal_error_without_its_name(tmp_path: Path) -> None:
    outcome = developed(tmp_path / "missing.jpg", {})

    assert outcome.fault is not None
    assert outcome.fault.code == "internal_error"
    assert str(tmp_path) not in outcome.fault.detail


def test_progress_goes_through_the_stages_and_never_falls(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    noise(2500, 2000).pngsave(str(path), compression=1)
    reports: list[Progress] = []

    only(developed(path, {"format": "png"}, reports=reports))

    stages = list(dict.fromkeys(report.stage for report in reports))
    percents = [report.percent for report in reports]
    assert stages == [Stage.DECODING, Stage.PROCESSING, Stage.ENCODING]
    assert percents == sorted(percents)
    assert 4 < len(reports) < 40
    assert 0 <= percents[0] <= percents[-1] <= 100


def stopped(path: Path, recipe: object, stage: Stage, code: str) -> tuple[float, Path]:
    """CPU seconds from pressing the button, at the first percent of a stage, to the outcome."""
    kill = Kill()
    at_work = threading.Event()
    pressed_at = 0.0

    def press() -> None:
        nonlocal pressed_at
        at_work.wait(PATIENCE_S)
        pressed_at = time.process_time()
        kill.now(code)

    class Watcher(list[Progress]):
        def append(self, report: Progress) -> None:
            if report.stage is stage and report.percent > SHARES[stage][0]:
                at_work.set()

    button = threading.Thread(target=press)
    button.start()
    outcome = developed(path, recipe, reports=Watcher(), kill=kill)
    taken_s = time.process_time() - pressed_at
    button.join()
    assert outcome.fault is not None
    assert (outcome.fault.code, outcome.outputs) == (code, ())
    return taken_s, max(path.parent.glob("out-*"))


@pytest.mark.parametrize("stage", [Stage.DECODING, Stage.ENCODING])
@pytest.mark.parametrize("code", ["cancelled", "deadline_exceeded"])
def test_a_kill_stops_work_where_it_is(
    tmp_path: Path, stage: Stage, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pool.progress.SHORTEST_PAUSE_S", 0.0
    )  # to hear from within a stage at once
    path = tmp_path / "source.png"
    noise(2500, 2000).pngsave(str(path), compression=1)

    started_at = time.process_time()
    developed(path, {"format": "webp"})
    whole_s = time.process_time() - started_at
    taken_s, workdir = stopped(path, {"format": "webp"}, stage, code)

    assert 0 < taken_s < whole_s / 3
    assert list(workdir.iterdir()) == []


def test_a_task_killed_before_it_began_does_nothing(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    waves(60, 40).pngsave(str(path))
    kill = Kill()
    kill.now()
    kill.now("deadline_exceeded")

    fault = developed(path, {}, kill=kill).fault

    assert fault is not None
    assert fault.code == "cancelled"


SIDES = st.integers(1, 70)
RESIZES = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"width": SIDES},
        optional={
            "height": SIDES,
            "fit": st.sampled_from(["inside", "outside", "contain", "fill"]),
            "enlarge": st.booleans(),
            "gravity": st.sampled_from(["center", "north", "southeast"]),
        },
    ),
    st.fixed_dictionaries(
        {"width": SIDES, "height": SIDES, "fit": st.just("cover")},
        optional={
            "enlarge": st.booleans(),
            "gravity": st.sampled_from(["west", "northeast", "attention", "entropy"]),
        },
    ),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, int, str, dict[str, object]]:
    width, height = draw(SIDES), draw(SIDES)
    recipe: dict[str, object] = {
        "resize": draw(RESIZES),
        "rotate": draw(st.none() | st.builds(dict, angle=st.sampled_from([0, 90, 180, 270]))),
        "flip": draw(st.booleans()),
        "flop": draw(st.booleans()),
        "background": draw(st.sampled_from(["#ffffff", "#123456"])),
        "metadata": draw(st.sampled_from(["strip", "keep"])),
    }
    if draw(st.booleans()):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        recipe["crop"] = {
            "x": x,
            "y": y,
            "width": draw(st.integers(1, width - x)),
            "height": draw(st.integers(1, height - y)),
        }
    names = draw(st.lists(st.sampled_from("abc"), unique=True, max_size=3))
    formats = st.sampled_from(["jpeg", "png", "webp", "avif"])
    recipe["variants"] = [
        {"name": name, "format": draw(formats)}
        | ({"resize": own} if (own := draw(RESIZES)) else {})
        for name in names
    ]
    bands = draw(st.integers(1, 4))
    kinds = ["png", "webp", "tiff"] + (["jpeg"] if bands in (1, 3) else [])
    return width, height, bands, draw(st.sampled_from(kinds)), recipe


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_any_valid_recipe_gives_the_announced_size_and_format(
    case: tuple[int, int, int, str, dict[str, object]],
) -> None:
    width, height, bands, kind, wanted = case
    with TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        image = waves(width, height).bandjoin(200)
        image = image[:bands] if bands > 2 else image.extract_band(3 - bands + 1, n=bands)
        image = image.copy(interpretation="srgb" if bands > 2 else "b-w")
        getattr(image, f"{kind}save")(str(path))
        header = read_header(ProbeTask(str(path), LIMITS))
        assert isinstance(header, Header)
        recipe = parse_recipe(wanted)
        sizes = announce(header, recipe)

        outcome = developed(path, wanted)

        assert outcome.fault is None, outcome.fault
        for output, size, variant in zip(outcome.outputs, sizes, recipe.outputs(), strict=True):
            found = read_header(ProbeTask(output.path, LIMITS))
            assert isinstance(found, Header)
            assert (found.width, found.height) == (size.width, size.height)
            assert (output.width, output.height) == (size.width, size.height)
            assert found.format == variant.format == output.format
