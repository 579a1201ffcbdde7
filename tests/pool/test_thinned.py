"""Progressive JPEGs whose last scans are not read: what is left out, and that it does not show."""

import struct
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from math import cos, pi
from pathlib import Path

import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from pool import Header, ProbeTask
from pool.open import load, opening
from pool.probe import read_header
from pool.scans import ZIGZAG, Plane, ProgressiveJpeg, Scan, Unlike, read_scans
from pool.thinned import (
    BITS_A_CHANGE,
    LEAST_PSNR_DB,
    _passing,
    mean_square_error,
    spare_scans,
    thinned,
)
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


def resampled_energy(wave: int, reduction: float) -> float:
    """Of a block's wave alone in a line, the part that is left once the line is made smaller."""
    kept = whole = 0.0
    for shift in range(8):
        line = [0.0] * 1024
        line[504 + shift : 512 + shift] = [cos(pi / 8 * wave * (x + 0.5)) for x in range(8)]
        image = pyvips.Image.new_from_memory(struct.pack("1024d", *line), 1024, 1, 1, "double")
        smaller = image.resize(1 / reduction, vscale=1.0, kernel="lanczos3")
        kept += (smaller**2).avg() * smaller.width * reduction
        whole += sum(value**2 for value in line)
    return kept / whole


@pytest.mark.parametrize("reduction", [1.5, 2.0, 3.0, 4.0, 8.0])
def test_what_passes_is_what_the_resampler_leaves_or_a_little_more(reduction: float) -> None:
    for wave, foretold in enumerate(_passing(reduction)):
        real = resampled_energy(wave, reduction)
        assert real - 0.05 < foretold < real + 0.3, f"wave {wave}: {real}"


def test_at_the_full_size_everything_passes_and_far_below_it_the_mean_alone() -> None:
    assert _passing(1.0) == pytest.approx((1.0,) * 8)
    assert _passing(0.3) == _passing(1.0)
    assert _passing(1000.0) == _passing(64.0)
    assert all(part < 0.01 for part in _passing(1000.0)[2:])


def foretold(changes: float, plane: Plane, *, bit: int = 0, reduction: float = 1.0) -> float:
    """Of a scan that changes so many coefficients in each block of the component."""
    planes = {1: Plane(2, 2, 0), 2: plane}
    blocks = 640 * 480 * plane.across * plane.down / 4 / 64
    length = round(changes * blocks * BITS_A_CHANGE / 8)
    scan = Scan(100, 100 + length, frozenset([2]), 1, 63, bit + 1, bit)
    tables: dict[int, Sequence[int]] = {0: [1] * 64, 1: [10 + place for place in range(64)]}
    return mean_square_error(
        ProgressiveJpeg(640, 480, planes, tables, [scan], scan.end), scan, reduction
    )


STEPS = [(10 + place) ** 2 / 64 for place in range(64)]  # of a wave off by a step, a block's mean


@pytest.mark.parametrize("side", [2, 1])
def test_error_is_that_of_the_slowest_waves_that_a_scan_can_change(side: int) -> None:
    plane, at_its_size = Plane(side, side, 1), 2.0 / side

    def found(changes: float, bit: int = 0) -> float:
        return foretold(changes, plane, bit=bit, reduction=at_its_size)

    assert found(2) == pytest.approx(STEPS[1] + STEPS[2])
    assert found(2.5) == pytest.approx(STEPS[1] + STEPS[2] + STEPS[3] / 2)
    assert found(2, bit=1) == pytest.approx(4 * (STEPS[1] + STEPS[2]))
    assert found(63) == pytest.approx(sum(STEPS[1:]))
    assert found(200) == found(63)


@pytest.mark.parametrize("plane", [Plane(2, 2, 1), Plane(2, 1, 1), Plane(1, 2, 1), Plane(1, 1, 1)])
def test_of_a_coarser_component_more_passes(plane: Plane) -> None:
    across, down = _passing(3.0 * plane.across), _passing(3.0 * plane.down)

    assert foretold(2, plane, reduction=6.0) == pytest.approx(
        sum(STEPS[at] * across[ZIGZAG[at][1]] * down[ZIGZAG[at][0]] for at in (1, 2))
    )


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


def rewritten(kind: int, change: Callable[[bytes], bytes]) -> bytes:
    """The file with the bodies of all its segments of a kind (the second byte) changed."""
    content, at, parts = CONTENT, 2, [CONTENT[:2]]
    while content[at + 1] != 0xD9:
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
        body = content[at + 4 : end]
        if content[at + 1] == kind:
            body = change(body)
        parts.append(content[at : at + 2] + (len(body) + 2).to_bytes(2) + body)
        at = end
        while content[at] != 0xFF or content[at + 1] in (0, *range(0xD0, 0xD8)):
            parts.append(content[at : at + 1])
            at += 1
    return b"".join(parts) + content[at:]


def test_tables_of_two_bytes_a_value_and_several_in_a_segment_are_read() -> None:
    def widened(body: bytes) -> bytes:
        assert len(body) == 65
        values = b"".join(value.to_bytes(2) for value in body[1:])
        return bytes([0x10 | body[0]]) + values + bytes([5]) + bytes(64)

    found = read_scans(rewritten(0xDB, widened))

    assert found.tables == read_scans(CONTENT).tables | {5: [0] * 64}
    assert rewritten(0xDB, bytes) == CONTENT


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        pytest.param(0xC2, lambda body: b"\x0c" + body[1:], id="twelve bits a sample"),
        pytest.param(0xC2, lambda body: body[:1] + bytes(2) + body[3:], id="no height"),
        pytest.param(0xC2, lambda body: body[:3] + bytes(2) + body[5:], id="no width"),
        pytest.param(0xC2, lambda body: body[:7] + b"\x02" + body[8:], id="no samples across"),
        pytest.param(0xC2, lambda body: body[:7] + b"\x20" + body[8:], id="no samples down"),
        pytest.param(0xC2, lambda body: body[:8] + b"\x07" + body[9:], id="a table it has not"),
        pytest.param(0xC2, lambda body: body[:6] + b"\x09" + body[7:], id="a component less"),
        pytest.param(0xDB, lambda body: body[:-1], id="a table cut off"),
        pytest.param(0xDA, lambda body: body[:-2] + b"\x40" + body[-1:], id="64 coefficients more"),
        pytest.param(
            0xDA, lambda body: body[:-3] + b"\x01" + body[-2:], id="waves of three at once"
        ),
    ],
)
def test_a_file_that_breaks_the_rules_is_left_to_its_decoder(
    kind: int, change: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(Unlike):
        read_scans(rewritten(kind, change))


def test_a_file_of_endless_scans_is_left_to_its_decoder() -> None:
    found = read_scans(CONTENT)
    last = found.scans[-1]
    again = CONTENT[last.begin : last.end] * 70

    with pytest.raises(Unlike):
        read_scans(CONTENT[: last.end] + again + CONTENT[last.end :])
