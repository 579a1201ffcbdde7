"""What an address of a picture asks to be made: a preset by its name, or words of its query.

Words are signed, or everybody could let the service make pictures for ever. The same words in
another order, or in other words the same, are the same recipe, and so the same picture.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from pool import Recipe, RecipeError, parse_recipe
from server.jobs.derived import recipe_name
from server.refusals import BadOptions

_MAX_QUOTED = 40
_WHOLE = re.compile(r"[0-9]{1,6}")
_NUMBER = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,6})?")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_MOST_DPR = 8


@dataclass(frozen=True, slots=True)
class DerivedWish:
    """A recipe, and the name under which what it makes stands with a picture."""

    recipe: Recipe
    name: str

    @classmethod
    def of(cls, recipe: Recipe) -> "DerivedWish":
        """What this recipe makes."""
        return cls(recipe, recipe_name(recipe.canonical()))


def words_of(query: Mapping[str, str]) -> dict[str, str]:
    """Those parameters of a query that say how a picture shall be made."""
    return {name: value for name, value in query.items() if name in WORDS}


def wish_of(words: Mapping[str, str]) -> DerivedWish:
    """The recipe that words ask for. Raises BadOptions."""
    return _wish(tuple(sorted(words.items())))


@lru_cache(maxsize=1000)
def _wish(words: tuple[tuple[str, str], ...]) -> DerivedWish:
    try:
        recipe = parse_recipe(_options(dict(words)))
    except RecipeError as error:
        raise BadOptions(error.detail) from error
    return DerivedWish.of(recipe)


def _options(words: dict[str, str]) -> Any:
    """As they would stand in `options`."""
    if "options" in words:
        if len(words) > 1:
            others = ", ".join(sorted(set(words) - {"options"}))
            raise BadOptions(f"options: expected it alone, got it together with {others}.")
        return _json("options", words["options"])
    recipe: dict[str, Any] = {}
    for name, text in words.items():
        place, read = WORDS[name]
        value, (*outer, last) = read(name, text), place.split(".")
        into = recipe.setdefault(outer[0], {}) if outer else recipe
        if last:
            into[last] = value
    if "dpr" in words:
        _enlarge(recipe, _number("dpr", words["dpr"]))
    return recipe


def _enlarge(recipe: dict[str, Any], dpr: float) -> None:
    """Sides in pixels of the page become pixels of a screen that has `dpr` for each of them."""
    resize = recipe.get("resize", {})
    sides = [side for side in ("width", "height") if side in resize]
    if not sides or not 1 <= dpr <= _MOST_DPR:
        raise BadOptions(
            f"dpr: expected a number from 1 to {_MOST_DPR}, with width or height; got {dpr:g}."
        )
    for side in sides:
        resize[side] = math.floor(resize[side] * dpr + 0.5)


def _json(name: str, text: str) -> Any:
    try:
        return orjson.loads(text.encode(errors="replace"))
    except orjson.JSONDecodeError as error:
        raise BadOptions(f"{name}: expected a JSON object, got something else: {error}") from error


def _text(_name: str, text: str) -> str:
    return text


def _whole(name: str, text: str) -> int:
    if _WHOLE.fullmatch(text) is None:
        raise _wrong(name, "a whole number", text)
    return int(text)


def _number(name: str, text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise _wrong(name, "a number", text)
    return float(text)


def _quality(name: str, text: str) -> int | str:
    return text if text == "auto" else _whole(name, text)


def _flag(name: str, text: str) -> bool:
    if text not in _FLAGS:
        raise _wrong(name, "true or false", text)
    return _FLAGS[text]


def _colour(_name: str, text: str) -> str:
    """A # begins a URL's fragment, so that it is mostly left out."""
    return text if text.startswith("#") else f"#{text}"


def _wrong(name: str, wanted: str, text: str) -> BadOptions:
    quoted = text[:_MAX_QUOTED].encode(errors="replace").decode()
    return BadOptions(f"{name}: expected {wanted}, got '{quoted}'.")


# Each word: its place in the recipe, and how its text is read. The recipe judges what comes of it.
WORDS: Mapping[str, tuple[str, Callable[[str, str], Any]]] = {
    "width": ("resize.width", _whole),
    "height": ("resize.height", _whole),
    "dpr": ("", _number),
    "fit": ("resize.fit", _text),
    "gravity": ("resize.gravity", _text),
    "enlarge": ("resize.enlarge", _flag),
    "rotate": ("rotate.angle", _number),
    "blur": ("blur.sigma", _number),
    "background": ("background", _colour),
    "format": ("format", _text),
    "quality": ("quality", _quality),
    "lossless": ("lossless", _flag),
    "options": ("", _json),
}
