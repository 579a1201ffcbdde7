"""What a step is made of: its settings, the sizes around it, and the two functions that do it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pool.ai.bench import PLAIN, Bench

if TYPE_CHECKING:
    import pyvips

MAX_SIDE = 65_500  # pixels; the longest side any output format can hold

Side = Annotated[int, Field(ge=1, le=MAX_SIDE, json_schema_extra={"unit": "px"})]


class Settings(BaseModel):
    """What a client may say: frozen, strictly typed, unknown keys refused.

    A name of two words gets its camelCase alias by hand, so that grep finds both.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def turned(self) -> "Size":
        return Size(self.height, self.width)


@dataclass(frozen=True, slots=True)
class Frame:
    """What a step knows beside its settings.

    `before` and `after` are the announced sizes around it. The image it gets has the size `before`,
    or, for a step that `scales`, is a smaller decode of the same picture.
    """

    before: Size
    after: Size
    background: tuple[int, int, int]
    assets: Mapping[str, str] = field(default_factory=dict)  # names and paths of other files
    bench: Bench = PLAIN  # of the networks


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on a picture.

    `size` tells the announced size after it without touching pixels, and raises Refused where the
    picture does not allow the settings.
    """

    # Any: each step has settings of its own type, named in its row of Steps.
    apply: Callable[["pyvips.Image", Any, Frame], "pyvips.Image"]
    size: Callable[[Size, Any], Size]
    scales: bool = False  # gives the same picture from a smaller decode: may stand before resize
    streams: bool = False  # reads its image once, top to bottom
