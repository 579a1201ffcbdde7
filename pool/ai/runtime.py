"""onnxruntime, imported here alone: since 1.29 it reports what it does to its maker unless told not
to before it is loaded. (Our workers have no network either way.)
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

SILENCE = "ORT_DISABLE_TELEMETRY"
FATAL_ONLY = 4  # of its levels of logging; what goes wrong is raised


@contextmanager
def _unheard() -> Iterator[None]:
    """While it is loaded it complains, past every setting, of folders that the sandbox closes."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


os.environ[SILENCE] = "1"
with _unheard():
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(FATAL_ONLY)

InferenceSession = onnxruntime.InferenceSession
SessionOptions = onnxruntime.SessionOptions
