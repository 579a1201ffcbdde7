"""Opening: orientation, colour, damage, and a decoder that shrinks."""

import io
from pathlib import Path

import pytest
import pyvips
from PIL import Image, ImageCms

from pool.colour import is_srgb
from pool.open import opening
from pool.probe import read_header
from pool.records import Header, ProbeTask
from tests.pool.pictures import (
    BLUE,
    GREEN,
    LIMITS,
    RED,
    WHITE,
    are_near,
    corners,
    developed,
    is_near,
    noise,
    only,
    psnr,
    quarters,
    waves,
)

WANTED = [RED, GREEN, BLUE, WHITE]
# The turn that undoes each EXIF orientation, in Pillow's words.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored(path: Path, orientation: int, width: int = 400, height: int = 300) -> None:
    """A JPEG whose pixels lie as a camera held that way would write them."""
    upright = Image.fromarray(quarters(width, height).numpy())
    turn = STORED[orientation]
    picture = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, quality=95, subsampling=0, exif=exif)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("recipe", [{}, {"resize": {"width": 100}}], ids=["whole", "shrunk"])
def test_pictures_come_out_upright(
    tmp_path: Path, orientation: int, recipe: dict[str, object]
) -> None:
    path = tmp_path / "source.jpg"
    stored(path, orientation)

    header = read_header(ProbeTask(str(path), LIMITS))
    image = only(developed(path, {"format": "png", **recipe}))

    assert isinstance(header, Header)
    assert (header.width, header.height, header.orientation) == (400, 300, orientation)
    assert (image.width, image.height) == ((100, 75) if recipe else (400, 300))
    assert are_near(corners(image), WANTED)


def test_crop_speaks_of_the_picture_as_displayed(tmp_path: Path) -> None:
    path = tmp_path / "source.jpg"
    stored(path, 6)
    crop = {"x": 200, "y": 150, "width": 200, "height": 150}

    image = only(developed(path, {"format": "png", "crop": crop}))

    assert are_near(corners(image), [WHITE] * 4)


def profile(name: str) -> bytes:
    return bytes(pyvips.Operation.call("profile_load", name))


def adobe_rgb() -> bytes:
    """Display P3 with the primaries and the curve of Adobe RGB written into its tags."""
    from struct import pack, unpack_from

    data = bytearray(profile("p3"))
    primaries = {
        b"rXYZ": (0.60974, 0.31111, 0.01947),
        b"gXYZ": (0.20528, 0.62567, 0.06087),
        b"bXYZ": (0.14919, 0.06322, 0.74457),
    }
    (count,) = unpack_from(">I", data, 128)
    for row in range(count):
        name, offset, length = unpack_from(">4sII", data, 132 + 12 * row)
        if name in primaries:
            numbers = [round(value * 65536) for value in primaries[name]]
            data[offset + 8 : offset + 20] = pack(">3i", *numbers)
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            curve = pack(">4s4xHHi", b"para", 0, 0, round(2.19921875 * 65536))
            data[offset : offset + length] = curve.ljust(length, b"\0")
    data[84:100] = bytes(16)  # the digest of the profile, now wrong
    return bytes(data)


def by_pillow(pixels: Image.Image, icc: bytes) -> pyvips.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    done = ImageCms.profileToProfile(
        pixels, source, target, ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB", flags=flags
    )
    assert done is not None
    return pyvips.Image.new_from_array(done)


@pytest.mark.parametrize("kind", ["p3", "adobe"])
def test_wide_colours_become_srgb_as_pillow_makes_them(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "source.png"
    icc = profile("p3") if kind == "p3" else adobe_rgb()
    pixels = Image.fromarray(waves(64, 64).numpy())
    pixels.save(path, icc_profile=icc)

    image = only(developed(path, {"format": "png"}))

    wanted = by_pillow(pixels, icc)
    assert psnr(image, wanted) > 45
    assert psnr(image, waves(64, 64)) < 40  # there was something to convert


def test_cmyk_becomes_rgb_without_and_with_a_profile(tmp_path: Path) -> None:
    for name, icc in (("with", profile("cmyk")), ("without", None)):
        path = tmp_path / f"{name}.jpg"
        Image.new("CMYK", (40, 40), (0, 255, 255, 0)).save(path, quality=95, icc_profile=icc)

        image = only(developed(path, {"format": "png"}))

        red, green, blue = image(20, 20)
        assert image.bands == 3
        assert red > 180
        assert max(green, blue) < 90


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_sixteen_bits_become_eight(tmp_path: Path, bands: int) -> None:
    path = tmp_path / "source.png"
    shade, clear = 200 * 257, 100 * 257
    values = [shade] * (bands - 1) + [clear] if bands in (2, 4) else [shade] * bands
    kind = "rgb16" if bands > 2 else "grey16"
    deep = (pyvips.Image.black(20, 20, bands=bands) + values).cast("ushort")
    deep.copy(interpretation=kind).pngsave(str(path), bitdepth=16)

    header = read_header(ProbeTask(str(path), LIMITS))
    image = only(developed(path, {"format": "png", "resize": {"width": 10}}))

    assert isinstance(header, Header)
    assert (header.bits, header.has_alpha, header.bands) == (16, bands in (2, 4), bands)
    assert image.format == "uchar"
    assert is_near(image(5, 5), [value / 257 for value in values], by=1)


def test_sixteen_bits_with_a_profile_keep_their_alpha(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    deep = (pyvips.Image.black(20, 20, bands=4).linear(1, [30000, 20000, 10000, 100 * 257])).cast(
        "ushort"
    )
    deep = deep.copy(interpretation="rgb16")
    deep.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile("p3"))
    deep.pngsave(str(path), bitdepth=16)

    image = only(developed(path, {"format": "png"}))

    assert (image.format, image.bands) == ("uchar", 4)
    assert is_near(image(5, 5)[3:], [100], by=1)


def test_a_grey_picture_stays_grey(tmp_path: Path) -> None:
    path = tmp_path / "source.jpg"
    (pyvips.Image.black(40, 40) + 77).cast("uchar").jpegsave(str(path))

    image = only(developed(path, {"format": "png", "resize": {"width": 20}}))

    assert image.bands == 1
    assert is_near(image(10, 10), [77], by=1)


def test_a_broken_profile_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "source.jpg"
    Image.new("RGB", (40, 40), (200, 30, 30)).save(path, icc_profile=b"\0" * 300, quality=95)

    image = only(developed(path, {"format": "png"}))

    assert is_near(image(20, 20), [200, 30, 30], by=3)


def test_srgb_is_known_by_its_numbers() -> None:
    of_pillow = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    assert is_srgb(of_pillow)
    assert is_srgb(profile("srgb"))
    assert not is_srgb(profile("p3"))
    assert not is_srgb(profile("cmyk"))
    assert not is_srgb(adobe_rgb())
    assert not is_srgb(b"")
    assert not is_srgb(of_pillow[:200])


SAVERS = {
    "jpeg": lambda image, path: image.jpegsave(path),
    "progressive": lambda image, path: image.jpegsave(path, interlace=True),
    "png": lambda image, path: image.pngsave(path),
    "webp": lambda image, path: image.webpsave(path),
    "avif": lambda image, path: image.heifsave(path, compression="av1", effort=0),
    "gif": lambda image, path: image.gifsave(path),
    "tiff": lambda image, path: image.tiffsave(path),
}


@pytest.mark.parametrize("kind", SAVERS)
@pytest.mark.parametrize("part", [0.5, 0.95])
def test_a_picture_that_is_cut_off_is_a_fault(tmp_path: Path, kind: str, part: float) -> None:
    path = tmp_path / "source"
    SAVERS[kind](noise(200, 200), str(path))
    whole = path.read_bytes()
    only(developed(path, {"format": "jpeg"}))
    path.write_bytes(whole[: int(len(whole) * part)])

    outcome = developed(path, {"format": "jpeg"})

    assert outcome.fault is not None
    assert outcome.fault.code == "corrupt_image"
    assert outcome.outputs == ()
    assert "vips" not in outcome.fault.detail.lower()


@pytest.mark.parametrize("kind", ["gif", "webp", "tiff"])
def test_only_the_first_frame_is_developed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"source.{kind}"
    frames = [Image.new("RGB", (30, 20), colour) for colour in (RED, GREEN, BLUE)]
    frames[0].save(path, save_all=True, append_images=frames[1:])

    header = read_header(ProbeTask(str(path), LIMITS))
    image = only(developed(path, {"format": "png"}))

    assert isinstance(header, Header)
    assert (header.frames, header.width, header.height) == (3, 30, 20)
    assert (image.width, image.height) == (30, 20)
    assert is_near(image(15, 10)[:3], RED)


def header_of(kind: str) -> Header:
    return Header(kind, 4000, 3000, 3, 1, False, False, 8, 1)


@pytest.mark.parametrize(
    ("kind", "reduction", "is_cropped", "shrink"),
    [
        ("jpeg", 1.0, False, 1),
        ("jpeg", 2.9, False, 1),
        ("jpeg", 3.0, False, 2),
        ("jpeg", 6.0, False, 4),
        ("jpeg", 100.0, False, 8),
        ("jpeg", 3.9, True, 1),
        ("jpeg", 4.0, True, 2),
        ("webp", 12.0, False, 8),
        ("png", 12.0, False, 1),
    ],
)
def test_the_decoder_leaves_the_resampler_enough(
    tmp_path: Path, kind: str, reduction: float, is_cropped: bool, shrink: int
) -> None:
    path = of_size(tmp_path, 4000 * 3000 // 8)

    way = opening(str(path), header_of(kind), reduction, is_cropped=is_cropped)

    assert way.shrink == shrink


def of_size(folder: Path, size: int) -> Path:
    path = folder / "source"
    with path.open("wb") as file:
        file.truncate(size)
    return path


@pytest.mark.parametrize(("kind", "shrink"), [("jpeg", 2), ("webp", 1)])
def test_a_jpeg_of_few_bits_a_pixel_leaves_it_less(tmp_path: Path, kind: str, shrink: int) -> None:
    path = of_size(tmp_path, 4000 * 3000 // 8 - 1)

    assert opening(str(path), header_of(kind), 2.5, is_cropped=False).shrink == shrink
    assert opening(str(path), header_of(kind), 2.4, is_cropped=False).shrink == 1
    assert opening(str(path), header_of(kind), 3.9, is_cropped=True).shrink == 1


@pytest.mark.parametrize("crop", [None, {"x": 77, "y": 33, "width": 801, "height": 533}])
@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_shrinking_in_the_decoder_looks_like_a_full_decode(
    tmp_path: Path, kind: str, crop: dict[str, int] | None
) -> None:
    path = tmp_path / "source"
    SAVERS[kind](waves(1200, 904), str(path))
    recipe = {"format": "png", "resize": {"width": 133}} | ({"crop": crop} if crop else {})

    image = only(developed(path, recipe))

    whole = pyvips.Image.jpegload(str(path)) if kind == "jpeg" else pyvips.Image.webpload(str(path))
    part = whole.crop(*crop.values()) if crop else whole
    wanted = part.resize(image.width / part.width, vscale=image.height / part.height)
    assert psnr(image, wanted.extract_band(0, n=3)) > 35
