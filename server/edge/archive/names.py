"""Names for files in a ZIP: the client's own, unique, and safe wherever it is unpacked."""

import re

_EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}
_MAX_STEM_BYTES = 180
# What no Windows takes in a name, and what any shell would take for more than a name.
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}
_ORIGINAL_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}$")


class ZipNames:
    """Gives each file of one archive a name that no other has, in whatever case."""

    def __init__(self, *taken: str) -> None:
        self._taken = {name.casefold() for name in taken}

    def name(self, client_name: str, variant: str | None, image_format: str) -> str:
        """Of the picture's name, the variant's where there are several, and the true extension."""
        stem = _stem(client_name) + (f"-{_safe(variant)}" if variant else "")
        extension = _EXTENSIONS.get(image_format, image_format)
        name, number = f"{stem}.{extension}", 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem} ({number}).{extension}"
        self._taken.add(name.casefold())
        return name


def _stem(client_name: str) -> str:
    stem = _safe(_ORIGINAL_EXTENSION.sub("", client_name)).strip(". ")
    while len(stem.encode()) > _MAX_STEM_BYTES:
        stem = stem[:-1].rstrip(". ")
    if not stem or stem.partition(".")[0].casefold() in _DEVICES:
        stem = f"picture{stem and '-'}{stem}"
    return stem


def _safe(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else "_" for letter in text)
    return _UNSAFE.sub("_", printable.encode(errors="replace").decode())
