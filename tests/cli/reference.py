"""docs/cli.md as it must be, made of --help; `python -m tests.cli.reference` writes it."""

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from server.cli import cli
from tests.server_process import PROJECT

MANUAL = PROJECT / "docs" / "cli.md"
BEGINNING = "\n## safelight upload\n"


def reference() -> str:
    """The page from its first command on; what stands before is written by hand."""
    return "".join(_section(name, command) for name, command in _commands())


def _commands() -> Iterator[tuple[str, Any]]:
    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            for part, one in inner.items():
                yield from below(f"{name} {part}".strip(), one)

    return below("", get_command(cli))


def _section(name: str, command: Any) -> str:
    parts = [f"\n## safelight {name}\n", " ".join(command.help.split("\n\n")[0].split()) + "\n"]
    for paragraph in command.help.split("\n\n")[1:]:
        parts.append("\n" + " ".join(paragraph.split()) + "\n")
    for title, lines in _epilogue(command):
        if title == "Examples":
            parts.append("\n" + "".join(f"    {line}\n" for line in lines))
    rows = [_row(one) for one in command.params if one.name != "help"]
    if rows:
        parts.append("\n| | |\n|---|---|\n" + "".join(rows))
    for title, lines in _epilogue(command):
        if title == "Exit codes":
            codes = [line.split(None, 1) for line in lines]
            told = "; ".join(f"`{code}` {why}" for code, why in codes)
            parts.append(f"\nExit codes: {told}.\n")
    return "".join(parts)


def _row(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts]
    shown = ", ".join(f"`{one}`" for one in names) if is_option else f"`{_metavar(parameter)}`"
    if is_option and not parameter.is_flag:
        shown += f" {_metavar(parameter)}"
    told = " ".join((parameter.help or "").split())
    default = parameter.default
    if is_option and default not in (None, False, True, "", "{}") and not callable(default):
        told += f" Default: `{default}`."
    if parameter.envvar:
        told += f" Environment: `{parameter.envvar}`."
    return f"| {_cell(shown)} | {_cell(told)} |\n"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _epilogue(command: Any) -> list[tuple[str, list[str]]]:
    """Its parts by their titles, without styles and prompts."""
    plain = re.sub(r"(?<!\\)\[[^\]]*\]", "", command.epilog or "").replace("\\[", "[")
    parts = [part.splitlines() for part in plain.split("\n\n")]
    return [(part[0], [line.strip().removeprefix("$ ") for line in part[1:]]) for part in parts]


def written() -> str:
    """The page with its commands as they are now."""
    head, _, _ = MANUAL.read_text().partition(BEGINNING)
    return head + reference()


if __name__ == "__main__":
    MANUAL.write_text(written())
