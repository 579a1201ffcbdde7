"""`safelight doctor`: is everything there that the service needs, and what to do where not."""

import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.flags import Config, DataDir, KeyFile, read_key
from server.cli.manual import manual

if TYPE_CHECKING:  # loaded when it is needed
    from server.ops.doctor.examine import Examined

MANUAL = manual(
    "safelight doctor",
    "safelight doctor --config /etc/safelight/config.toml",
    "safelight doctor --json | jq '.findings[] | select(.state == \"wrong\")'",
    exit_codes={0: "the service can run", 1: "something must be put right (✗)"},
)
_MARKS = {"good": "✓", "warning": "!", "wrong": "✗", "skipped": "-"}
_COLOURS = {"good": "green", "warning": "yellow", "wrong": "red", "skipped": "dim"}


def doctor(
    config: Config = None,
    data_dir: DataDir = None,
    key_file: KeyFile = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Look at settings, folder, machine, Redis, storage, records, workers and keys.

    Run it as the user, in the folder and with the environment that serve has. Beside a running
    server it disturbs nothing and asks that one how it stands. ✓ is well, ! works but may cost
    something, ✗ must be put right, - was not looked at.
    """
    import asyncio

    found: list[Examined] = []

    async def look() -> None:
        async for one in _examined(config, data_dir, read_key(key_file)):
            found.append(one)
            if not json:
                _print(one, is_first=len(found) == 1 or found[-2].area != one.area)

    asyncio.run(look())
    count = {state: sum(one.finding.state == state for one in found) for state in _MARKS}
    if json:
        _print_json(found, count)
    else:
        print(f"\n{count['wrong']} to put right, {count['warning']} to think about.")
    sys.exit(1 if count["wrong"] else 0)


async def _examined(
    config: Path | None, data_dir: Path | None, key: str | None
) -> "AsyncIterator[Examined]":
    """Settings first: with wrong ones there is nothing else to look at."""
    import logging

    import structlog

    from server.cli.settings import config_file, settings_of
    from server.config import SettingsError
    from server.ops.doctor.examine import Examined, examine
    from server.ops.doctor.settings_file import complaints, loaded

    # The parts that are tried out would tell their story in between.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    area = "settings"
    try:
        settings = settings_of(config, {"data_dir": data_dir})
    except SettingsError as error:
        for finding in complaints(error):
            yield Examined(area, finding)
        return
    for finding in loaded(config_file(config), settings):
        yield Examined(area, finding)
    async for one in examine(settings, api_key=key):
        yield one


def _print(one: "Examined", *, is_first: bool) -> None:
    """A line for what was found, one below it for what to do."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True, highlight=False)
    finding = one.finding
    mark, colour = _MARKS[finding.state], _COLOURS[finding.state]
    if is_first:
        console.print(f"[bold]{one.area}[/]")
    console.print(f"  [{colour}]{mark}[/] {escape(finding.says)}")
    if finding.advice:
        console.print(f"    [{colour}]→[/] {escape(finding.advice)}")


def _print_json(found: "Sequence[Examined]", count: dict[str, int]) -> None:
    import orjson

    findings = [
        {
            "area": one.area,
            "state": one.finding.state,
            "says": one.finding.says,
            "advice": one.finding.advice,
        }
        for one in found
    ]
    print(orjson.dumps({"ok": not count["wrong"], "count": count, "findings": findings}).decode())
