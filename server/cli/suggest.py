"""What the shell suggests; asked of config.toml alone, since a Tab must answer at once."""

import tomllib
from pathlib import Path

_CONFIG = Path("config.toml")
STATES = ("completed", "failed", "cancelled")


def presets() -> list[str]:
    """The presets of config.toml in this folder."""
    try:
        found = tomllib.loads(_CONFIG.read_text()).get("presets", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return []  # nothing to suggest is no error
    return sorted(found) if isinstance(found, dict) else []


def states() -> list[str]:
    """How a job can have ended."""
    return list(STATES)
