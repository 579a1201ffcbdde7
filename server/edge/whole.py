"""Whole numbers in JSON bodies: to JSON Schema 60.0 is one, too, and some clients write so."""

from typing import Annotated

from pydantic import BeforeValidator

_EXACT = 2**53  # from here on a float is not one whole number but several


def _as_whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


WholeNumber = Annotated[int, BeforeValidator(_as_whole)]
"""An int field of a strict model that takes 60.0 for 60, and neither 60.5 nor "60"."""
