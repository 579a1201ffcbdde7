"""What the steps of one task need to use a network: the engines, and whom to tell."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pool.ai.engines import NO_AI, Asked, Engines, Model, Notes, Used, chosen

if TYPE_CHECKING:
    import pyvips


def _hear_nothing(_step: str, _part: float) -> None:
    return


@dataclass(frozen=True, slots=True)
class Bench:
    """One per task. `tell` hears of which step the network works, and how much of all networks'
    work is done, 0 to 1; it raises where the task is stopped.
    """

    engines: Engines = NO_AI
    tell: Callable[[str, float], None] = _hear_nothing
    notes: Notes = field(default_factory=Notes)

    def network(self, step: str, asked: Asked) -> Model | None:
        """What does this step; None for classic.

        Refused where a network is demanded and does not load: its file may be another by now than
        the one that was tried when the server started.
        """
        model = chosen(step, asked, self.engines)
        if model is not None and not _loads(model, self.engines):
            model = chosen(step, asked, self.engines.without(model.name, "it cannot be loaded"))
        if model is None:
            self.notes.add(Used(step, "classic"))
        return model

    def run(
        self, step: str, image: "pyvips.Image", model: Model, *, strength: float = 1.0
    ) -> "pyvips.Image":
        """Three eight-bit bands through the network, and a note of it."""
        from pool.ai.tiles import through  # loads onnxruntime

        def hear(pixels: int) -> None:
            self.tell(step, self.notes.part(pixels))

        made, used = through(image, model, self.engines, strength, hear)
        self.notes.add(Used(step, used.engine, used.model, used.megapixels, used.seconds))
        return made


def _loads(model: Model, engines: Engines) -> bool:
    from pool.ai.session import SHELF, ModelUnfit  # loads onnxruntime

    try:
        with SHELF.lent(model, engines):
            return True
    except ModelUnfit:
        return False  # the job says which engine it was; who is refused hears why


PLAIN = Bench()
