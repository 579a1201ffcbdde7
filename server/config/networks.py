"""The tables [ai] and [ai.models.*] of config.toml; meaning and units stand in that file."""

from typing import Annotated

from pydantic import Field, FilePath

from server.config.sections import Section

ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Positive = Annotated[float, Field(gt=0)]


class ModelSettings(Section):
    path: FilePath
    scale: int = Field(1, ge=1, le=8)
    tile: int = Field(256, ge=16, le=4096)
    overlap: int = Field(16, ge=0, le=512)
    multiple: int = Field(1, ge=1, le=256)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)


class AiSettings(Section):
    enabled: bool = True
    concurrency: int = Field(0, ge=0)
    threads: int = Field(1, ge=1, le=64)
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    idle_s: float = Field(60.0, gt=0)
    deadline_times: float = Field(4.0, ge=1)
    models: dict[ModelName, ModelSettings] = Field(default_factory=dict)
