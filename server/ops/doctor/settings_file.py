"""Is config.toml right, and do its secrets stay secret?"""

import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from server.config import Settings, SettingsError
from server.ops.doctor.finding import Finding, good, warning, wrong


def complaints(error: SettingsError) -> Iterator[Finding]:
    """Every line of it: they are put right together."""
    for line in error.lines:
        advice = "config.toml of this version names every setting"
        yield wrong(line, advice if "unknown" in line else "change it, or take it out")


def loaded(config: Path | None, settings: Settings) -> Iterator[Finding]:
    """Of a file that can be used."""
    if config is None:
        yield good("no config.toml in this folder: the defaults hold, and the environment")
        return
    yield good(f"{config} loads, and names no unknown setting")
    mode = config.stat().st_mode
    if _has_secrets(settings) and mode & stat.S_IROTH:
        yield warning(
            f"{config} holds passwords or keys, and everybody on this machine can read it",
            f"chmod 640 {config}, or put secrets into the environment",
        )


def _has_secrets(settings: Settings) -> bool:
    urls = (settings.redis.url, settings.records.url)
    has_password = any(urlsplit(url).password for url in urls)
    return bool(
        has_password or settings.hooks.token or settings.signing.keys or settings.webhooks.secrets
    )
