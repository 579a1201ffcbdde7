"""The records that cross the border of a worker process: small, frozen, paths and never pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pool.ai.engines import NO_AI, Engines, Used
from pool.fault import Fault
from pool.recipe import Recipe
from pool.travel import travels

__all__ = [
    "Fault",
    "Header",
    "Lap",
    "Limits",
    "Look",
    "Outcome",
    "Output",
    "ProbeTask",
    "Progress",
    "Stage",
    "Task",
]


class Stage(StrEnum):
    """Where a job is; a worker process reports those in the middle."""

    QUEUED = "queued"
    DECODING = "decoding"
    ENHANCING = "enhancing"  # a network works on it
    UPSCALING = "upscaling"  # likewise
    PROCESSING = "processing"
    ENCODING = "encoding"
    STORING = "storing"


@travels
@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may be at most, and what there is to work with.

    `formats` are the kinds taken in, `engines` the networks.
    """

    max_pixels: int
    max_side: int
    max_output_pixels: int
    max_frames: int
    formats: tuple[str, ...]
    engines: Engines = NO_AI


@travels
@dataclass(frozen=True, slots=True)
class Header:
    """What a picture says of itself before any pixel is read."""

    format: str  # jpeg, png, webp, avif, heif, gif, tiff or svg
    width: int  # width and height as displayed: after EXIF orientation
    height: int
    bands: int
    frames: int
    progressive: bool
    has_alpha: bool
    bits: int  # of one sample: 8, 16, 32
    orientation: int  # EXIF, 1 to 8
    has_less_colour: bool = False  # JPEG: its colours are stored at half the width or less


@travels
@dataclass(frozen=True, slots=True)
class ProbeTask:
    """Read the header of the file at `path`, or of one of its pages."""

    path: str
    limits: Limits
    page: int = 0
    log_ids: Mapping[str, str] = field(default_factory=dict)  # fields of all lines about it


@travels
@dataclass(frozen=True, slots=True)
class Task:
    """Develop one picture into the folder `workdir`."""

    job_id: str
    attempt: int
    source: str
    recipe: Recipe
    workdir: str
    limits: Limits
    deadline_s: float
    threads: int = 1  # of libvips
    assets: Mapping[str, str] = field(default_factory=dict)  # names in the recipe and their paths
    log_ids: Mapping[str, str] = field(default_factory=dict)  # fields of all lines about it


@travels
@dataclass(frozen=True, slots=True)
class Output:
    """One written file; `digest` is the SHA-256 of its bytes, in hex."""

    variant: str
    path: str
    format: str
    width: int
    height: int
    bytes: int
    digest: str
    frames: int = 1
    quality: int | None = None  # what it was written with, where a quality was sought
    score: float | None = None  # of quality "auto": how near it comes, 100 is the same


@travels
@dataclass(frozen=True, slots=True)
class Look:
    """What a picture looks like before it is there; of its smallest output."""

    thumbhash: str  # base64
    dominant_colour: str  # #rrggbb
    width: int
    height: int
    dhash: str  # 64 bits in hex


@travels
@dataclass(frozen=True, slots=True)
class Lap:
    """A part of a task's time; it began where the one before it ended (seconds since 1970)."""

    name: str  # open, decoding, processing, look, or `save` and the variant's name
    ended_s: float


@travels
@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended: every output of its recipe, or a fault and no output."""

    job_id: str
    attempt: int
    outputs: tuple[Output, ...]
    fault: Fault | None
    timings_ms: dict[str, float]  # keys: decoding, processing, encoding
    peak_rss_bytes: int  # of the worker process, over its life
    look: Look | None = None
    engines: tuple[Used, ...] = ()  # what did the steps that a network can do
    began_s: float = 0.0  # when the worker turned to it, in seconds since 1970
    laps: tuple[Lap, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: percent of all its work, 0 to 100, never falling."""

    job_id: str
    attempt: int
    stage: Stage
    percent: int
