"""Settings: read once from config.toml, environment and flags, checked at once, frozen.

Every part of the service gets its own section and nothing else. config.toml is the manual.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, FilePath, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as SourceError

from pool import Recipe, RecipeError, parse_recipe
from server.config.access import (
    AuthSettings,
    CorsSettings,
    IdempotencySettings,
    QuotaSettings,
    SigningSettings,
)
from server.config.deriving import DerivedSettings
from server.config.hosting import HostingSettings
from server.config.metrics import MetricsSettings
from server.config.networks import AiSettings
from server.config.observing import LoggingSettings, TracingSettings
from server.config.recording import RecordSettings
from server.config.sections import (
    ArchiveSettings,
    AssetName,
    DedupSettings,
    FetchSettings,
    ImageSettings,
    LimitSettings,
    LiveSettings,
    PoolSettings,
    QueueSettings,
    RecipeSettings,
    RedisSettings,
    ServerSettings,
    TusSettings,
    UploadSettings,
)
from server.config.storing import HookSettings, PresignSettings, StorageSettings
from server.config.webhooks import WebhookSettings

ENVIRONMENT_PREFIX = "SAFELIGHT_"
# Of the commands that ask a server; whoever has set them may start one, too.
CLIENT_VARIABLES = ("SAFELIGHT_URL", "SAFELIGHT_KEY", "SAFELIGHT_KEY_FILE")


class SettingsError(Exception):
    """A setting is unknown or wrong; the message is one line that names it.

    `lines` has those of all that are wrong, as far as they are known together.
    """

    def __init__(self, first: str, *more: str) -> None:
        super().__init__(first)
        self.lines = (first, *more)


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
    auth: AuthSettings = AuthSettings()
    signing: SigningSettings = SigningSettings()
    cors: CorsSettings = CorsSettings()
    quota: QuotaSettings = QuotaSettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    redis: RedisSettings = RedisSettings()
    upload: UploadSettings = UploadSettings()
    tus: TusSettings = TusSettings()
    archive: ArchiveSettings = ArchiveSettings()
    fetch: FetchSettings = FetchSettings()
    limits: LimitSettings = LimitSettings()
    queue: QueueSettings = QueueSettings()
    pool: PoolSettings = PoolSettings()
    ai: AiSettings = AiSettings()
    images: ImageSettings = ImageSettings()
    dedup: DedupSettings = DedupSettings()
    storage: StorageSettings = StorageSettings()
    hosting: HostingSettings = HostingSettings()
    presign: PresignSettings = PresignSettings()
    hooks: HookSettings = HookSettings()
    webhooks: WebhookSettings = WebhookSettings()
    live: LiveSettings = LiveSettings()
    records: RecordSettings = RecordSettings()
    metrics: MetricsSettings = MetricsSettings()
    logging: LoggingSettings = LoggingSettings()
    tracing: TracingSettings = TracingSettings()
    recipes: RecipeSettings = RecipeSettings()
    derived: DerivedSettings = DerivedSettings()
    presets: dict[str, Annotated[Recipe, BeforeValidator(_checked_recipe)]] = {}
    assets: dict[AssetName, FilePath] = {}

    @model_validator(mode="after")
    def _refuse_unknown_hook_preset(self) -> Self:
        if self.hooks.preset and self.hooks.preset not in self.presets:
            known = ", ".join(self.presets) or "none"
            raise ValueError(f"hooks.preset: expected one of {known}; got '{self.hooks.preset}'")
        return self

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
        raise SettingsError(*map(_one_line, error.errors(include_url=False))) from error


def _refuse_unknown_environment() -> None:
    for name in os.environ:
        if not name.startswith(ENVIRONMENT_PREFIX) or name in CLIENT_VARIABLES:
            continue
        section = name.removeprefix(ENVIRONMENT_PREFIX).split("__")[0].lower()
        if section not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            raise SettingsError(f"{name}: unknown section '{section}'; known are {known}")


def _one_line(fault: ErrorDetails) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown setting"
    if fault["type"] == "value_error":
        return f"{path}: {fault['ctx']['error']}" if path else str(fault["ctx"]["error"])
    return f"{path}: {fault['msg'].lower()}, got {fault['input']!r}"
