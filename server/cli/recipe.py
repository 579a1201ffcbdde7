"""A recipe from the command line: --preset, --options, and flags for what is asked for most."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.flags import refuse

MAKE = "What to make"

Width = Annotated[int | None, typer.Option(min=1, help="In pixels.", rich_help_panel=MAKE)]
Height = Annotated[int | None, typer.Option(min=1, help="In pixels.", rich_help_panel=MAKE)]
Format = Annotated[
    str | None,
    typer.Option(
        help="auto, jpeg, png, webp, avif, gif or tiff.",
        autocompletion=lambda: ["auto", "jpeg", "png", "webp", "avif", "gif", "tiff"],
        rich_help_panel=MAKE,
    ),
]
Quality = Annotated[str | None, typer.Option(help="1 to 100, or auto.", rich_help_panel=MAKE)]
Options = Annotated[
    str,
    typer.Option(
        metavar="JSON|@FILE",
        help="A whole recipe (docs/recipe.md), or the file that it stands in; flags win.",
        rich_help_panel=MAKE,
    ),
]


@dataclass(frozen=True, slots=True)
class Flags:
    """What was given, or None."""

    width: int | None
    height: int | None
    format: str | None
    quality: str | None

    @property
    def is_any(self) -> bool:
        """Whether one was given."""
        return any(one is not None for one in (self.width, self.height, self.format, self.quality))


def recipe_of(options: str, flags: Flags) -> dict[str, Any]:
    """The recipe as JSON has it; ends the program where `options` is none."""
    import orjson

    try:
        recipe = orjson.loads(_text(options))
    except orjson.JSONDecodeError as error:
        refuse(f"--options: expected JSON, got {error}")
    if not isinstance(recipe, dict):
        refuse("--options: expected a JSON object")
    sides = {
        name: side for name, side in (("width", flags.width), ("height", flags.height)) if side
    }
    if sides:
        recipe["resize"] = {**(recipe.get("resize") or {}), **sides}
    if flags.format is not None:
        recipe["format"] = flags.format
    if flags.quality is not None:
        recipe["quality"] = int(flags.quality) if flags.quality.isdecimal() else flags.quality
    return recipe


def _text(options: str) -> str:
    if not options.startswith("@"):
        return options
    try:
        return Path(options[1:]).read_text()
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"--options: {options[1:]}: {error}")
