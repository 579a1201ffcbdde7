"""The table [records] of config.toml: the history of jobs."""

from pydantic import Field

from server.config.sections import Section


class RecordSettings(Section):
    enabled: bool = True
    url: str = Field("", repr=False)
    keep_days: int = Field(90, ge=0)
    batch: int = Field(500, ge=1, le=5000)
    flush_s: float = Field(1.0, ge=0)
    max_journal: int = Field(50_000, ge=100)
    query_timeout_s: float = Field(10.0, gt=0)
