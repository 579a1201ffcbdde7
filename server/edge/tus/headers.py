"""What a tus request says in its headers, checked; see https://tus.io/protocols/resumable-upload."""

import base64
import binascii
import re
from email.utils import formatdate

from aiohttp import web

from server.intake.tus.writing import Checksum
from server.refusals import BadRequest

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
ALGORITHMS = {"sha1": 20, "sha256": 32, "md5": 16}
"""Bytes of a digest by the name of its algorithm."""

FIELDS = ("filename", "filetype", "options", "preset", "private", "expiresIn", "callbackUrl")
# What Uppy and others send beside these; the bytes tell the type, and a name is no path.
_UNUSED = ("filetype", "name", "type", "relativePath")

_NUMBER = re.compile(r"[0-9]{1,15}")
_KEY = re.compile(r"[!-+\--~]+")
_MAX_QUOTED_LENGTH = 40


def read_number(request: web.Request, header: str) -> int:
    """A count of bytes that must be there."""
    text = request.headers.get(header)
    if text is None or not _NUMBER.fullmatch(text):
        found = "none" if text is None else f"'{text[:_MAX_QUOTED_LENGTH]}'"
        raise BadRequest(f"{header}: expected a number of bytes, got {found}.")
    return int(text)


def read_checksum(request: web.Request) -> Checksum | None:
    """Upload-Checksum: an algorithm and a digest in Base64."""
    text = request.headers.get("Upload-Checksum")
    if text is None:
        return None
    algorithm, _, encoded = text.partition(" ")
    digest = _decoded(encoded)
    if algorithm not in ALGORITHMS:
        raise BadRequest(f"Upload-Checksum: expected one of {', '.join(ALGORITHMS)}.")
    if digest is None or len(digest) != ALGORITHMS[algorithm]:
        raise BadRequest(f"Upload-Checksum: expected a digest of {algorithm} in Base64.")
    return Checksum(algorithm, digest)


def read_metadata(header: str) -> dict[str, str]:
    """Upload-Metadata: pairs of a key and a text in Base64. Only keys that mean something here."""
    pairs: dict[str, str] = {}
    for part in header.split(",") if header.strip() else ():
        key, _, encoded = part.strip(" \t").partition(" ")
        if not _KEY.fullmatch(key):
            raise BadRequest("Upload-Metadata: expected pairs of a key and a value in Base64.")
        quoted = key[:_MAX_QUOTED_LENGTH]
        if key not in FIELDS and key not in _UNUSED:
            raise BadRequest(
                f"Upload-Metadata: no field '{quoted}'; known are {', '.join(FIELDS)}."
            )
        if key in pairs:
            raise BadRequest(f"Upload-Metadata: expected {quoted} once, got it again.")
        pairs[key] = _text(quoted, encoded)
    return {key: value for key, value in pairs.items() if key not in _UNUSED}


def http_date(milliseconds: int) -> str:
    """Milliseconds since 1970 UTC as HTTP writes times."""
    return formatdate(milliseconds / 1000, usegmt=True)


def _text(key: str, encoded: str) -> str:
    value = _decoded(encoded)
    try:
        if value is not None:
            return value.decode()
    except UnicodeDecodeError:
        pass  # the same complaint as about what is no Base64
    raise BadRequest(f"Upload-Metadata: expected {key} as UTF-8 in Base64.")


def _decoded(encoded: str) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return None
