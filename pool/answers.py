"""Reads what a child answers without trusting it: its pickle may build our own records only.

Tasks are answered by a pipe of ours; the executor's own brings the greeting.
"""

import io
import os
import pickle
from multiprocessing import connection, reduction
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from typing import Any

LONGEST_ANSWER_BYTES = 1 << 20
ALLOWED = {
    ("concurrent.futures.process", "_ResultItem"),
    ("pool.ai.engines", "Used"),
    ("pool.fault", "Fault"),
    ("pool.records", "Header"),
    ("pool.records", "Lap"),
    ("pool.records", "Look"),
    ("pool.records", "Outcome"),
    ("pool.records", "Output"),
    ("pool.sandbox", "Sandbox"),
    ("pool.child", "Greeting"),
}


class AnswerReader(Connection):
    """The parent's end of a result pipe; after a refusal the executor counts as broken."""

    has_refused = False

    def recv(self) -> object:
        answer = self.recv_bytes(LONGEST_ANSWER_BYTES)
        try:
            return read_answer(answer)
        except Exception:  # a pickle made with intent can raise anything
            self.has_refused = True
            raise


def read_answer(answer: bytes) -> object:
    """What a child's bytes stand for; whatever they raise, they are not to be believed."""
    return _Unpickler(io.BytesIO(answer)).load()


# On its way to the child, which never reads from it, it is a plain connection.
reduction.register(AnswerReader, connection.reduce_connection)  # type: ignore[attr-defined]  # as below


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # whatever the name stands for
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"a child may not answer with {module}.{name}")
        return super().find_class(module, name)


# Any: the executor puts its own items into it.
def guard(queue: "SimpleQueue[Any]") -> AnswerReader:
    """Put our reader in place of the queue's own."""
    plain = queue._reader  # type: ignore[attr-defined]  # typeshed leaves it out
    reader = AnswerReader(os.dup(plain.fileno()), writable=False)
    plain.close()
    queue._reader, queue._poll = reader, reader.poll  # type: ignore[attr-defined]  # likewise
    return reader
