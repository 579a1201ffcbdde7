"""A responsive set: its names, its sizes, and the HTML that shows it."""

from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pool import RecipeError, parse_recipe
from server.jobs.job import Job, Variant
from server.jobs.picture import result_picture
from tests.pool.pictures import decoded, developed, psnr, waves

RESPONSIVE = {"widths": [40, 80], "formats": ["avif", "webp", "jpeg"]}


def test_every_width_comes_in_every_format() -> None:
    recipe = parse_recipe({"responsive": RESPONSIVE})

    names = [output.name for output in recipe.outputs()]
    assert names == ["w40-avif", "w80-avif", "w40-webp", "w80-webp", "w40-jpeg", "w80-jpeg"]
    assert [output.format for output in recipe.outputs()] == ["avif"] * 2 + ["webp"] * 2 + [
        "jpeg"
    ] * 2


def test_formats_have_a_default_and_variants_come_first() -> None:
    recipe = parse_recipe({"responsive": {"widths": [40]}, "variants": [{"name": "own"}]})

    names = [output.name for output in recipe.outputs()]
    assert names == ["own", "w40-avif", "w40-webp", "w40-jpeg"]


@pytest.mark.parametrize(
    ("resize", "wanted"),
    [
        (None, (400, None, "inside")),
        ({"width": 1600, "height": 900, "fit": "cover"}, (400, 225, "cover")),
        ({"height": 900}, (400, None, "inside")),
    ],
)
def test_a_resize_gives_its_ratio(
    resize: dict[str, object] | None, wanted: tuple[int, int | None, str]
) -> None:
    recipe = parse_recipe({"resize": resize, "responsive": {"widths": [400]}})

    made = recipe.outputs()[0].resize
    assert made is not None
    assert (made.width, made.height, made.fit) == wanted


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"widths": []}, "expected a list of 1 to 10, got a list of 0"),
        ({"widths": [0]}, "responsive.widths[0]: expected an integer from 1 to 65500, got 0"),
        ({"widths": [8, 8]}, "expected values that differ, got 8 more than once"),
        ({"widths": [8], "formats": ["auto"]}, "expected one of jpeg, png, webp, avif, gif, tiff"),
        (
            {"widths": list(range(1, 11)), "formats": ["avif", "webp", "jpeg", "png"]},
            "expected at most 32 files in all, got 40",
        ),
    ],
)
def test_what_cannot_be_is_refused(recipe: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe({"responsive": recipe})

    assert words in caught.value.detail


def test_names_of_variants_and_responsive_ones_must_differ() -> None:
    with pytest.raises(RecipeError, match="'w8-webp' more than once"):
        parse_recipe({"responsive": {"widths": [8]}, "variants": [{"name": "w8-webp"}]})


def test_a_set_is_made_from_one_decode_and_looks_as_made_alone(tmp_path: Path) -> None:
    path = tmp_path / "source.jpg"
    waves(1600, 1200).jpegsave(str(path), Q=95)
    widths = [640, 420, 280, 180, 120]

    outcome = developed(path, {"responsive": {"widths": widths, "formats": ["png"]}})

    assert outcome.fault is None
    assert [output.width for output in outcome.outputs] == widths
    for output in outcome.outputs:
        alone = developed(path, {"format": "png", "resize": {"width": output.width}})
        assert psnr(decoded(output.path), decoded(alone.outputs[0].path)) > 38


def test_widths_beyond_the_picture_are_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    waves(100, 60).pngsave(str(path))

    outcome = developed(path, {"responsive": {"widths": [50, 200, 400], "formats": ["webp"]}})

    assert [output.width for output in outcome.outputs] == [50, 100, 100]
    assert len({output.digest for output in outcome.outputs}) == 2
    assert len({output.path for output in outcome.outputs}) == 3
    assert all(Path(output.path).stat().st_size == output.bytes for output in outcome.outputs)


class Tags(HTMLParser):
    """Every tag with its attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def completed(variants: list[Variant]) -> Job:
    fields = {
        **{"id": "abc", "status": "completed", "revision": "3", "name": "a.jpg", "client": "c"},
        **{"class": "interactive", "original_key": "o", "original_bytes": "1", "digest": "d"},
        **{"original_format": "jpeg", "width": "9", "height": "9", "cost": "1", "created": "1"},
        "look": '{"thumbhash":"aaa","dominant_colour":"#102030","width":8,"height":6,"dhash":"00"}',
    }
    return replace(Job.from_fields(fields), variants=tuple(variants))


def variant(name: str, format: str, width: int) -> Variant:
    return Variant(name, f"key/{name}", format, width, width // 2, 1, "d")


def test_the_result_has_a_picture_element() -> None:
    job = completed(
        [
            variant("own", "webp", 700),
            variant("w400-avif", "avif", 400),
            variant("w800-avif", "avif", 800),
            variant("w400-jpeg", "jpeg", 400),
            variant("w800-jpeg", "jpeg", 800),
        ]
    )

    tags = Tags(result_picture(job)["html"]).found

    assert [tag for tag, _ in tags] == ["picture", "source", "img"]
    source, image = tags[1][1], tags[2][1]
    assert source["type"] == "image/avif"
    assert source["srcset"] == "/image/abc/w400-avif 400w, /image/abc/w800-avif 800w"
    assert image["src"] == "/image/abc/w800-jpeg"
    assert (image["width"], image["height"]) == ("800", "400")
    assert image["style"] == "background:#102030"


def test_each_width_stands_once_in_a_srcset() -> None:
    job = completed([variant("w400-webp", "webp", 300), variant("w800-webp", "webp", 300)])

    image = Tags(result_picture(job)["html"]).found[-1][1]

    assert image["srcset"] == "/image/abc/w400-webp 300w"


def test_a_job_without_responsive_variants_has_no_html_but_a_placeholder() -> None:
    picture = result_picture(completed([variant("default", "webp", 300)]))

    assert "html" not in picture
    assert picture["placeholder"] == {
        "thumbHash": "aaa",
        "dominantColor": "#102030",
        "width": 8,
        "height": 6,
        "dHash": "00",
    }
