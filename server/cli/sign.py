"""`safelight sign`: a signed URL of a private picture, made without asking the server."""

import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from server.config import SettingsError, load
from server.jobs.links import image_path, signed_url
from server.signing import Signer, load_keys, signing_file

_CONFIG = Path("config.toml")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def sign(
    image_id: Annotated[str, typer.Argument(help="The picture's id.")],
    variant: Annotated[str | None, typer.Option(help="One variant; else the first.")] = None,
    expires_in: Annotated[int | None, typer.Option(min=1, help="Seconds it is good for.")] = None,
    url: Annotated[str, typer.Option(help="Put in front, e.g. https://pictures.example.")] = "",
    data_dir: Annotated[Path | None, typer.Option(help="Where the service's keys lie.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings; config.toml in this folder if there is one.")
    ] = None,
) -> None:
    """Print an address under which everybody may GET the picture for a while."""
    for name in (image_id, variant):
        if name is not None and _NAME.fullmatch(name) is None:
            sys.exit(f"safelight: expected letters, digits, - and _, got '{name}'")
    flags: dict[str, dict[str, Any]] = {"server": {"data_dir": data_dir}} if data_dir else {}
    try:
        settings = load(_CONFIG if config is None and _CONFIG.is_file() else config, flags)
        file = signing_file(settings.server.data_dir.resolve())
        if not settings.signing.keys and not file.exists():
            sys.exit(f"safelight: expected signing keys in {file}; start the service once")
        signer = Signer(load_keys(settings.signing.keys, file))
    except (SettingsError, OSError) as error:
        sys.exit(f"safelight: {error}")
    expires_at = int(time.time()) + (expires_in or settings.signing.url_s)
    print(url.rstrip("/") + signed_url(signer, image_path(image_id, variant), expires_at))
