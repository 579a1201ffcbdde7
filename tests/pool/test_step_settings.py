"""Settings of all steps, from their schema: documented, bounded, and refused with their path."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pool import RecipeError, parse_recipe
from pool.steps import STEPS, Size, Steps
from tests.pool.reference import Schema, plain, reference

ROOT = Path(__file__).parents[2]

# Of each step as many settings as go together, so that one can be made wrong at a time.
TAKEN: list[dict[str, Any]] = [
    {"trim": {"threshold": 3, "color": "#ffffff"}},
    {"crop": {"x": 1, "y": 1, "width": 5, "height": 5}},
    {"crop": {"aspect": "16:9", "gravity": "entropy"}},
    {"resize": {"width": 9, "height": 9, "fit": "cover", "enlarge": True, "gravity": "north"}},
    {"rotate": {"angle": 12.5, "color": "#00000000"}},
    {"flip": True},
    {"flop": True},
    {"flatten": {"color": "#ffffff"}},
    {"upscale": {"factor": 2, "engine": "classic", "model": "house"}},
    {"enhance": {"strength": 0.5, "engine": "auto", "model": "house"}},
    {"denoise": {"strength": 12}},
    {"normalise": True},
    {"clahe": {"window": 9, "maxSlope": 2}},
    {"gamma": 2.2},
    {"adjust": {"brightness": 2, "contrast": 0.5, "saturation": 0, "hue": -20}},
    {"grayscale": True},
    {"sepia": True},
    {"tint": {"color": "#a05028"}},
    {"blur": {"sigma": 2}},
    {"sharpen": {"sigma": 2, "amount": 1}},
    {"pixelate": {"block": 2, "region": {"x": 1, "y": 1, "width": 2, "height": 2}}},
    {"pad": {"top": 1, "right": 1, "bottom": 1, "left": 1, "color": "#ffffff"}},
    {"pad": {"aspect": "1:1", "gravity": "west"}},
    {
        "watermark": {
            **{"asset": "logo", "scale": 0.5, "gravity": "north", "margin": 2},
            **{"opacity": 0.5, "rotate": 5, "tile": True},
        }
    },
    {"watermark": {"imageId": "abc"}},
    {
        "text": {
            **{"text": "x", "size": 20, "font": "brand", "weight": "bold", "align": "center"},
            **{"color": "#ffffff80", "strokeColor": "#000000", "strokeWidth": 2},
            **{"gravity": "north", "margin": 2, "opacity": 0.5, "rotate": 5, "tile": False},
        }
    },
    {"round": {"radius": 5}},
    {"round": {"circle": True}},
]

STRINGS = ["", "nonsense\n", "#12", "#gggggg", "0:1", "../x", "\x00", "x" * 600, "\ud800"]
NOT_NUMBERS: list[object] = ["1", [], {}, True, float("nan"), float("inf"), -float("inf")]


def settings_of(value: object, part: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Each setting that a value gives, with what the schema says of it."""
    part = plain(part, SCHEMA)
    yield path, part
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from settings_of(inner, part["properties"][key], f"{path}.{key}".strip("."))


def wrong(part: Schema) -> list[object]:
    if "enum" in part:
        return [3, True, "nonsense", [], {}]
    match part["type"]:
        case "integer":
            return [*NOT_NUMBERS, 1.5, part["minimum"] - 1, part["maximum"] + 1, -(10**5000)]
        case "number":
            low, high = part["minimum"], part["maximum"]
            return [*NOT_NUMBERS, low - 0.01, high + 0.01, 10**400, -(10**400), 1e308]
        case "boolean":
            return [1, 0, "true", 1.0, []]
        case "string":
            return [5, False, [], *(one for one in STRINGS if not is_free_text(part, one))]
    return [5, "x", [], True, {"nonsense": 1}]


def is_free_text(part: Schema, value: str) -> bool:
    """text.text takes nearly all; what it does not is in STRINGS all the same."""
    is_text = part.get("examples") == ["© 2026"]
    return is_text and value in ("nonsense\n", "#12", "#gggggg", "0:1", "../x")


SCHEMA = Steps.model_json_schema()
WRONG = [
    (taken, path, value)
    for taken in TAKEN
    for path, part in settings_of(taken, SCHEMA, "")
    if path
    for value in wrong(part)
]


def replaced(recipe: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    recipe = copy.deepcopy(recipe)
    *folders, last = path.split(".")
    inner = recipe
    for folder in folders:
        inner = inner[folder]
    inner[last] = value
    return recipe


@pytest.mark.parametrize("taken", TAKEN, ids=lambda taken: next(iter(taken)))
def test_the_examples_are_taken(taken: dict[str, Any]) -> None:
    recipe = parse_recipe(taken)

    assert parse_recipe(taken).canonical() == recipe.canonical()


def test_the_examples_use_every_setting_of_every_step() -> None:
    used = {path for taken in TAKEN for path, _ in settings_of(taken, SCHEMA, "")}
    there = set()
    for name, field in SCHEMA["properties"].items():
        there.add(name)
        there |= {f"{name}.{key}" for key in plain(field, SCHEMA).get("properties", ())}

    assert there - used == set()


@pytest.mark.parametrize(
    ("taken", "path", "value"), WRONG, ids=[f"{path}-{at}" for at, (_, path, _) in enumerate(WRONG)]
)
def test_a_wrong_value_is_refused_with_its_path(
    taken: dict[str, Any], path: str, value: object
) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(replaced(taken, path, value))

    assert caught.value.path.startswith(path)
    assert caught.value.detail.startswith(f"{path}")
    assert len(caught.value.detail) < 600


def test_every_setting_says_what_it_is_and_has_bounds_unit_and_default() -> None:
    groups = [SCHEMA, *SCHEMA["$defs"].values()]
    fields = [
        (group, name, field) for group in groups for name, field in group["properties"].items()
    ]

    for group, name, field in fields:
        part = plain(field, SCHEMA)
        assert part.get("description"), name
        assert name in group.get("required", ()) or "default" in field, name
        if part.get("type") in ("integer", "number"):
            assert {"minimum", "maximum", "unit"} <= part.keys(), name
        if part.get("type") == "string" and "enum" not in part:
            assert "pattern" in part, name


@pytest.mark.parametrize(
    ("recipe", "path", "words"),
    [
        ({"crop": {}}, "crop", "expected either width and height, or aspect, got neither"),
        ({"crop": {"width": 5}}, "crop", "got width or height alone"),
        ({"crop": {"aspect": "1:1", "width": 5, "height": 5}}, "crop", "got both"),
        ({"crop": {"aspect": "1:1", "x": 5}}, "crop", "got both"),
        (
            {"crop": {"width": 5, "height": 5, "gravity": "west"}},
            "crop",
            "expected aspect with gravity west, got a box",
        ),
        ({"pad": {}}, "pad", "got neither"),
        ({"pad": {"top": 1, "aspect": "1:1"}}, "pad", "got both"),
        ({"round": {}}, "round", "expected either radius, or circle true, got neither"),
        ({"round": {"radius": 1, "circle": True}}, "round", "got both"),
        ({"watermark": {}}, "watermark", "expected either asset or imageId, got neither"),
        ({"watermark": {"asset": "a", "imageId": "b"}}, "watermark", "got both"),
        ({"blur": {}}, "blur.sigma", "expected a number from 0.3 to 250, got nothing"),
        ({"clahe": {"max_slope": 3}}, "clahe.max_slope", "expected one of window, maxSlope"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    recipe: object, path: str, words: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(recipe)

    assert caught.value.path == path
    assert words in caught.value.detail


@pytest.mark.parametrize("taken", TAKEN, ids=lambda taken: next(iter(taken)))
@pytest.mark.parametrize("before", [Size(5, 5), Size(9, 60), Size(6000, 4000)])
def test_every_step_tells_its_size_without_pixels(taken: dict[str, Any], before: Size) -> None:
    [name] = taken

    if name == "crop" and "x" in taken[name]:
        before = Size(before.width + 1, before.height + 1)
    after = STEPS[name].size(before, getattr(parse_recipe(taken), name))

    assert after.width >= 1
    assert after.height >= 1


def test_the_page_of_the_steps_is_of_this_schema() -> None:
    assert (ROOT / "docs" / "recipe.md").read_text() == reference()
