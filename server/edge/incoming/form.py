"""Reads an upload request: multipart with `file` parts and fields, or the picture as raw body.

Nothing is held whole but small fields; pictures go to the spool as they come.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import unquote

import orjson
from aiohttp import BodyPartReader, MultipartReader, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from pool import Recipe, RecipeError
from server.config import Settings
from server.edge.body import Body
from server.edge.incoming import keeping
from server.intake.archive.unpack import ZIP_TYPES, Archives, told_apart
from server.intake.file_name import clean_name
from server.intake.upload import Upload
from server.jobs.recipes import recipe_of
from server.jobs.source import Source
from server.refusals import (
    BadOptions,
    BadRequest,
    NoFile,
    PresetsOnly,
    TooLarge,
    TooManyFiles,
    UnsupportedMedia,
)

_CHUNK_BYTES = 128 * 1024
_FIELDS = ("options", "preset", *keeping.FIELDS)
_MAX_QUOTED_LENGTH = 40


@dataclass(slots=True)
class Form:
    """The fields beside the pictures, as text."""

    fields: dict[str, str] = field(default_factory=dict)

    def recipe(self, settings: Settings) -> Recipe:
        """The recipe that `options` or `preset` ask for; neither: the default recipe."""
        options, preset = self.fields.get("options"), self.fields.get("preset")
        if settings.recipes.presets_only and preset is None:
            raise PresetsOnly(f"Name a preset, one of {_known(settings)}; options are not taken.")
        if options is not None and preset is not None:
            raise BadOptions("Give options or preset, not both.")
        if preset is not None:
            return _preset(preset, settings)
        return _recipe(options if options is not None else "{}")


def refuse_too_large(request: web.Request, settings: Settings) -> None:
    """Refuse by the declared length, before any of the body is read."""
    limit = _max_body_bytes(request, settings)
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
    body = Body(
        request.content,
        max_bytes=_max_body_bytes(request, settings),
        stall_timeout_s=settings.upload.stall_timeout_s,
    )
    archives = Archives(upload, settings.archive, settings.upload)
    media_type = _media_type(request)
    if media_type == "multipart/form-data":
        form = await _read_multipart(request, body, archives, settings)
    elif media_type in ZIP_TYPES:
        form = _read_query(request)
        await archives.receive(_raw_chunks(body))
    elif media_type.startswith("image/") or not media_type:
        form = await _read_raw(request, body, upload)
    else:
        raise UnsupportedMedia(
            "Send multipart/form-data with a part named 'file', the picture itself with a"
            f" Content-Type of image/…, or a ZIP of pictures as application/zip; got {media_type}."
        )
    if upload.seen == 0:
        raise NoFile("Expected at least one part named 'file' with a picture in it.")
    return form


async def _read_raw(request: web.Request, body: Body, upload: Upload) -> Form:
    form = _read_query(request)
    name = unquote(request.headers.get("X-File-Name", "")) or request.query.get("name", "")
    await upload.receive(clean_name(name) or "picture", _raw_chunks(body), source=Source.RAW)
    return form


def _read_query(request: web.Request) -> Form:
    for name in request.query:
        _refuse_unknown(name, known=(*_FIELDS, "name"))
    return Form({name: request.query[name] for name in _FIELDS if name in request.query})


async def _read_multipart(
    request: web.Request, body: Body, archives: Archives, settings: Settings
) -> Form:
    if request.query:
        raise BadRequest("With multipart/form-data every field is a part; got a query, too.")
    form = Form()
    with _well_formed():  # Body is no StreamReader, but has every method that the reader calls
        reader = MultipartReader(request.headers, cast(StreamReader, body))
    while (part := await _next_part(reader)) is not None:
        body.next_part()
        if isinstance(part, MultipartReader):
            raise BadRequest("Nested multipart bodies are not taken.")
        await _read_part(part, form, archives, settings)
    return form


async def _next_part(reader: MultipartReader) -> MultipartReader | BodyPartReader | None:
    with _well_formed():
        return await reader.next()


async def _read_part(
    part: BodyPartReader, form: Form, archives: Archives, settings: Settings
) -> None:
    if part.name == "file":
        upload, limit = archives.upload, settings.upload.max_files
        if upload.seen >= limit:
            raise TooManyFiles(
                f"One request may bring {limit} files; send the rest in another.",
                limit=limit,
                actual=upload.seen + 1,
            )
        is_zip, chunks = await told_apart(_part_chunks(part))
        if is_zip:
            await archives.receive(chunks)
        else:
            await upload.receive(clean_name(part.filename or "") or "picture", chunks)
    elif part.name in _FIELDS:
        if part.name in form.fields:
            raise BadRequest(f"{part.name}: expected it once, got it again.")
        form.fields[part.name] = await _read_field(part, settings.upload.max_options_bytes)
    else:
        _refuse_unknown(part.name or "", known=("file", *_FIELDS))


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
    while True:
        with _well_formed():
            chunk = await part.read_chunk(_CHUNK_BYTES)
        if not chunk:
            return
        yield bytes(chunk)


async def _raw_chunks(body: Body) -> AsyncIterator[bytes]:
    while chunk := await body.read(_CHUNK_BYTES):
        yield chunk


@contextmanager
def _well_formed() -> Iterator[None]:
    """aiohttp has many words for a body that is not multipart; the client gets one sentence."""
    try:
        yield
    except (ValueError, RuntimeError, HttpProcessingError) as error:
        raise BadRequest(
            "The multipart body is not well formed: a boundary or the head of a part is missing,"
            " broken or too long."
        ) from error


def _max_body_bytes(request: web.Request, settings: Settings) -> int:
    media_type = _media_type(request)
    if media_type.startswith("multipart/") or media_type in ZIP_TYPES:
        return settings.upload.max_request_bytes
    return settings.upload.max_upload_bytes


def _media_type(request: web.Request) -> str:
    """request.content_type would parse the header as an e-mail's, anew each time: 1 ms of CPU."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _refuse_unknown(name: str, *, known: Sequence[str]) -> None:
    """A field that is misspelled must not become a wish that is silently ignored."""
    if name not in known:
        quoted = name[:_MAX_QUOTED_LENGTH]
        raise BadRequest(f"There is no field '{quoted}'; known are {', '.join(known)}.")


def _recipe(text: str) -> Recipe:
    try:
        return recipe_of(text)
    except orjson.JSONDecodeError as error:
        raise BadOptions(f"options: expected a JSON object, got something else: {error}") from error
    except RecipeError as error:
        raise BadOptions(error.detail) from error


def _preset(name: str, settings: Settings) -> Recipe:
    preset = settings.presets.get(name)
    if preset is None:
        quoted = name[:_MAX_QUOTED_LENGTH]
        raise BadOptions(f"preset: expected one of {_known(settings)}; got '{quoted}'.")
    return preset


def _known(settings: Settings) -> str:
    return ", ".join(settings.presets) or "none"
