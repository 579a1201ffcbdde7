"""`safelight key`: makes API keys and tells what one may do. A key is shown once, kept nowhere."""

import re
import sys
from enum import StrEnum
from typing import Annotated

import typer

from server.cli.flags import Config
from server.cli.manual import manual

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PREFIX = "sl_"
_KEY_BYTES = 32

cli = typer.Typer(help="Make and check API keys.", no_args_is_help=True)


class ScopeName(StrEnum):
    """What a key may do."""

    upload = "upload"
    read = "read"
    admin = "admin"


@cli.command(
    epilog=manual(
        "safelight key new website --scope upload --scope read",
        "safelight key new operator --scope admin",
    )
)
def new(
    name: Annotated[str, typer.Argument(help="Whose key it is: small letters, digits, - and _.")],
    scope: Annotated[list[ScopeName], typer.Option(help="What it may do; once for each.")],
) -> None:
    """Make a key; it is printed once, with the lines for config.toml."""
    import secrets

    from server.edge.access.keys import key_hash

    if _NAME.fullmatch(name) is None:
        sys.exit(f"safelight: NAME: expected small letters, digits, - and _, got '{name}'")
    key = _PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    scopes = ", ".join(f'"{one}"' for one in dict.fromkeys(scope))
    print(f"The key, shown this once: {key}\n")
    print("For config.toml; the service reads it when it starts:\n")
    print(f'[auth.keys.{name}]\nhash = "sha256:{key_hash(key)}"\nscopes = [{scopes}]')


@cli.command(
    epilog=manual(
        "safelight key check < key.txt",
        exit_codes={0: "it is one of this service's", 1: "it is not"},
    )
)
def check(config: Config = None) -> None:
    """Tell whose key it is and what it may do; the key is asked for, or read from a pipe."""
    from getpass import getpass

    from server.cli.settings import settings_or_end
    from server.edge.access.keys import key_hash

    settings = settings_or_end(config)
    key = (getpass("Key: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    for name, known in settings.auth.keys.items():
        if known.hash == f"sha256:{key_hash(key)}":
            print(f"{name}: {', '.join(known.scopes)}")
            return
    sys.exit("safelight: this key is not in [auth.keys]")
