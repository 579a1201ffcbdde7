"""Commands in a page of the docs, in their order, with what is shown beside them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\s*$")
_NOT_RUN = re.compile(r"^<!-- not run: (.+) -->$")
_CURL = re.compile(r"\bcurl (?!--version)")
_MEANT = re.compile(r"#\s(\d{3})\b")


@dataclass
class Block:
    """One ```sh block; `shown` is the block that follows it as its answer."""

    page: str
    line: int
    section: str
    commands: str
    why_not: str | None = None
    shown_kind: str = ""
    shown: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def statuses(self) -> list[int | None]:
        """Of each curl in its order: the status that is said to come; None: any 2xx."""
        parts = _CURL.split(self.commands)[1:]
        found: list[int | None] = []
        for part in parts:
            meant = _MEANT.search(part)
            found.append(int(meant[1]) if meant else None)
        if found and self.shown_status is not None:
            found[-1] = self.shown_status
        return found

    @property
    def shown_status(self) -> int | None:
        """The status with which the answer beside it begins, if it does."""
        started = re.match(r"(\d{3})\b", self.shown)
        return int(started[1]) if started else None


@dataclass
class _Fenced:
    kind: str
    line: int
    section: str
    lines: list[str] = field(default_factory=list)
    why_not: str | None = None
    follows: bool = False
    """Only blank lines stand between it and the block before."""


def blocks_of(page: Path) -> list[Block]:
    """Every block of commands."""
    blocks: list[Block] = []
    for fenced in _fenced(page.read_text().splitlines()):
        text = "\n".join(fenced.lines)
        if fenced.kind == "sh":
            blocks.append(Block(page.name, fenced.line, fenced.section, text, fenced.why_not))
        elif blocks and fenced.follows and not blocks[-1].shown:
            blocks[-1].shown_kind, blocks[-1].shown = fenced.kind, text
    return blocks


def _fenced(lines: list[str]) -> Iterator[_Fenced]:
    section, why_not, inside, follows = "", None, None, False
    for number, line in enumerate(lines, start=1):
        mark = _FENCE.match(line)
        if inside is not None:
            if mark:
                yield inside
                inside, follows = None, inside.kind == "sh"
            else:
                inside.lines.append(line)
        elif mark:
            inside = _Fenced(mark[1], number, section, why_not=why_not, follows=follows)
            why_not = None
        elif told := _NOT_RUN.match(line):
            why_not = told[1]
        elif line.startswith("## "):
            section, follows = line.removeprefix("## "), False
        elif line.strip():
            follows = False


def paths_shown(text: str) -> set[str]:
    """Members of an answer as a page shows it, with … for what is left out: `jobs[].jobId`."""
    return set(_paths(text))


def _paths(text: str) -> Iterator[str]:
    tokens = re.findall(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', text)
    stack: list[str] = []  # of open objects and lists: the path of what stands in them
    name = ""
    for at, token in enumerate(tokens):
        after = tokens[at + 1] if at + 1 < len(tokens) else ""
        here = stack[-1] if stack else ""
        if token == "{":
            stack.append(name if name else here)
            name = ""
        elif token == "[":
            stack.append(f"{name or here}[]")
            name = ""
        elif token in "}]":
            if stack:
                stack.pop()
            name = ""
        elif token[0] == '"' and after == ":":
            name = f"{here}.{token[1:-1]}".lstrip(".")
            yield name
        elif token == ",":
            name = ""


def missing_in(answer: object, shown: set[str]) -> set[str]:
    """What is shown and does not come; what would stand in an empty list or a null is let pass."""
    found, open_ends = set[str](), set[str]()
    _walk(answer, "", found, open_ends)
    return {
        path
        for path in shown - found
        if not any(path.startswith((f"{end}.", f"{end}[")) for end in open_ends)
    }


def _walk(value: object, path: str, found: set[str], open_ends: set[str]) -> None:
    if path:
        found.add(path)
    inside = _members(value, path)
    if inside is not None and not inside:
        open_ends.add(path)
    for name, inner in inside or ():
        _walk(inner, name, found, open_ends)


def _members(value: object, path: str) -> list[tuple[str, object]] | None:
    """What stands in an object or list, each with its path; None: it is neither, nor null."""
    if isinstance(value, dict):
        return [(f"{path}.{name}".lstrip("."), inner) for name, inner in value.items()]
    if isinstance(value, list):
        return [(f"{path}[]", inner) for inner in value]
    return [] if value is None else None
