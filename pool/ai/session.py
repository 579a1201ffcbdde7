"""Loaded networks of one child: made when first needed, dropped when idle. Imports onnxruntime."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pool.ai.engines import Engines, Model
from pool.ai.runtime import FATAL_ONLY, InferenceSession, SessionOptions

Tile = npt.NDArray[np.float32]  # 1 x 3 x height x width
MOST_LOADED = 2
MEASURED = 3  # runs; the best of them is what the machine can do


class ModelUnfit(Exception):
    """This file cannot be used as it is set; the message says why."""


@dataclass(slots=True)
class Loaded:
    """A session with the names of its one input and one output. Any: made at run time, untyped."""

    session: Any
    given: str
    made: str

    def run(self, tile: Tile) -> Tile:
        result: Tile = self.session.run([self.made], {self.given: tile})[0]
        return result


class Shelf:
    """One per child. A session is never dropped while it works."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: dict[tuple[Model, int], Loaded] = {}  # the last used is last
        self._used_at = 0.0
        self._timer: threading.Timer | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the networks that are loaded."""
        return tuple(model.name for model, _ in self._loaded)

    @contextmanager
    def lent(self, model: Model, engines: Engines) -> Iterator[Loaded]:
        """The network, ready to run, for as long as the block lasts."""
        with self._lock:
            key = (model, engines.threads)
            loaded = self._loaded.pop(key, None) or load(model, engines)
            self._loaded[key] = loaded
            while len(self._loaded) > MOST_LOADED:
                del self._loaded[next(iter(self._loaded))]
            try:
                yield loaded
            finally:
                self._used_at = time.monotonic()
                self._drop_later(engines.idle_s)

    def _drop_later(self, idle_s: float) -> None:
        if self._timer is None:
            self._timer = threading.Timer(idle_s, self._drop_if_idle, (idle_s,))
            self._timer.daemon = True
            self._timer.start()

    def _drop_if_idle(self, idle_s: float) -> None:
        with self._lock:
            self._timer = None
            left_s = self._used_at + idle_s - time.monotonic()
            if left_s <= 0:
                self._loaded.clear()
            else:
                self._drop_later(left_s)


SHELF = Shelf()


def load(model: Model, engines: Engines) -> Loaded:
    """Raises ModelUnfit where the file is no network of one picture in and one out."""
    options = SessionOptions()
    options.intra_op_num_threads = engines.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    options.enable_cpu_mem_arena = False  # it would keep the memory of the largest tile for good
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        content = Path(model.path).read_bytes()
        session = InferenceSession(content, options, providers=list(engines.providers))
    except Exception as error:  # onnxruntime raises classes of its own, and plain ones
        raise ModelUnfit(f"{model.name}: {model.path} cannot be loaded: {error}") from error
    given, made = session.get_inputs(), session.get_outputs()
    if len(given) != 1 or len(made) != 1:
        wanted = "expected one input and one output"
        raise ModelUnfit(f"{model.name}: {wanted}, got {len(given)} and {len(made)}")
    return Loaded(session, given[0].name, made[0].name)


def checked(model: Model, engines: Engines) -> float:
    """Load a network, let it work on one tile, and tell the seconds it takes a megapixel.

    Raises ModelUnfit where what comes out is not what its settings say.
    """
    side = model.tile // model.multiple * model.multiple
    tile = np.full((1, 3, side, side), 0.5, np.float32)
    with SHELF.lent(model, engines) as loaded:
        try:
            made = loaded.run(tile)
        except Exception as error:
            wanted = f"expected it to take 1 x 3 x {side} x {side} floats"
            raise ModelUnfit(f"{model.name}: {wanted}, got: {error}") from error
        expected = (1, 3, side * model.scale, side * model.scale)
        if made.shape != expected or made.dtype != np.float32 or not np.isfinite(made).all():
            wanted = f"expected {expected} finite floats out"
            raise ModelUnfit(f"{model.name}: {wanted}, got {made.shape} {made.dtype}")
        taken = min(_timed(loaded, tile) for _ in range(MEASURED))
        # Some of a tile is computed twice, for its neighbours.
        again = ((model.tile + 2 * model.overlap) / model.tile) ** 2
        return taken / (side * side) * 1e6 * again


def _timed(loaded: Loaded, tile: Tile) -> float:
    began = time.perf_counter()
    loaded.run(tile)
    return time.perf_counter() - began
