"""The recipe: what is taken, what is refused and in which words."""

import json
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pool import Recipe, RecipeError, parse_recipe
from pool.formats import FORMATS
from pool.recipe import MAX_VARIANTS
from pool.steps import STEPS

SIDE = "an integer from 1 to 65500"

REFUSED = [
    ([], "", "recipe: expected an object, got a list of 0"),
    (None, "", "recipe: expected an object, got null"),
    ({"resize": {"width": "800"}}, "resize.width", f"expected {SIDE}, got '800'"),
    ({"resize": {"width": 800.0}}, "resize.width", f"expected {SIDE}, got 800.0"),
    ({"resize": {"width": float("nan")}}, "resize.width", f"expected {SIDE}, got nan"),
    ({"resize": {"width": float("inf")}}, "resize.width", f"expected {SIDE}, got inf"),
    ({"resize": {"width": True}}, "resize.width", f"expected {SIDE}, got true"),
    ({"resize": {"height": 0}}, "resize.height", f"expected {SIDE}, got 0"),
    ({"resize": {"height": -5}}, "resize.height", f"expected {SIDE}, got -5"),
    ({"resize": {"height": 65501}}, "resize.height", f"expected {SIDE}, got 65501"),
    ({"resize": {"height": 10**5000}}, "resize.height", "got a far larger number"),
    ({"resize": {}}, "resize", "expected width, height or both, got neither"),
    ({"resize": {"widht": 8}}, "resize.widht", "expected one of width, height, fit"),
    ({"resize": {"width": 8, "fit": "crop"}}, "resize.fit", "inside, outside, cover"),
    (
        {"resize": {"width": 8, "gravity": "entropy"}},
        "resize",
        "expected fit cover with gravity entropy, got inside",
    ),
    ({"crop": {"width": 5}}, "crop", "expected either width and height, or aspect"),
    ({"variants": [{}]}, "variants[0].name", "got nothing"),
    ({"crop": {"x": -1, "width": 5, "height": 5}}, "crop.x", "an integer from 0 to 65500, got -1"),
    ({"crop": 7}, "crop", "expected an object, got 7"),
    ({"rotate": {"angle": 361}}, "rotate.angle", "expected a number from -360 to 360, got 361"),
    ({"rotate": {"angle": False}}, "rotate.angle", "got false"),
    ({"rotate": {}}, "rotate.angle", "got nothing"),
    ({"flip": 1}, "flip", "expected true or false, got 1"),
    ({"flop": "true"}, "flop", "expected true or false, got 'true'"),
    ({"background": "red"}, "background", "expected text like '#ffffff'"),
    ({"background": "#ffffff\n"}, "background", "got '#ffffff\\n'"),
    (
        {"format": "bmp"},
        "format",
        "expected one of auto, jpeg, png, webp, avif, gif, tiff, got 'bmp'",
    ),
    ({"quality": 101}, "quality", "expected an integer from 1 to 100 or 'auto', got 101"),
    ({"metadata": True}, "metadata", "expected one of strip, keep, got true"),
    ({"variants": {}}, "variants", f"expected a list of at most {MAX_VARIANTS}, got an object"),
    (
        {"variants": [{"name": f"v{number}"} for number in range(17)]},
        "variants",
        "expected a list of at most 16, got a list of 17",
    ),
    ({"variants": [{}]}, "variants[0].name", "expected text like 'small'"),
    ({"variants": [{"name": "../x"}]}, "variants[0].name", "got '../x'"),
    ({"variants": [{"name": "a"}, {"name": "b", "quality": "9"}]}, "variants[1].quality", "'9'"),
    ({"variants": [{"name": "a"}, {"name": "a"}]}, "variants", "got 'a' more than once"),
    ({"unknown": 1}, "unknown", "expected one of trim, crop, upscale, resize, rotate, flip, flop"),
    ({1: 2}, "[1]", "got this unknown name"),
]


@pytest.mark.parametrize(("value", "path", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_wrong_is_named_with_its_path(value: object, path: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(value)

    assert caught.value.path == path
    assert words in caught.value.detail
    assert caught.value.detail.startswith(f"{path or 'recipe'}: ")
    assert len(caught.value.detail) < 500


def test_everything_said_is_taken() -> None:
    recipe = parse_recipe(
        {
            "crop": {"x": 0, "y": 0, "width": 100, "height": 100},
            "resize": {"width": 80, "height": 60, "fit": "cover", "gravity": "attention"},
            "rotate": {"angle": 90},
            "flip": True,
            "flop": True,
            "background": "#102030",
            "format": "jpeg",
            "quality": 70,
            "metadata": "keep",
            "variants": [{"name": "small", "resize": {"width": 32}, "format": "avif"}],
        }
    )

    assert recipe.crop is not None
    assert recipe.crop.width == 100
    assert recipe.background_colour() == (16, 32, 48)
    assert pickle.loads(pickle.dumps(recipe)) == recipe


def test_the_recipe_cannot_be_changed() -> None:
    recipe = parse_recipe({"flip": True})

    with pytest.raises(ValueError, match="frozen"):
        recipe.flip = False


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"flip": False, "variants": [], "format": "auto", "crop": None}),
        ({"background": "#ABCDEF"}, {"background": "#abcdef"}),
        (
            {"resize": {"width": 8, "fit": "inside"}, "quality": 5},
            {"quality": 5, "resize": {"enlarge": False, "width": 8}},
        ),
        (
            {"crop": {"width": 3, "height": 4}},
            {"crop": {"y": 0, "height": 4, "width": 3, "x": 0}},
        ),
    ],
)
def test_equal_recipes_have_the_same_canonical_text(one: object, other: object) -> None:
    assert parse_recipe(one) == parse_recipe(other)
    assert parse_recipe(one).canonical() == parse_recipe(other).canonical()


def test_canonical_text_is_sorted_without_defaults_and_reads_back() -> None:
    recipe = parse_recipe({"resize": {"width": 8, "fit": "fill"}, "flip": True, "flop": False})

    assert recipe.canonical() == '{"flip":true,"resize":{"fit":"fill","width":8}}'
    assert parse_recipe(json.loads(recipe.canonical())) == recipe


def test_outputs_inherit_from_the_recipe_and_fill_in_defaults() -> None:
    recipe = parse_recipe(
        {
            "resize": {"width": 800},
            "quality": 70,
            "variants": [
                {"name": "plain"},
                {"name": "own", "resize": {"width": 9}, "format": "avif", "quality": 3},
                {"name": "lossless", "format": "png"},
            ],
        }
    )

    plain, own, lossless = recipe.outputs()
    assert (plain.format, plain.quality, plain.resize) == ("webp", 70, recipe.resize)
    assert own.resize is not None
    assert (own.format, own.quality, own.resize.width) == ("avif", 3, 9)
    assert (lossless.format, lossless.quality) == ("png", None)


@pytest.mark.parametrize("name", FORMATS)
def test_without_variants_one_output_named_default_is_made(name: str) -> None:
    (output,) = parse_recipe({"format": name}).outputs()

    assert (output.name, output.format) == ("default", name)
    assert output.quality == FORMATS[output.format].quality


def test_a_recipe_has_a_field_for_each_step_in_order_of_work() -> None:
    assert list(STEPS)[:6] == ["trim", "crop", "upscale", "resize", "rotate", "flip"]
    assert list(STEPS)[-4:] == ["pad", "watermark", "text", "round"]
    assert list(Recipe.model_fields)[: len(STEPS)] == list(STEPS)


def test_the_schema_says_enough_to_draw_a_form() -> None:
    schema = Recipe.model_json_schema()

    groups = [schema, *schema["$defs"].values()]
    fields = {name: field for group in groups for name, field in group["properties"].items()}
    assert all("description" in field for field in fields.values())
    assert all("_" not in name for name in fields)
    assert all(group["additionalProperties"] is False for group in groups)


def test_importing_the_face_loads_no_picture_library() -> None:
    code = "import sys, pool, pool.plan; print('pyvips' in sys.modules)"

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert answer.stdout.strip() == "False"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Recipe.model_fields, "width", "name", "x", "angle"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)  # the first refusal builds the schema, slow on a busy machine
@given(JSON_VALUES)
def test_any_json_is_either_taken_or_refused_with_a_recipe_error(value: object) -> None:
    try:
        recipe = parse_recipe(value)
    except RecipeError as error:
        assert error.detail
    else:
        assert parse_recipe(json.loads(recipe.canonical())) == recipe
