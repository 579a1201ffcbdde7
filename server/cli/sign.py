"""`safelight sign`: a signed URL of a picture, made without asking the server."""

import re
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.flags import Config, DataDir
from server.cli.manual import manual
from server.cli.suggest import presets

if TYPE_CHECKING:  # loaded when it is needed
    from server.config import Settings
    from server.signing import Signer

MANUAL = manual(
    "safelight sign m6226lbrqmfnh3f5ldnnrvqm --expires-in 600",
    "safelight sign m6226lbrqmfnh3f5ldnnrvqm --set width=300 --set format=webp",
    "safelight sign m6226lbrqmfnh3f5ldnnrvqm --variant thumb --url https://pictures.example",
    exit_codes={0: "printed", 1: "it cannot be signed"},
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def sign(
    image_id: Annotated[str, typer.Argument(help="The picture's id.")],
    variant: Annotated[
        str | None,
        typer.Option(help="One variant, or a preset; else the first.", autocompletion=presets),
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
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Print an address under which everybody may GET the picture, as it is or as --set asks.

    Without an end it opens no private picture: say --expires-in for those.
    """
    from server.cli.settings import settings_or_end
    from server.edge.access.sign import signable
    from server.edge.hosting.derive_wish import words_of
    from server.jobs.links import image_path, signed_url
    from server.refusals import Refusal

    for name in (image_id, variant):
        if name is not None and _NAME.fullmatch(name) is None:
            sys.exit(f"safelight: expected letters, digits, - and _, got '{name}'")
    settings = settings_or_end(config, data_dir)
    try:
        params = signable(
            dict(map(_pair, parameter or [])),
            variant=variant,
            presets_only=settings.recipes.presets_only,
        )
        signer = _signer(settings)
    except Refusal as refusal:
        sys.exit(f"safelight: {refusal.detail}")
    except OSError as error:
        sys.exit(f"safelight: {error}")
    is_lasting = expires_in is None and bool(words_of(params))
    until = None if is_lasting else int(time.time()) + (expires_in or settings.signing.url_s)
    print(url.rstrip("/") + signed_url(signer, image_path(image_id, variant), until, params))


def _signer(settings: "Settings") -> "Signer":
    """Raises OSError where the keys cannot be read."""
    from server.signing import Signer, load_keys, signing_file

    file = signing_file(settings.server.data_dir.resolve())
    if not settings.signing.keys and not file.exists():
        raise FileNotFoundError(f"expected signing keys in {file}; start the service once")
    return Signer(load_keys(settings.signing.keys, file))


def _pair(text: str) -> tuple[str, str]:
    name, is_there, value = text.partition("=")
    if not is_there:
        sys.exit(f"safelight: expected --set name=value, got '{text}'")
    return name, value
