"""Progressive JPEGs whose last scans are not read: what is left out, and that it does not show."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from pool import Header, ProbeTask
from pool.open import load, opening
from pool.probe import read_header
from pool.scans import Scan, Unlike, read_scans
from pool.thinned import LEAST_PSNR_DB, mean_square_error, spare_scans, thinned
from tests.pool.pictures import LIMITS, developed, noise, only, psnr, waves

MODEL_DB = 2.0  # how far the foretold error may be from the true one


@cache
def photograph(width: int = 600, height: int = 452) -> pyvips.Image:
    """Soft shapes with fine grain, so that every scan has something to tell."""
    grain = (noise(width, height).cast("float") - 128) * 0.12
    image = (waves(width, height) + grain).cast("uchar").copy(interpretation="srgb")
    return image.copy_memory()


def jpeg(path: Path, quality: int = 85, subsample: str = "auto", *, grey: bool = False) -> Path:
    image = photograph()
    if grey:
        image = image.colourspace("b-w")
    image.jpegsave(str(path), interlace=True, Q=quality, subsample_mode=subsample)
    return path


def opened(content: bytes, reduction: float) -> pyvips.Image:
    whole = pyvips.Image.jpegload_buffer(content, fail_on="warning")
    return whole.resize(1 / reduction).copy_memory()


def test_every_scan_of_a_file_is_found(tmp_path: Path) -> None:
    content = jpeg(tmp_path / "a").read_bytes()

    found = read_scans(content + b"what follows the end")

    assert (found.width, found.height) == (600, 452)
    assert [(one.across, one.down) for one in found.planes.values()] == [(2, 2), (1, 1), (1, 1)]
    assert found.end == len(content)
    assert all(one.end <= other.begin for one, other in pairwise(found.scans))
    for name in found.planes:  # each has all bits of all its coefficients in the end
        told = [scan for scan in found.scans if name in scan.planes]
        left = {place: scan.after for scan in told for place in range(scan.first, scan.last + 1)}
        assert left == dict.fromkeys(range(64), 0)


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("subsample", ["on", "off"])
@pytest.mark.parametrize("quality", [60, 85, 95])
@pytest.mark.parametrize("reduction", [1.5, 2.0, 4.0, 8.0])
def test_what_is_left_out_does_not_show(
    tmp_path: Path, reduction: float, quality: int, subsample: str, grey: bool
) -> None:
    path = jpeg(tmp_path / "a", quality, subsample, grey=grey)
    whole = path.read_bytes()

    part = thinned(str(path), reduction)

    if part is None:
        smallest = min(
            mean_square_error(found, scan, reduction)
            for found in [read_scans(whole)]
            for scan in found.scans
            if scan.is_refinement and scan.first and not scan.after
        )
        assert smallest > 255**2 / 10 ** (LEAST_PSNR_DB / 10)
        return
    assert len(part) < len(whole)
    assert psnr(opened(part, reduction), opened(whole, reduction)) > LEAST_PSNR_DB - MODEL_DB


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_what_would_show_is_read(tmp_path: Path, quality: int) -> None:
    """Without all refinements the coarsest of these differs by far more than the limit."""
    path = jpeg(tmp_path / "a", quality)
    found, whole = read_scans(path.read_bytes()), path.read_bytes()
    coarse = [scan for scan in found.scans if scan.is_refinement and scan.first]
    bare = whole
    for scan in reversed(coarse):
        bare = bare[: scan.begin] + bare[scan.end :]

    spare = spare_scans(found, 1.5)

    assert psnr(opened(bare, 1.5), opened(whole, 1.5)) < LEAST_PSNR_DB - MODEL_DB
    assert len(spare) < len(coarse)


def test_the_smaller_the_picture_the_less_is_read(tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a", 75)
    sizes = [len(thinned(str(path), times) or path.read_bytes()) for times in (1.5, 3, 6, 12)]

    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.7 * sizes[0]


SCANS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 63), st.integers(1, 63), st.integers(0, 2)),
    max_size=12,
)


@settings(max_examples=200)
@given(shape=SCANS, reduction=st.floats(1.5, 20))
def test_nothing_is_left_out_that_a_later_scan_goes_on_from(
    shape: list[tuple[int, int, int, int]], reduction: float
) -> None:
    scans = [
        Scan(90 * at, 90 * at + 90, frozenset([name]), min(a, b), max(a, b), after + 1, after)
        for at, (name, a, b, after) in enumerate(shape)
    ]
    found = read_scans(CONTENT)
    found.scans[:] = scans

    spare = spare_scans(found, reduction)

    kept = [scan for scan in scans if scan not in spare]
    assert not any(later.goes_on_from(scan) for later in kept for scan in spare)


def header(path: Path) -> Header:
    found = read_header(ProbeTask(str(path), LIMITS))
    assert isinstance(found, Header)
    return found


def test_only_a_progressive_jpeg_made_smaller_is_thinned(tmp_path: Path) -> None:
    path, plain = jpeg(tmp_path / "a"), tmp_path / "plain"
    photograph().jpegsave(str(plain))

    assert opening(str(path), header(path), 1.4, is_cropped=False).thins_for is None
    assert opening(str(path), header(path), 3.0, is_cropped=True).thins_for == 3.0
    assert opening(str(plain), header(plain), 3.0, is_cropped=False).thins_for is None
    assert thinned(str(plain), 3.0) is None


def test_the_worker_reads_less_and_the_picture_is_the_same(tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a")
    way = opening(str(path), header(path), 3.0, is_cropped=False)

    assert load(way).get("vips-loader") == "jpegload_buffer"

    image = only(developed(path, {"resize": {"width": 200}, "format": "png"}))
    wanted = pyvips.Image.jpegload(str(path)).resize(1 / 3)
    assert psnr(image, wanted) > LEAST_PSNR_DB - MODEL_DB


@pytest.mark.parametrize("part", [0.3, 0.7, 0.95, 0.999])
def test_a_file_that_is_cut_off_where_nobody_would_read_is_still_damaged(
    tmp_path: Path, part: float
) -> None:
    path = jpeg(tmp_path / "a")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])

    outcome = developed(path, {"resize": {"width": 50}})

    assert outcome.fault is not None
    assert outcome.fault.code == "corrupt_image"


def made() -> bytes:
    image = photograph(96, 64)
    return bytes(image.jpegsave_buffer(interlace=True, Q=85))


CONTENT = made()


@settings(max_examples=300)
@given(
    at=st.integers(0, len(CONTENT) - 1), inserted=st.binary(max_size=6), removed=st.integers(0, 80)
)
def test_no_damage_makes_it_fail(at: int, inserted: bytes, removed: int) -> None:
    content = CONTENT[:at] + inserted + CONTENT[at + removed :]

    try:
        found = read_scans(content)
    except Unlike:
        return
    for scan in spare_scans(found, 4.0):
        assert 0 < scan.begin < scan.end <= found.end <= len(content)


def test_a_file_of_endless_scans_is_left_to_its_decoder() -> None:
    found = read_scans(CONTENT)
    last = found.scans[-1]
    again = CONTENT[last.begin : last.end] * 70

    with pytest.raises(Unlike):
        read_scans(CONTENT[: last.end] + again + CONTENT[last.end :])
