"""A failed check as one sentence for the client: the path, what was wanted there, what came."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

LONGEST_QUOTE = 40

# Any, in this file: a JSON Schema is JSON of any shape.
Schema = dict[str, Any]


def complaint(error: ValidationError, schema: Schema) -> tuple[str, str]:
    """The path of the first wrong value, and the sentence about it."""
    first = error.errors(include_url=False)[0]
    path = _path(first["loc"])
    return path, f"{path or 'recipe'}: {_sentence(first, schema)}"


def _path(location: tuple[int | str, ...]) -> str:
    text = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part[:LONGEST_QUOTE]}" for part in location
    )
    return text.removeprefix(".")


def _sentence(first: ErrorDetails, schema: Schema) -> str:
    if first["type"] == "whole":  # a sentence of our own, from a check of several values
        return first["msg"]
    if first["type"] in ("extra_forbidden", "invalid_key"):
        known = ", ".join(_at(schema, first["loc"][:-1]).get("properties", ()))
        return f"expected one of {known}, got this unknown name"
    got = "nothing" if first["type"] == "missing" else quoted(first["input"])
    return f"expected {_wanted(_at(schema, first['loc']))}, got {got}"


def _at(schema: Schema, location: tuple[int | str, ...]) -> Schema:
    """The part of the schema that describes the value at a location."""
    part = _plain(schema, schema)
    for key in location:
        inner = part["items"] if isinstance(key, int) else part["properties"][key]
        part = _plain(inner, schema)
    return part


def _plain(part: Schema, schema: Schema) -> Schema:
    """Follow references, and the one branch of an optional value that is not null."""
    if "anyOf" in part:
        part = next(branch for branch in part["anyOf"] if branch.get("type") != "null")
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return part


def _wanted(part: Schema) -> str:
    if "enum" in part:
        return "one of " + ", ".join(str(choice) for choice in part["enum"])
    match part.get("type"):
        case "integer":
            return f"an integer from {part['minimum']} to {part['maximum']}"
        case "number":
            return f"a number from {part['minimum']} to {part['maximum']}"
        case "boolean":
            return "true or false"
        case "array":
            least = f"{part['minItems']} to" if "minItems" in part else "at most"
            return f"a list of {least} {part['maxItems']}"
        case "string":
            return _wanted_text(part)
    return "an object"


def _wanted_text(part: Schema) -> str:
    example = "".join(f" like {example!r}" for example in part.get("examples", ())[:1])
    pattern = f" that matches {part['pattern']}" if "pattern" in part else ""
    return f"text{example}{pattern}"


def quoted(value: object) -> str:
    """A value as the client wrote it, cut short."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case dict():
            return "an object"
        case list() | tuple():
            return f"a list of {len(value)}"
        case int() if abs(value) >= 10**LONGEST_QUOTE:  # printing it whole would cost or even fail
            return "a far larger number"
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + "..."
