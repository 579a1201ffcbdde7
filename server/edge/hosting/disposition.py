"""`?download` and `?download=name`: a picture to be saved as a file, by RFC 6266 and RFC 8187.

What a client chose as a name is cleaned and stands quoted or percent-encoded, so it ends no header
and names no folder; its ending is that of the format.
"""

import re
from urllib.parse import quote

from server.intake.file_name import clean_name

_ENDINGS = {"jpeg": ("jpg", "jpeg"), "tiff": ("tif", "tiff")}
_KNOWN = re.compile(r"\.(?:jpe?g|png|webp|avif|gif|tiff?|heic|heif|svg)$", re.IGNORECASE)
# Windows refuses these in names, and some are shells' own.
_UNSAFE = re.compile(r'[<>:"|?*%\\/]')
_MOST_BYTES = 200  # of a name; file systems take 255 with the ending
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_FALLBACK = "picture"


def disposition(wanted: str, name: str, media_format: str) -> str:
    """The header's value. `wanted`: of the query, "" is the name under which the picture came."""
    file_name = _file_name(wanted or name, media_format)
    plain = "".join(letter if " " <= letter <= "~" else "_" for letter in file_name)
    value = f'attachment; filename="{plain}"'
    if plain == file_name:
        return value
    return f"{value}; filename*=UTF-8''{quote(file_name, safe='')}"


def _file_name(text: str, media_format: str) -> str:
    sendable = text.encode(errors="replace").decode()
    stem = _UNSAFE.sub("_", clean_name(sendable)).strip(". ")
    endings = _ENDINGS.get(media_format, (media_format,))
    if stem.lower().endswith(tuple(f".{ending}" for ending in endings)):
        stem, _, ending = stem.rpartition(".")
    else:
        stem, ending = _KNOWN.sub("", stem), endings[0]
    stem = _shortened(stem).strip(". ")
    if not stem.strip("_ ."):
        stem = _FALLBACK
    if _RESERVED.match(stem):
        stem = f"_{stem}"
    return f"{stem}.{ending}"


def _shortened(stem: str) -> str:
    """At most _MOST_BYTES of UTF-8, no letter cut in two."""
    return stem.encode()[:_MOST_BYTES].decode(errors="ignore")
