"""The tables [logging] and [tracing] of config.toml: what the service tells of its own work."""

from typing import Annotated

from pydantic import Field

from server.config.sections import Section

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]


class LoggingSettings(Section):
    level: str = Field("info", pattern="^(debug|info|warning|error)$")
    format: str = Field("auto", pattern="^(auto|json|console)$")
    client: str = Field("full", pattern="^(full|masked|none)$")
    max_alike: int = Field(20, ge=0)


class TracingSettings(Section):
    enabled: bool = False
    endpoint: str = Field("", pattern=r"^(https?://[^\s?#]+)?$")
    sample_ratio: float = Field(1.0, ge=0, le=1)
    trust_parent: bool = True
    headers: dict[HeaderName, HeaderValue] = Field({}, repr=False)
