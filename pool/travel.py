"""Records that go from process to process in a cheaper way than a dataclass does by itself.

A frozen dataclass with slots looks its fields up anew each time it is packed and unpacked: 20 µs
of CPU for a task at either end.
"""

from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar  # Any: a record of whatever kind, with fields of their own

T = TypeVar("T")


def travels(record: type[T]) -> type[T]:
    """Pack it as a call of its class with all fields in order; for dataclasses of two and more."""
    names = [field.name for field in fields(record)]  # type: ignore[arg-type]
    values = attrgetter(*names)

    def reduce(self: Any) -> tuple[type[T], tuple[Any, ...]]:
        return record, values(self)

    record.__reduce__ = reduce  # type: ignore[method-assign]
    return record
