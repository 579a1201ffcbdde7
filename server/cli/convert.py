"""`safelight convert`: the same lanes without a server, from files to files."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console

from pool import RecipeError, parse_recipe
from server.cli.converter import Conversion, Converted, Converter


def convert(
    files: Annotated[list[Path], typer.Argument(help="Pictures to convert.")],
    out: Annotated[Path, typer.Option(help="Folder for what is made; made if it is not there.")],
    width: Annotated[int | None, typer.Option(help="Width in pixels.")] = None,
    height: Annotated[int | None, typer.Option(help="Height in pixels.")] = None,
    format: Annotated[str | None, typer.Option(help="jpeg, png, webp, avif, gif, tiff.")] = None,
    quality: Annotated[str | None, typer.Option(help="1 to 100, or auto.")] = None,
    options: Annotated[str, typer.Option(help="A whole recipe as JSON; flags win.")] = "{}",
    jobs: Annotated[int, typer.Option(min=0, help="Workers; 0 is one for each core.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Convert pictures without a server; exit code 1 when some could not be."""
    recipe = _recipe(options, width, height, format, quality)
    try:
        given = parse_recipe(recipe)
    except RecipeError as error:
        _refuse(str(error))
    for name, path in _twins(files):
        _refuse(f"two pictures would be written as {name}: {path} is the second")
    console = Console(stderr=True)
    conversion = Conversion(given, out, jobs, overwrites=force)
    try:
        converted = asyncio.run(Converter(conversion, console).run(files))
    except OSError as error:
        _refuse(f"cannot write to {out}: {error.strerror}")
    _summarise(console, converted)
    if any(one.fault for one in converted):
        sys.exit(1)


def _recipe(
    options: str, width: int | None, height: int | None, format: str | None, quality: str | None
) -> dict[str, Any]:
    try:
        recipe = orjson.loads(options)
    except orjson.JSONDecodeError as error:
        _refuse(f"--options: expected JSON, got {error}")
    if not isinstance(recipe, dict):
        _refuse("--options: expected a JSON object")
    sides = {name: side for name, side in (("width", width), ("height", height)) if side}
    if sides:
        recipe["resize"] = {**(recipe.get("resize") or {}), **sides}
    if format is not None:
        recipe["format"] = format
    if quality is not None:
        recipe["quality"] = int(quality) if quality.isdecimal() else quality
    return recipe


def _twins(files: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Files of different folders that would be written under one name."""
    seen: set[str] = set()
    for path in files:
        if path.stem in seen:
            yield path.stem, path
        seen.add(path.stem)


def _summarise(console: Console, converted: Sequence[Converted]) -> None:
    done = [one for one in converted if one.fault is None]
    before, after = sum(one.bytes_in for one in done), sum(one.bytes_out for one in done)
    for one in converted:
        if one.fault is not None:
            console.print(f"{one.source}: {one.fault}", style="red", markup=False, soft_wrap=True)
    line = f"{len(done)} of {len(converted)} converted, {_size(before)} to {_size(after)}"
    if before:
        change = 100 * (after - before) / before
        line += f" ({abs(change):.0f} % {'less' if change <= 0 else 'more'})"
    console.print(line, markup=False, soft_wrap=True)


def _size(count: int) -> str:
    if count < 10_000:
        return f"{count} bytes"
    return f"{count / 1000:,.0f} kB" if count < 10_000_000 else f"{count / 1_000_000:,.1f} MB"


def _refuse(text: str) -> NoReturn:
    print(f"safelight: {text}", file=sys.stderr)
    sys.exit(2)
