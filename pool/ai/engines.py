"""Which engine does a step: a network where one is there, else the best that libvips can do.

Importing this loads neither onnxruntime nor a picture library.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self

from pydantic import Field

from pool.fault import Fault, Refused
from pool.travel import travels

if TYPE_CHECKING:
    from pool.steps import Steps

Engine = Literal["auto", "ai", "classic"]
ENGINE_TEXT = (
    "ai: a neural network; refused where the server has none. classic: filters. auto: ai where "
    "it can be had; the answer says which it was."
)
MODEL_TEXT = "A network of the operator's by name; without it the one that comes with the service."
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", examples=["upscale"])]
SHIPPED = Path(__file__).with_name("models")
DIGESTS = "SHA256SUMS"  # beside them, as `sha256sum` reads and writes it
EXTRA = "onnxruntime"
_AGAIN = "install the package again"
SLOWEST_S_PER_MP = 20.0  # believed of an operator's model that has not been measured yet


@travels
@dataclass(frozen=True, slots=True)
class Model:
    """A network as an ONNX file: 1 x 3 x height x width floats of RGB in, the same `scale` times
    as large out.

    A sample is (value / 255 - mean) / deviation, and back. `overlap` pixels around a tile are
    computed and thrown away; from the network's reach on there are no seams. Sides of a tile are
    multiples of `multiple`. `usual_s_per_mp`: seconds a megapixel, as long as it was not measured.
    """

    name: str
    path: str
    scale: int = 1
    tile: int = 256
    overlap: int = 16
    multiple: int = 1
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    usual_s_per_mp: float = SLOWEST_S_PER_MP


OWN = {
    "enhance": Model(
        "enhance", str(SHIPPED / "enhance.onnx"), overlap=28, multiple=2, usual_s_per_mp=1.2
    ),
    "upscale": Model(
        "upscale", str(SHIPPED / "upscale.onnx"), scale=2, overlap=8, usual_s_per_mp=1.2
    ),
}


@travels
@dataclass(frozen=True, slots=True)
class Engines:
    """What this server has. `why_not` says why there are no networks; "" where there are.

    `unfit`: those that do not work here, by name, and why; no step is given to one of them.
    `seconds_per_mp`: of those that were measured, on one lane. All who hold this see what is found
    out later. `jobs_at_once`: of those that need a network.
    """

    models: tuple[Model, ...] = ()
    why_not: str = "AI enhancement is switched off here"
    unfit: dict[str, str] = field(default_factory=dict, compare=False)
    seconds_per_mp: dict[str, float] = field(default_factory=dict, compare=False)
    jobs_at_once: int = 1
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    threads: int = 1
    idle_s: float = 60.0

    @property
    def fit(self) -> tuple[Model, ...]:
        """The networks that work, as far as that is known."""
        return tuple(model for model in self.models if model.name not in self.unfit)

    def model(self, name: str) -> Model | None:
        return next((model for model in self.fit if model.name == name), None)

    def without(self, name: str, why: str) -> Self:
        """The same where that network does not work."""
        return replace(self, unfit={**self.unfit, name: why})


NO_AI = Engines()


class Asked(Protocol):
    """The settings of a step that a network can do."""

    @property
    def engine(self) -> Engine: ...
    @property
    def model(self) -> str | None: ...


@travels
@dataclass(frozen=True, slots=True)
class Used:
    """What did one step of a task. `megapixels` of what the network was given, in `seconds`."""

    step: str
    engine: str  # ai or classic
    model: str | None = None
    megapixels: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Notes:
    """What was used, in the order of work; a task's. `pixels` of all that networks are given."""

    used: list[Used] = field(default_factory=list)
    pixels: int = 0

    def part(self, pixels: float) -> float:
        """How much of all is done with so many pixels more, 0 to 1."""
        before = sum(one.megapixels for one in self.used) * 1e6
        return min(1.0, (before + pixels) / max(self.pixels, 1))

    def add(self, more: Used) -> None:
        """Frames, variants and passes of the same step become one entry."""
        for place, one in enumerate(self.used):
            if (one.step, one.engine, one.model) == (more.step, more.engine, more.model):
                megapixels = one.megapixels + more.megapixels
                seconds = one.seconds + more.seconds
                self.used[place] = Used(one.step, one.engine, one.model, megapixels, seconds)
                return
        self.used.append(more)


def damaged() -> dict[str, str]:
    """What is wrong with the files of our own networks, by name; {} where nothing is."""
    found: dict[str, str] = {}
    for name, model in OWN.items():
        path = Path(model.path)
        try:
            expected = path.with_name(DIGESTS).read_text().split()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            found[name] = f"its file cannot be read ({error.strerror}); {_AGAIN}"
            continue
        if digest not in expected:
            found[name] = f"its file is not the one that was shipped; {_AGAIN}"
    return found


def is_installed() -> bool:
    """Whether the extra `ai` is there."""
    return find_spec(EXTRA) is not None


def runtime() -> str:
    """onnxruntime and its version, or "none": part of what makes a file."""
    try:
        return f"{EXTRA} {version(EXTRA)}" if is_installed() else "none"
    except PackageNotFoundError:  # a build with a name of its own, such as onnxruntime-gpu
        return EXTRA


def chosen(step: str, asked: Asked, engines: Engines) -> Model | None:
    """The network that does a step, or None for classic; Refused where none can do what is asked.

    A model of the operator's is meant when one is named, whatever the engine but classic.
    """
    if asked.engine == "classic":
        return None
    model = engines.model(asked.model or step)
    if model is not None and (model.scale > 1) != (OWN[step].scale > 1):
        detail = f"{step}.model: {model.name} makes a picture {model.scale} times as large"
        raise Refused(Fault("ai_unavailable", detail))
    if model is None and (asked.engine == "ai" or asked.model is not None):
        raise Refused(_missing(step, asked, engines))
    return model


def models_of(recipe: "Steps", engines: Engines) -> Iterator[Model]:
    """The networks that a recipe uses; Refused where one is not here."""
    for step in OWN:
        settings = getattr(recipe, step)
        model = None if settings is None else chosen(step, settings, engines)
        if model is not None:
            yield model


def refuse_missing(recipe: "Steps", engines: Engines) -> None:
    """Raise Refused for a recipe that asks for a network that is not here, or for a wrong one."""
    for _ in models_of(recipe, engines):
        pass


def needs_network(recipe: "Steps", engines: Engines) -> bool:
    """Whether a network does any step of it; such jobs wait in a line of their own."""
    try:
        return any(True for _ in models_of(recipe, engines))
    except Refused:
        return False


def _missing(step: str, asked: Asked, engines: Engines) -> Fault:
    if engines.why_not:
        detail = (
            f"{step}.engine: expected auto or classic, got ai, which this server does not have: "
            f"{engines.why_not}"
        )
        return Fault("ai_unavailable", detail)
    name = asked.model or step
    if name in engines.unfit:
        detail = (
            f"{step}.engine: expected auto or classic, got ai, but the network {name} does not "
            f"work here: {engines.unfit[name]}"
        )
        return Fault("ai_unavailable", detail)
    known = ", ".join(model.name for model in engines.fit)
    return Fault("ai_unavailable", f"{step}.model: expected one of {known}; got {asked.model}")
