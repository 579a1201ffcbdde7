"""--help is the manual: every command has examples, and each is a command line that parses."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from server.cli import cli
from server.cli.manual import PROMPT
from tests.cli.command import safelight
from tests.cli.reference import MANUAL, written
from tests.server_process import PROJECT

# Loaded for --help; what else a command needs is loaded when it runs.
HEAVY = (
    "aiohttp",
    "pydantic",
    "sqlalchemy",
    "redis",
    "structlog",
    "numpy",
    "pool",
    "server.config",
)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its whole name; groups themselves are none."""

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            for part, one in inner.items():
                yield from below(f"{name} {part}".strip(), one)

    return below("", get_command(cli))


def examples(command: Any) -> list[str]:
    """The command lines of its manual."""
    plain = re.sub(r"(?<!\\)\[[^\]]*\]", "", command.epilog or "").replace("\\[", "[")
    lines = (line.strip() for line in plain.splitlines())
    return [line.removeprefix(PROMPT) for line in lines if line.startswith(PROMPT)]


def own_words(line: str) -> list[str]:
    """The words for safelight alone, of a line with pipes, redirections and variables."""
    part = next(one for one in re.split(r"\s[|<>]\s", line) if "safelight" in one)
    words = shlex.split(part)
    return words[words.index("safelight") + 1 :]


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_has_examples_that_parse(name: str) -> None:
    command = dict(commands())[name]
    root = get_command(cli)

    lines = examples(command)

    assert lines, f"safelight {name} --help shows no example"
    for line in lines:
        words = own_words(line)
        assert " ".join(words).startswith(name)
        _parse(root, words)


def _parse(command: Any, words: list[str]) -> None:
    """As the program would, and no more: nothing runs. A wrong line raises."""
    with command.make_context(None, [*words]) as context:
        if hasattr(command, "commands"):
            _, inner, rest = command.resolve_command(
                context, [*context._protected_args, *context.args]
            )
            _parse(inner, rest)


def test_a_wrong_example_would_be_seen() -> None:
    with pytest.raises(Exception, match="--widht"):
        _parse(get_command(cli), ["upload", "a.jpg", "--widht", "3"])


@pytest.mark.parametrize("name", ["", *(name for name, _ in commands() if name != "bench")])
def test_help_names_every_option_and_is_written_for_people(name: str) -> None:
    done = safelight(*name.split(), "--help", COLUMNS="120")

    assert done.code == 0
    assert "Examples" in done.out
    for name, command in commands():
        assert command.help and command.help.strip().splitlines()[0].endswith("."), name


def test_the_manual_is_what_help_says() -> None:
    assert MANUAL.read_text() == written(), "python -m tests.cli.reference writes it"


def test_help_loads_none_of_the_service() -> None:
    code = (
        "import sys, server.cli\n"
        f"print(sorted(name for name in sys.modules if name.startswith({HEAVY!r})))"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_options_and_values(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("[presets.thumb]\n[presets.tiny]\n")

    assert "doctor" in _completed(shell, "safelight ")
    assert "--preset" in _completed(shell, "safelight upload --pre")
    assert {"thumb", "tiny"} <= _completed(shell, "safelight upload --preset t")
    assert "failed" in _completed(shell, "safelight jobs list --status f")


def _completed(shell: str, line: str) -> set[str]:
    """What the shell's own function would be told."""
    words = line.split(" ")
    environment = {
        "_SAFELIGHT_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    from typer.testing import CliRunner

    result = CliRunner().invoke(cli, [], env=environment, prog_name="safelight")
    return set(re.findall(r"[\w-]+", result.stdout))


def test_the_version_is_the_package_s() -> None:
    from importlib.metadata import version

    assert safelight("--version").out.strip() == f"safelight {version('safelight')}"
