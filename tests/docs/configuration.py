"""docs/configuration.md, from config.toml and the classes that it is checked by.

`python -m tests.docs.configuration > docs/configuration.md` writes it; a test compares the two.
"""

import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from server.config import ENVIRONMENT_PREFIX, Settings

CONFIG = Path(__file__).parents[2] / "config.toml"

_HEAD = Path(__file__).with_name("configuration_head.md").read_text()

_SECTION = re.compile(r"^\[([a-z.]+)\]\s*(?:#\s*(.*))?$")
_KEY = re.compile(r"^([a-z_]+) = (.+?)\s+# (.*)$")
_MORE = re.compile(r"^\s+# +(\S.*)$")
_TOML = re.compile(r"\[[a-zA-Z.]+\]$|[a-z_]+ = ")
_UNITS = {"s": "s", "bytes": "bytes", "days": "days", "pixels": "pixels"}


@dataclass
class Row:
    """One setting as the file has it."""

    key: str
    default: str
    meaning: str


@dataclass
class Part:
    """One table of the file."""

    name: str
    about: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    example: list[str] = field(default_factory=list)


def parts(text: str) -> list[Part]:
    """The tables of a config.toml in their order, with what is said above and in them."""
    found: list[Part] = []
    comments: list[str] = []
    for line in text.splitlines():
        row = found[-1].rows[-1] if found and found[-1].rows else None
        if section := _SECTION.match(line):
            about, example = _told_apart(comments)
            found.append(Part(section[1], about, example=example))
            comments = []
        elif key := _KEY.match(line):
            found[-1].rows.append(Row(key[1], key[2], key[3]))
            comments = []
        elif (more := _MORE.match(line)) and row is not None:
            row.meaning += " " + more[1]
        elif line.startswith("#"):
            comments.append(line.removeprefix("#").removeprefix(" "))
        elif not line.strip() and not _may_belong_to_the_next(comments):
            comments = []
    if comments:
        found[-1].example += _told_apart(comments)[1]
    return found


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_sections()]).rstrip() + "\n"


def _told_apart(comments: list[str]) -> tuple[list[str], list[str]]:
    """Sentences, and lines of TOML that only wait to be used."""
    lines = [at for at, one in enumerate(comments) if _TOML.match(one)]
    start = lines[0] if lines else len(comments)
    return comments[:start], comments[start:]


def _may_belong_to_the_next(comments: list[str]) -> bool:
    return any(map(_TOML.match, comments))


def _sections() -> Iterator[str]:
    for part in parts(CONFIG.read_text()):
        section, _, inner = part.name.partition(".")
        model = Settings.model_fields[section].annotation
        is_table_of_tables = bool(inner) or not _is_model(model)
        yield f"## [{part.name}]\n"
        if part.about:
            yield " ".join(part.about) + "\n"
        if part.example:
            yield "```toml\n" + "\n".join(part.example) + "\n```\n"
        if section == "presets":
            yield "```toml\n" + _as_written(part) + "\n```\n"
            continue
        if part.rows and not is_table_of_tables:
            yield _table(part, model)
        if entry := _entry_model(section, inner, model):
            yield f"Each `[{section}.{inner or 'NAME'}{'.NAME' if inner else ''}]`:\n"
            yield _entry_table(entry)


def _as_written(part: Part) -> str:
    text = CONFIG.read_text()
    start = text.index(f"[{part.name}]")
    return text[start:].partition("\n\n")[0]


def _table(part: Part, model: Any) -> str:
    rows = [_row(row, part.name, model.model_fields[row.key]) for row in part.rows]
    return _as_table(("key", "takes", "default", "unit", "environment", "meaning"), rows)


def _row(row: Row, section: str, info: FieldInfo) -> tuple[str, ...]:
    variable = f"{ENVIRONMENT_PREFIX}{section}__{row.key}".upper()
    default = f"`{row.default}`{_in_words(row.default, row.key)}"
    return (f"`{row.key}`", _takes(info), default, _unit(row.key), f"`{variable}`", row.meaning)


def _entry_table(model: type[BaseModel]) -> str:
    rows = [
        (f"`{name}`", _takes(info), "needed" if info.is_required() else f"`{_shown(info)}`")
        for name, info in model.model_fields.items()
    ]
    return _as_table(("key", "takes", "default"), rows)


def _shown(info: FieldInfo) -> str:
    default = info.get_default(call_default_factory=True)
    if isinstance(default, tuple):
        return (
            "["
            + ", ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in default)
            + "]"
        )
    if isinstance(default, bool):
        return str(default).lower()
    return f'"{default}"' if isinstance(default, str) else str(default)


def _as_table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    cells = [" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines]
    return "\n".join(f"| {line} |".replace("  |", " |") for line in cells) + "\n"


def _entry_model(section: str, inner: str, model: Any) -> type[BaseModel] | None:
    """What one table of a table of tables is checked by."""
    annotation = model.model_fields[inner].annotation if inner else model
    arguments = typing.get_args(annotation)
    last = arguments[-1] if arguments else None
    return last if _is_model(last) and section not in ("presets", "assets") else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _in_words(default: str, key: str) -> str:
    """Many bytes in MiB, many seconds in days: for eyes."""
    if not default.isdecimal():
        return ""
    number = int(default)
    if "bytes" in key and number >= 1024:
        return f" ({_counted(number, (('GiB', 1024**3), ('MiB', 1024**2), ('KiB', 1024)))})"
    if key.endswith("_s") and number >= 3600:
        return f" ({_counted(number, (('d', 86400), ('h', 3600)))})"
    return ""


def _counted(number: int, units: tuple[tuple[str, int], ...]) -> str:
    name, size = next(one for one in units if number >= one[1])
    return f"{number / size:g} {name}"


def _unit(key: str) -> str:
    return _UNITS.get(key.rpartition("_")[2], "")


def _takes(info: FieldInfo) -> str:
    return _words(info.annotation, info.metadata)


def _words(annotation: Any, metadata: list[Any]) -> str:
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *own = typing.get_args(annotation)
        return _words(annotation, [*own, *metadata])
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(
            dict.fromkeys(_words(one, []) for one in arguments if one is not type(None))
        )
    if origin is tuple:
        return "list of " + _words(arguments[0], [])
    if origin is dict:
        return "table"
    return _plain(annotation, metadata)


def _plain(annotation: Any, metadata: list[Any]) -> str:
    if choices := _choices(metadata):
        return ", ".join(f"`{one}`" for one in choices)
    names = {"bool": "`true`, `false`", "int": "whole number", "float": "number", "str": "text"}
    names |= {"Path": "path", "IPv4Network": "network", "IPv6Network": "network"}
    return names.get(annotation.__name__, annotation.__name__) + _bounds(metadata)


def _choices(metadata: list[Any]) -> list[str]:
    for one in metadata:
        pattern = getattr(one, "pattern", None)
        if pattern and (found := re.fullmatch(r"\^\(([a-z|]+)\)\$", pattern)):
            return found[1].split("|")
    return []


def _bounds(metadata: list[Any]) -> str:
    told = []
    for one in metadata:
        match one:
            case Ge(ge=least):
                told.append(f"≥ {_figure(least)}")
            case Gt(gt=least):
                told.append(f"> {_figure(least)}")
            case Le(le=most):
                told.append(f"≤ {_figure(most)}")
            case Lt(lt=most):
                told.append(f"< {_figure(most)}")
    return f" {', '.join(told)}" if told else ""


def _figure(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


if __name__ == "__main__":
    print(page(), end="")
