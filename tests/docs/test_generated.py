"""Pages that are made from the code are as the code is; `make docs` writes them."""

from PIL import Image

from pool.recipe import Recipe
from pool.steps import STEPS
from server.config import Settings
from tests.docs import configuration, recipe_pictures
from tests.pool.reference import reference
from tests.server_process import PROJECT


def test_the_page_of_settings_is_that_of_the_settings() -> None:
    assert (PROJECT / "docs" / "configuration.md").read_text() == configuration.page()


def test_no_setting_is_left_out() -> None:
    page = configuration.page()
    told = {
        f"{section}.{name}"
        for section, field in Settings.model_fields.items()
        for name in getattr(field.annotation, "model_fields", {})
        if f"`SAFELIGHT_{section}__{name}`".upper() in page.upper()
        or f"## [{section}.{name}]" in page
    }
    there = {
        f"{section}.{name}"
        for section, field in Settings.model_fields.items()
        for name in getattr(field.annotation, "model_fields", {})
    }

    assert len(there) > 150
    assert told == there
    assert all(f"## [{section}" in page for section in Settings.model_fields)


def test_every_setting_has_its_meaning() -> None:
    rows = [
        row
        for part in configuration.parts(configuration.CONFIG.read_text())
        if not part.name.startswith("presets")
        for row in part.rows
    ]

    assert [row.key for row in rows if len(row.meaning) < 10] == []


def test_every_key_of_a_recipe_is_told() -> None:
    page = reference()
    schema = Recipe.model_json_schema(by_alias=True)
    names = set(schema["properties"])
    for part in schema["$defs"].values():
        names |= set(part["properties"])

    assert {name for name in names if f"`{name}`" not in page and f".{name}`" not in page} <= set(
        STEPS
    )
    assert all(f"## {step}\n" in page for step in STEPS)


def test_every_step_has_its_picture_and_they_are_small() -> None:
    files = {file.stem: file for file in recipe_pictures.FOLDER.glob("*.webp")}

    assert set(files) == set(STEPS)
    assert sum(file.stat().st_size for file in files.values()) < recipe_pictures.MOST_BYTES
    for file in files.values():
        with Image.open(file) as picture:
            assert picture.width == 2 * recipe_pictures.SIDE + 8
