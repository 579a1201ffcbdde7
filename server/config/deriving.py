"""The table of config.toml on pictures that are made when somebody first asks for them."""

from pydantic import Field

from server.config.sections import Section


class DerivedSettings(Section):
    presets: bool = True
    wait_s: float = Field(5.0, ge=0)
    max_waiting: int = Field(500, ge=1)
    queue_share: float = Field(0.5, gt=0, le=1)
    max_per_image: int = Field(100, ge=1)
    retry_failed_s: int = Field(300, ge=1)
    stand_in_s: int = Field(30, ge=0)
