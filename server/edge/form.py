"""Reads an upload request: multipart with `file` parts and fields, or the picture as raw body.

Nothing is held whole but small fields; pictures go to the spool as they come.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson
from aiohttp import BodyPartReader, MultipartReader, web

from pool import Recipe, RecipeError, parse_recipe
from server.config import Settings
from server.intake.upload import Upload
from server.refusals import (
    BadOptions,
    BadRequest,
    CutShort,
    NoFile,
    TooLarge,
    TooManyFiles,
    UnsupportedMedia,
)

_CHUNK_BYTES = 128 * 1024
_FIELDS = ("options", "preset")
_MAX_NAME_LENGTH = 255


@dataclass(slots=True)
class Form:
    """The fields beside the pictures, as text."""

    fields: dict[str, str] = field(default_factory=dict)

    def recipe(self, settings: Settings) -> Recipe:
        """The recipe that `options` or `preset` ask for; neither: the default recipe."""
        options, preset = self.fields.get("options"), self.fields.get("preset")
        if options is not None and preset is not None:
            raise BadOptions("Give options or preset, not both.")
        if preset is not None:
            return _preset(preset, settings)
        return _recipe(options if options is not None else "{}")


def refuse_too_large(request: web.Request, settings: Settings) -> None:
    """Refuse by the declared length, before any of the body is read."""
    limit = settings.upload.max_request_bytes
    if not request.content_type.startswith("multipart/"):
        limit = settings.upload.max_upload_bytes
    declared = request.content_length
    if declared is not None and declared > limit:
        raise TooLarge(
            f"At most {limit} bytes are taken, {declared} were announced.",
            limit=limit,
            actual=declared,
        )


async def read_form(request: web.Request, upload: Upload, settings: Settings) -> Form:
    """Bring every picture of the request into the upload and return the fields."""
    refuse_too_large(request, settings)
    if request.content_type == "multipart/form-data":
        form = await _read_multipart(request, upload, settings)
    elif request.content_type.startswith("image/") or "Content-Type" not in request.headers:
        form = Form({name: request.query[name] for name in _FIELDS if name in request.query})
        name = unquote(request.headers.get("X-File-Name", "")) or request.query.get("name", "")
        await upload.receive(_clean(name) or "picture", _raw_chunks(request))
    else:
        raise UnsupportedMedia(
            "Send multipart/form-data with a part named 'file', or the picture itself with a"
            f" Content-Type of image/…; got {request.content_type}."
        )
    if upload.seen == 0:
        raise NoFile("Expected at least one part named 'file' with a picture in it.")
    return form


async def _read_multipart(request: web.Request, upload: Upload, settings: Settings) -> Form:
    form = Form()
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, MultipartReader):
                raise BadRequest("Nested multipart bodies are not taken.")
            await _read_part(part, form, upload, settings)
    except ValueError as error:  # aiohttp's word for a body that is not multipart
        raise BadRequest(f"The multipart body is not well formed: {error}") from error
    except ConnectionError as error:
        raise CutShort("The connection ended before the body did.") from error
    if not request.content.is_eof() and not reader.at_eof():
        raise CutShort("The body ended before its closing boundary.")
    return form


async def _read_part(part: BodyPartReader, form: Form, upload: Upload, settings: Settings) -> None:
    if part.name == "file":
        limit = settings.upload.max_files
        if upload.seen >= limit:
            raise TooManyFiles(
                f"One request may bring {limit} files; send the rest in another.",
                limit=limit,
                actual=upload.seen + 1,
            )
        await upload.receive(_clean(part.filename or "") or "picture", _part_chunks(part))
    elif part.name in _FIELDS:
        form.fields[part.name] = await _read_field(part, settings.upload.max_options_bytes)
    else:
        known = ", ".join(("file", *_FIELDS))
        raise BadRequest(f"There is no field '{part.name}'; known are {known}.")


async def _read_field(part: BodyPartReader, limit: int) -> str:
    content = bytearray()
    async for chunk in _part_chunks(part):
        content += chunk
        if len(content) > limit:
            raise TooLarge(f"{part.name} may have {limit} bytes.", limit=limit, actual=len(content))
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"{part.name}: expected text in UTF-8.") from error


async def _part_chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        yield bytes(chunk)


async def _raw_chunks(request: web.Request) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
        yield chunk


def _clean(name: str) -> str:
    """A file name for people to read: never a path, never longer than a file name may be."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(letter for letter in last if letter.isprintable()).strip()
    return printable[:_MAX_NAME_LENGTH]


def _recipe(text: str) -> Recipe:
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadOptions(f"options: expected a JSON object, got something else: {error}") from error
    try:
        return parse_recipe(value)
    except RecipeError as error:
        raise BadOptions(error.detail) from error


def _preset(name: str, settings: Settings) -> Recipe:
    preset = settings.presets.get(name)
    if preset is None:
        known = ", ".join(settings.presets) or "none"
        raise BadOptions(f"preset: expected one of {known}; got '{name}'.")
    return preset
