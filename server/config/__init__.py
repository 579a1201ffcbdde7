"""Settings: read once from config.toml, environment and flags, checked at once, frozen.

Every part of the service gets its own section and nothing else. config.toml is the manual.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FilePath, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as SourceError

from pool import Recipe, RecipeError, parse_recipe

ENVIRONMENT_PREFIX = "SAFELIGHT_"

_MIB = 1024 * 1024

AssetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
SourceFormat = Literal["jpeg", "png", "webp", "avif", "heif", "gif", "tiff", "svg"]


class SettingsError(Exception):
    """A setting is unknown or wrong; the message is one line that names it."""


class Section(BaseModel):
    """One table of config.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(Section):
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    data_dir: Path = Path("data")
    grace_s: float = Field(20.0, ge=0)
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")
    log_format: str = Field("auto", pattern="^(auto|json|console)$")


class RedisSettings(Section):
    url: str = ""
    fsync: str = Field("always", pattern="^(always|everysec)$")
    max_memory_bytes: int = Field(256 * _MIB, ge=16 * _MIB)
    timeout_s: float = Field(5.0, gt=0)


class UploadSettings(Section):
    max_upload_bytes: int = Field(100 * _MIB, ge=1)
    max_request_bytes: int = Field(500 * _MIB, ge=1)
    max_files: int = Field(500, ge=1)
    max_options_bytes: int = Field(64 * 1024, ge=2)
    stall_timeout_s: float = Field(30.0, gt=0)
    sync_wait_s: float = Field(5.0, ge=0)
    max_wait_s: float = Field(60.0, ge=0)


class LimitSettings(Section):
    formats: tuple[SourceFormat, ...] = ("jpeg", "png", "webp", "avif", "heif", "gif", "tiff")
    max_pixels: int = Field(150_000_000, ge=1)
    max_side: int = Field(65_500, ge=1)
    max_frames: int = Field(500, ge=1)
    max_output_pixels: int = Field(150_000_000, ge=1)


class QueueSettings(Section):
    max_depth: int = Field(1000, ge=1)
    overload: str = Field("reject", pattern="^(reject|spool)$")
    spool_max_bytes: int = Field(4096 * _MIB, ge=1)
    bulk_share: int = Field(5, ge=2)
    max_group: int = Field(8, ge=1)
    lease_s: float = Field(15.0, gt=0)
    max_attempts: int = Field(3, ge=1)
    max_losses: int = Field(10, ge=1)
    retry_delay_s: float = Field(1.0, ge=0)


class PoolSettings(Section):
    min_lanes: int = Field(1, ge=1)
    max_lanes: int = Field(0, ge=0)
    grow_wait_s: float = Field(0.5, ge=0)
    shrink_idle_s: float = Field(60.0, gt=0)
    memory_budget_bytes: int = Field(0, ge=0)
    deadline_s: float = Field(60.0, gt=0)
    hard_grace_s: float = Field(5.0, gt=0)
    max_tasks_per_child: int = Field(1000, ge=1)
    max_rss_bytes: int = Field(600 * _MIB, ge=64 * _MIB)
    memory_kill_bytes: int = Field(2048 * _MIB, ge=128 * _MIB)


class ImageSettings(Section):
    keep_s: int = Field(7 * 24 * 3600, ge=1)


class StorageSettings(Section):
    min_free_bytes: int = Field(256 * _MIB, ge=0)


class LiveSettings(Section):
    progress_interval_s: float = Field(0.2, gt=0)
    position_interval_s: float = Field(1.0, gt=0)
    ping_s: float = Field(20.0, gt=0)
    confirm_timeout_s: float = Field(5.0, gt=0)
    max_sockets: int = Field(10_000, ge=1)
    max_watched_per_socket: int = Field(2000, ge=1)
    send_timeout_s: float = Field(20.0, gt=0)


def _checked_recipe(value: object) -> Recipe:
    try:
        return value if isinstance(value, Recipe) else parse_recipe(value)
    except RecipeError as error:
        raise ValueError(str(error)) from error


class Settings(BaseSettings):
    """All of config.toml; flags win over environment, environment over the file."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    server: ServerSettings = ServerSettings()
    redis: RedisSettings = RedisSettings()
    upload: UploadSettings = UploadSettings()
    limits: LimitSettings = LimitSettings()
    queue: QueueSettings = QueueSettings()
    pool: PoolSettings = PoolSettings()
    images: ImageSettings = ImageSettings()
    storage: StorageSettings = StorageSettings()
    live: LiveSettings = LiveSettings()
    presets: dict[str, Annotated[Recipe, BeforeValidator(_checked_recipe)]] = {}
    assets: dict[AssetName, FilePath] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load(config: Path | None, flags: dict[str, dict[str, Any]] | None = None) -> Settings:
    """Read the file (none: the defaults), then environment, then flags.

    Raises SettingsError with one line that names the setting.
    """

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    _refuse_unknown_environment()
    if config is not None and not config.is_file():
        raise SettingsError(f"config: expected a TOML file, got {config} which does not exist")
    try:
        return FromFile(**(flags or {}))  # type: ignore[arg-type]  # sections by name
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{config}: not valid TOML: {error}") from error
    except SourceError as error:
        raise SettingsError(f"environment: {error}") from error
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from error


def _refuse_unknown_environment() -> None:
    for name in os.environ:
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        section = name.removeprefix(ENVIRONMENT_PREFIX).split("__")[0].lower()
        if section not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            raise SettingsError(f"{name}: unknown section '{section}'; known are {known}")


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{path}: unknown setting"
    if first["type"] == "value_error":
        return f"{path}: {first['ctx']['error']}"
    return f"{path}: {first['msg'].lower()}, got {first['input']!r}"
