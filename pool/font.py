"""Fonts: the one that comes with us, and the family name a font file gives itself."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from struct import error as StructError
from struct import unpack_from

BUNDLED = "fontpkg_roboto"
FILE = "Roboto[wdth,wght].ttf"

COLLECTION = b"ttcf"
FAMILY, TYPOGRAPHIC_FAMILY = 1, 16  # of the table of names
WINDOWS = 3  # its names are UTF-16, and every font has them
LARGEST_BYTES = 64 * 1024 * 1024


class FontError(ValueError):
    """The file is no font, or one without a name."""


def bundled() -> str | None:
    """Path of the font of the package fontpkg-roboto; None where that is not installed."""
    spec = find_spec(BUNDLED)
    folders = (spec and spec.submodule_search_locations) or ()
    paths = (Path(folder, "files", FILE) for folder in folders)
    return next((str(path) for path in paths if path.is_file()), None)


@lru_cache(maxsize=32)
def family(path: str) -> str:
    """The family a TrueType or OpenType file belongs to; raises FontError.

    https://learn.microsoft.com/typography/opentype/spec/name
    """
    if Path(path).stat().st_size > LARGEST_BYTES:
        raise FontError("too large for a font")
    content = Path(path).read_bytes()
    try:
        names = dict(_names(content))
    except (StructError, UnicodeDecodeError) as error:
        raise FontError("not a font") from error
    found = names.get(TYPOGRAPHIC_FAMILY) or names.get(FAMILY)
    if not found:
        raise FontError("no name")
    return found


def _names(content: bytes) -> list[tuple[int, str]]:
    start = unpack_from(">I", content, 12)[0] if content[:4] == COLLECTION else 0
    (tables,) = unpack_from(">H", content, start + 4)
    rows = (unpack_from(">4s3I", content, start + 12 + 16 * row) for row in range(tables))
    table = next((offset for tag, _, offset, _ in rows if tag == b"name"), None)
    if table is None:
        return []
    _, count, strings = unpack_from(">3H", content, table)
    found = []
    for row in range(count):
        record = unpack_from(">6H", content, table + 6 + 12 * row)
        platform, _, _, name, length, offset = record
        if platform == WINDOWS and name in (FAMILY, TYPOGRAPHIC_FAMILY):
            begin = table + strings + offset
            found.append((name, content[begin : begin + length].decode("utf-16-be")))
    return found
