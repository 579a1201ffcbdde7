"""Which pictures the arguments mean: files, folders, URLs; one by one, never all at once."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Of a folder only what looks like a picture is sent; a file that is named is sent as it is.
ENDINGS = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif"),
        *(".gif", ".tif", ".tiff"),
    )
)
ARCHIVES = frozenset((".zip",))
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_UNSAFE = re.compile(r"[^\w.,+=@ ()\[\]-]")
_LONGEST_NAME = 150


@dataclass(frozen=True, slots=True)
class Picture:
    """One to send.

    `source` is what its owner calls it, `name` what the server is told, `target` where its results
    go: a path without ending below the folder of -o. `url` is "" for a file.
    """

    source: str
    name: str
    target: str
    path: Path
    bytes: int
    url: str = ""

    @property
    def is_archive(self) -> bool:
        """Whether it is a ZIP of pictures."""
        return self.path.suffix.lower() in ARCHIVES and not self.url


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An argument that is no picture, and why."""

    source: str
    why: str


def pictures(arguments: Sequence[str], *, recursive: bool) -> Iterator[Picture | Unreadable]:
    """In the order of the arguments, those of a folder in the order of their names."""
    named = Targets()
    for argument in arguments:
        if is_url(argument):
            name = url_name(argument)
            yield Picture(argument, name, named.of(safe(name)), Path(), 0, argument)
        elif Path(argument).is_dir():
            yield from _of_folder(Path(argument), recursive=recursive)
        else:
            yield _of_file(Path(argument), argument, named.of(safe(Path(argument).name)))


def is_url(text: str) -> bool:
    """Whether the server shall fetch it."""
    return text.lower().startswith(("http://", "https://"))


def url_name(url: str) -> str:
    """The last part of its path."""
    return unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2] or "picture"


class Targets:
    """Gives every picture of one folder a target that no other has: a, a (2), whatever the case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, name: str) -> str:
        """Of a file's name."""
        stem = _ENDING.sub("", name) or name
        target, number = stem, 1
        while target.casefold() in self._taken:
            number += 1
            target = f"{stem} ({number})"
        self._taken.add(target.casefold())
        return target


def safe(name: str) -> str:
    """A name from elsewhere as one that is a file's name anywhere, and no path."""
    text = _UNSAFE.sub("_", name.rpartition("/")[2])[-_LONGEST_NAME:].strip(" .")
    return text or "picture"


def _of_folder(folder: Path, *, recursive: bool) -> Iterator[Picture | Unreadable]:
    for root, folders, files in os.walk(folder):
        below = Path(root).relative_to(folder)
        # Sorted in place: os.walk goes on with what is left in the list.
        folders[:] = sorted(one for one in folders if recursive and not one.startswith("."))
        named = Targets()
        for name in sorted(files):
            if Path(name).suffix.lower() in ENDINGS and not name.startswith("."):
                path = Path(root, name)
                yield _of_file(path, str(path), (below / named.of(name)).as_posix())


def _of_file(path: Path, source: str, target: str) -> Picture | Unreadable:
    try:
        found = path.stat()
        if not path.is_file():
            return Unreadable(source, "it is no file")
        with path.open("rb"):
            pass
    except OSError as error:
        return Unreadable(source, error.strerror or "it cannot be read")
    if not found.st_size:
        return Unreadable(source, "it is empty")
    return Picture(source, path.name, target, path, found.st_size)


def total(found: Iterable[Picture | Unreadable]) -> tuple[int, int]:
    """How many, and their bytes together."""
    count = size = 0
    for one in found:
        count += 1
        size += one.bytes if isinstance(one, Picture) else 0
    return count, size
