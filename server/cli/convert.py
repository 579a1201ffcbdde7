"""`safelight convert`: the same lanes without a server, from files to files."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.flags import refuse
from server.cli.manual import manual
from server.cli.recipe import Flags, Format, Height, Options, Quality, Width, recipe_of

if TYPE_CHECKING:  # loaded when it is needed
    from rich.console import Console

    from server.cli.converter import Converted

MANUAL = manual(
    "safelight convert *.jpg --width 800 --format webp --out small",
    'safelight convert in/*.png --options \'{"upscale": {"factor": 2}}\' --out large',
    "safelight convert photo.jpg --options @recipe.json --out . --force",
    exit_codes={
        0: "all were converted",
        1: "some could not be",
        2: "the command line is wrong; nothing was done",
    },
)


def convert(
    files: Annotated[list[Path], typer.Argument(help="Pictures to convert.")],
    out: Annotated[Path, typer.Option(help="Folder for what is made; made if it is not there.")],
    width: Width = None,
    height: Height = None,
    format: Format = None,
    quality: Quality = None,
    options: Options = "{}",
    jobs: Annotated[int, typer.Option(min=0, help="Workers; 0 is one for each core.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Convert pictures without a server."""
    import asyncio

    from rich.console import Console

    from pool import RecipeError, parse_recipe
    from server.cli.converter import Conversion, Converter

    recipe = recipe_of(options, Flags(width, height, format, quality))
    try:
        given = parse_recipe(recipe)
    except RecipeError as error:
        refuse(str(error))
    for name, path in _twins(files):
        refuse(f"two pictures would be written as {name}: {path} is the second")
    console = Console(stderr=True)
    conversion = Conversion(given, out, jobs, overwrites=force)
    try:
        converted = asyncio.run(Converter(conversion, console).run(files))
    except OSError as error:
        refuse(f"cannot write to {out}: {error.strerror}")
    _summarise(console, converted)
    if any(one.fault for one in converted):
        sys.exit(1)


def _twins(files: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Files of different folders that would be written under one name."""
    seen: set[str] = set()
    for path in files:
        if path.stem in seen:
            yield path.stem, path
        seen.add(path.stem)


def _summarise(console: "Console", converted: "Sequence[Converted]") -> None:
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
