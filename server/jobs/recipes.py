"""Recipes read from their text, once for all jobs that have the same: most share a few."""

from functools import lru_cache

import orjson

from pool import Recipe, parse_recipe

_KEPT = 128
_LONGEST_KEPT = 4096  # characters; what is longer is somebody's own


def recipe_of(text: str) -> Recipe:
    """Raises orjson.JSONDecodeError, or RecipeError with the first thing that is wrong."""
    return _kept(text) if len(text) <= _LONGEST_KEPT else _read(text)


def _read(text: str) -> Recipe:
    return parse_recipe(orjson.loads(text))


_kept = lru_cache(maxsize=_KEPT)(_read)
