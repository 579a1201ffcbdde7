"""Options that several commands have, and where the API key comes from."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

LOCAL = "http://127.0.0.1:8080"
KEY_VARIABLE = "SAFELIGHT_KEY"
WHERE = "The server"

Server = Annotated[
    str,
    typer.Option(
        *("--server", "--url", "-s"),
        envvar="SAFELIGHT_URL",
        metavar="URL",
        help="The server to ask.",
        rich_help_panel=WHERE,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        envvar="SAFELIGHT_KEY_FILE",
        exists=True,
        dir_okay=False,
        metavar="FILE",
        help="File with the API key; else the environment's SAFELIGHT_KEY. There is no option for"
        " the key itself: everybody on a machine can read the command lines of its processes.",
        rich_help_panel=WHERE,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder of everything kept; else server.data_dir."),
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Settings; else config.toml in this folder, if there is one."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]


def read_key(key_file: Path | None) -> str | None:
    """The API key to send; ends the program where its file cannot be read."""
    if key_file is None:
        return os.environ.get(KEY_VARIABLE, "").strip() or None
    try:
        return key_file.read_text().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"--key-file: {key_file}: {error}")


def refuse(text: str) -> NoReturn:
    """End with what is wrong with the command line."""
    complain(text)
    sys.exit(2)


def complain(text: str) -> None:
    """Say on standard error what went wrong."""
    print(f"safelight: {text}", file=sys.stderr)
