"""All steps together: whatever a valid recipe asks, the result is what was announced."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pool import Header, ProbeTask, RecipeError, Task, announce, parse_recipe
from pool.develop import develop
from pool.fault import Refused
from pool.kill import Kill
from pool.probe import read_header
from pool.steps import STEPS, Steps
from tests.pool.one_step import noise, picture
from tests.pool.pictures import LIMITS
from tests.pool.reference import Schema, plain

SCHEMA = Steps.model_json_schema()
COLOURS = st.sampled_from(["#ffffff", "#00000000", "#12345680", "#a05028"])
TEXTS = {
    "16:9": st.sampled_from(["16:9", "1:1", "1:3"]),
    "#ffffff": COLOURS,
    "logo": st.just("logo"),
    "01hw3k5x": st.just("id"),
    "upscale": st.just("upscale"),
    "© 2026": st.sampled_from(["x", "Größe <b>&", "one\ntwo", " ", "漢字", "long " * 40]),
}
# These decide how large a picture becomes; the rest may be anything within its bounds.
SMALL = {"width", "height", "x", "y", "top", "right", "bottom", "left"}
FAULTS = {"crop_outside", "region_outside", "ai_unavailable"}


def values(part: Schema, name: str) -> st.SearchStrategy[Any]:
    part = plain(part, SCHEMA)
    if "enum" in part:
        return st.sampled_from(part["enum"])
    match part["type"]:
        case "integer":
            low, high = part["minimum"], part["maximum"]
            small = st.integers(low, min(high, low + 40))
            return small if name in SMALL else small | st.just(high) | st.integers(low, high)
        case "number":
            low, high = part["minimum"], part["maximum"]
            round_numbers = st.sampled_from([low, high, max(low, min(high, 1.0))])
            return round_numbers | st.floats(low, high, allow_nan=False)
        case "boolean":
            return st.booleans()
        case "string":
            return TEXTS[part["examples"][0]]
    needed = set(part.get("required", ()))
    fields = {key: values(inner, key) for key, inner in part["properties"].items()}
    return st.fixed_dictionaries(
        {key: value for key, value in fields.items() if key in needed},
        optional={key: value for key, value in fields.items() if key not in needed},
    )


def is_taken(name: str, value: object) -> bool:
    try:
        parse_recipe({name: value})
    except RecipeError:
        return False  # two settings that do not go together
    return True


def steps(name: str) -> st.SearchStrategy[Any]:
    return values(SCHEMA["properties"][name], name).filter(lambda value: is_taken(name, value))


RECIPES = st.lists(st.sampled_from(list(STEPS)), unique=True, max_size=5).flatmap(
    lambda names: st.fixed_dictionaries({name: steps(name) for name in names})
)
FORMATS = st.sampled_from(["png", "webp", "jpeg"])


def developed_with_assets(source: Path, recipe: object) -> Any:
    folder = source.parent / "out"
    folder.mkdir()
    logo = source.parent / "logo.png"
    picture(noise(7, 12, 4, seed=9)).pngsave(str(logo))
    from pool.font import bundled

    # The name stands for a font in text and for a picture in a watermark.
    assets = {"logo": str(logo), "image:id": str(logo)}
    checked = parse_recipe(recipe)
    if checked.text is not None and checked.text.font is not None:
        assets["logo"] = bundled() or ""
    task = Task("job", 1, str(source), checked, str(folder), LIMITS, 60.0, assets=assets)
    return develop(task, [].append, Kill())


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 4),
    st.sampled_from(["png", "tiff", "webp"]),
    RECIPES,
    FORMATS,
)
def test_any_steps_give_the_announced_size_and_format(
    width: int, height: int, bands: int, kind: str, asked: dict[str, Any], name: str
) -> None:
    wanted = {**asked, "format": name}
    recipe = parse_recipe(wanted)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        getattr(picture(noise(height, width, bands)), f"{kind}save")(str(path))
        header = read_header(ProbeTask(str(path), LIMITS))
        assert isinstance(header, Header)
        outcome = developed_with_assets(path, wanted)

        if outcome.fault is not None:
            fonts = {"asset_unreadable"} if recipe.text and recipe.text.font else set()
            assert outcome.fault.code in FAULTS | fonts
            return
        [output] = outcome.outputs
        found = read_header(ProbeTask(output.path, LIMITS))
        assert isinstance(found, Header)
        assert (found.width, found.height) == (output.width, output.height)
        assert found.format == name
        if recipe.trim is None:
            assert announced(header, wanted) == (found.width, found.height)


def announced(header: Header, recipe: object) -> tuple[int, int]:
    try:
        [size] = announce(header, parse_recipe(recipe))
    except Refused as refused:
        raise AssertionError(refused.fault) from refused
    return size.width, size.height
