"""The table [metrics] of config.toml: who may scrape, and where."""

from pydantic import Field

from server.config.sections import Section


class MetricsSettings(Section):
    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535)
