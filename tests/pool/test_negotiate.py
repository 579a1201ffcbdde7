"""The formats to choose from: which files a recipe with `negotiate` gives."""

import pytest

from pool.plan import plan_outputs
from pool.recipe import RecipeError, parse_recipe
from pool.records import Header


def test_a_variant_becomes_one_file_for_each_format() -> None:
    recipe = parse_recipe({"negotiate": ["avif", "jpeg"], "variants": [{"name": "a"}]})
    found = [(one.name, one.format, one.quality, one.choice_of) for one in recipe.outputs()]

    assert found == [("a-avif", "avif", 50, "a"), ("a-jpeg", "jpeg", 80, "a")]


def test_a_format_that_was_said_is_not_negotiated() -> None:
    asked = {"negotiate": ["avif", "jpeg"], "format": "png"}
    assert [one.name for one in parse_recipe(asked).outputs()] == ["default"]


def test_only_webp_without_a_said_quality_may_find_a_drawing() -> None:
    asked = {"negotiate": ["avif", "webp", "png"]}
    assert [one.is_open for one in parse_recipe(asked).outputs()] == [False, True, False]
    for said in ({"quality": 80}, {"quality": "auto"}, {"lossless": True}):
        outputs = parse_recipe({**asked, **said}).outputs()
        assert not any(one.is_open for one in outputs)


@pytest.mark.parametrize(
    ("asked", "path", "word"),
    [
        ({"negotiate": ["webp", "webp"]}, "negotiate", "more than once"),
        ({"negotiate": ["webp", "bmp"]}, "negotiate[1]", "'bmp'"),
        ({"negotiate": ["webp", "auto"]}, "negotiate[1]", "'auto'"),
        ({"negotiate": "webp"}, "negotiate", "a list"),
        ({"negotiate": ["jpeg"], "lossless": True}, "", "jpeg"),
    ],
)
def test_what_cannot_be_is_refused(asked: object, path: str, word: str) -> None:
    with pytest.raises(RecipeError) as refused:
        parse_recipe(asked)
    assert refused.value.path == path
    assert word in refused.value.detail


def test_a_variant_that_has_the_name_already_is_refused() -> None:
    asked = {
        "negotiate": ["webp"],
        "variants": [{"name": "a"}, {"name": "a-webp", "format": "webp"}],
    }
    with pytest.raises(RecipeError, match="'a-webp' more than once"):
        parse_recipe(asked)


@pytest.mark.parametrize(
    ("frames", "width", "kept"),
    [
        (1, 100, ["avif", "webp", "jpeg"]),
        (5, 100, ["webp"]),
        (1, 20_000, ["jpeg"]),
        (5, 20_000, ["avif", "webp", "jpeg"]),  # none holds it: refused later, by its own fault
    ],
)
def test_formats_that_cannot_hold_what_another_can_are_left_out(
    frames: int, width: int, kept: list[str]
) -> None:
    header = Header("gif", width, 10, 3, frames, False, False, bits=8, orientation=1)
    plans = plan_outputs(header, parse_recipe({"negotiate": ["avif", "webp", "jpeg"]}))

    assert [plan.variant.format for plan in plans] == kept


@pytest.mark.parametrize(("frames", "kept"), [(1, ["a-jpeg", "c"]), (5, ["a-webp", "c"])])
def test_on_ask_only_the_last_that_holds_it_is_made(frames: int, kept: list[str]) -> None:
    asked = {
        "negotiate": ["avif", "webp", "jpeg"],
        "negotiateOnAsk": True,
        "variants": [{"name": "a"}, {"name": "c", "format": "gif"}],
    }
    header = Header("gif", 100, 10, 3, frames, False, False, bits=8, orientation=1)
    plans = plan_outputs(header, parse_recipe(asked))

    assert [plan.variant.name for plan in plans] == kept


def test_a_choice_alone_is_as_it_is_among_the_others() -> None:
    asked = {
        "negotiate": ["avif", "webp"],
        "negotiateOnAsk": True,
        "responsive": {"widths": [10]},
        "variants": [{"name": "a", "quality": 30}, {"name": "b"}, {"name": "c", "format": "gif"}],
    }
    recipe = parse_recipe(asked)
    together = {one.name: one for one in recipe.outputs()}

    assert recipe.choices() == {"a": ("avif", "webp"), "b": ("avif", "webp")}
    assert recipe.alone("a", "avif").outputs() == (together["a-avif"],)
    assert parse_recipe({"negotiate": ["webp"]}).alone("default", "webp").outputs() == (
        parse_recipe({"negotiate": ["webp"]}).outputs()
    )
