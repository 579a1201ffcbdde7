"""`safelight sign`: a signed URL of a picture, made without asking the server."""

import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from server.config import Settings, SettingsError, load
from server.edge.access.sign import signable
from server.edge.hosting.derive_wish import words_of
from server.jobs.links import image_path, signed_url
from server.refusals import Refusal
from server.signing import Signer, load_keys, signing_file

_CONFIG = Path("config.toml")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def sign(
    image_id: Annotated[str, typer.Argument(help="The picture's id.")],
    variant: Annotated[
        str | None, typer.Option(help="One variant, or a preset; else the first.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--set", help="name=value, e.g. width=300; may be given again."),
    ] = None,
    expires_in: Annotated[
        int | None,
        typer.Option(min=1, help="Seconds it is good for; with --set for ever if not said."),
    ] = None,
    url: Annotated[str, typer.Option(help="Put in front, e.g. https://pictures.example.")] = "",
    data_dir: Annotated[Path | None, typer.Option(help="Where the service's keys lie.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings; config.toml in this folder if there is one.")
    ] = None,
) -> None:
    """Print an address under which everybody may GET the picture, as it is or as --set asks.

    Without an end it opens no private picture: say --expires-in for those.
    """
    for name in (image_id, variant):
        if name is not None and _NAME.fullmatch(name) is None:
            sys.exit(f"safelight: expected letters, digits, - and _, got '{name}'")
    flags: dict[str, dict[str, Any]] = {"server": {"data_dir": data_dir}} if data_dir else {}
    try:
        settings = load(_CONFIG if config is None and _CONFIG.is_file() else config, flags)
        params = signable(
            dict(map(_pair, parameter or [])),
            variant=variant,
            presets_only=settings.recipes.presets_only,
        )
        signer = _signer(settings)
    except Refusal as refusal:
        sys.exit(f"safelight: {refusal.detail}")
    except (SettingsError, OSError) as error:
        sys.exit(f"safelight: {error}")
    is_lasting = expires_in is None and bool(words_of(params))
    until = None if is_lasting else int(time.time()) + (expires_in or settings.signing.url_s)
    print(url.rstrip("/") + signed_url(signer, image_path(image_id, variant), until, params))


def _signer(settings: Settings) -> Signer:
    """Raises OSError where the keys cannot be read."""
    file = signing_file(settings.server.data_dir.resolve())
    if not settings.signing.keys and not file.exists():
        raise FileNotFoundError(f"expected signing keys in {file}; start the service once")
    return Signer(load_keys(settings.signing.keys, file))


def _pair(text: str) -> tuple[str, str]:
    name, is_there, value = text.partition("=")
    if not is_there:
        sys.exit(f"safelight: expected --set name=value, got '{text}'")
    return name, value
