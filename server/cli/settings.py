"""The settings as every command reads them. Loads much of the program: import it when needed."""

import sys
from pathlib import Path
from typing import Any

from server.config import Settings, SettingsError, load

_CONFIG = Path("config.toml")


def settings_of(config: Path | None, given: dict[str, Any]) -> Settings:
    """The settings of this folder or of a file, under flags of [server] that were given or None.

    Raises SettingsError.
    """
    flags = {"server": {name: value for name, value in given.items() if value is not None}}
    return load(config_file(config), flags)


def settings_or_end(config: Path | None, data_dir: Path | None = None) -> Settings:
    """The same; ends the program with the line that names what is wrong."""
    try:
        return settings_of(config, {"data_dir": data_dir})
    except SettingsError as error:
        sys.exit(f"safelight: {error}")


def config_file(config: Path | None) -> Path | None:
    """The file that is read; None: there is none, so the defaults hold."""
    return _CONFIG if config is None and _CONFIG.is_file() else config
