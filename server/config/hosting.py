"""The table of config.toml on how results are given out fast."""

from pydantic import Field

from server.config.sections import Section

_KIB = 1024
_MIB = 1024 * 1024


class HostingSettings(Section):
    hot_bytes: int = Field(64 * _MIB, ge=0)
    hot_file_bytes: int = Field(256 * _KIB, ge=0)
    hot_pictures: int = Field(2000, ge=1)
    hot_s: float = Field(2.0, ge=0, le=60)
    x_accel_prefix: str = Field("", pattern=r"^(/[A-Za-z0-9._~/-]*/)?$")
    proxy_cache_s: int = Field(0, ge=0, le=3600)
