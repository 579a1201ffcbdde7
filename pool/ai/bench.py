"""What the steps of one task need to use a network: the engines, and whom to tell."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pool.ai.engines import NO_AI, Asked, Engines, Model, Notes, Used, chosen

if TYPE_CHECKING:
    import pyvips


def _hear_nothing(_part: float) -> None:
    return


@dataclass(frozen=True, slots=True)
class Bench:
    """One per task. `tell` hears how much of all networks' work is done, 0 to 1, and raises where
    the task is stopped.
    """

    engines: Engines = NO_AI
    tell: Callable[[float], None] = _hear_nothing
    notes: Notes = field(default_factory=Notes)

    def network(self, step: str, asked: Asked) -> Model | None:
        """What does this step; None for classic."""
        model = chosen(step, asked, self.engines)
        if model is None:
            self.notes.add(Used(step, "classic"))
        return model

    def run(
        self, step: str, image: "pyvips.Image", model: Model, *, strength: float = 1.0
    ) -> "pyvips.Image":
        """Three eight-bit bands through the network, and a note of it."""
        from pool.ai.tiles import through  # loads onnxruntime

        def hear(pixels: int) -> None:
            self.tell(self.notes.part(pixels))

        made, used = through(image, model, self.engines, strength, hear)
        self.notes.add(Used(step, used.engine, used.model, used.megapixels, used.seconds))
        return made


PLAIN = Bench()
