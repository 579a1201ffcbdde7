"""A ZIP of pictures on its way in: saved, checked whole, and each of its files received alone.

It is saved first, since what is in a ZIP stands at its end. Read as a stream, its local headers
would have to be believed, and they may say something else than the directory does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import IO

import aiofiles

from server.config.sections import ArchiveSettings, UploadSettings
from server.intake.archive.entries import Archive, Entry, looks_like_zip, opened, reading
from server.intake.file_name import clean_name
from server.intake.upload import Refused, Upload
from server.jobs.source import Source
from server.refusals import ArchiveUnsafe, EntryRefused, NoFile, TooLarge, TooManyFiles

ZIP_TYPES = ("application/zip", "application/x-zip-compressed")
"""The second is what browsers on Windows say."""

_CHUNK_BYTES = 256 * 1024
_BLOCK_BYTES = 1024 * 1024
_MAGIC_BYTES = 4


class Archives:
    """The archives of one request; their limits count for all of them together."""

    def __init__(self, upload: Upload, settings: ArchiveSettings, limits: UploadSettings) -> None:
        self.upload = upload
        self._settings = settings
        self._max_files = limits.max_files
        self._max_file_bytes = limits.max_upload_bytes
        self._unpacked_bytes = 0

    async def receive(self, chunks: AsyncIterator[bytes]) -> None:
        """Bring every file of one archive into the upload; `refused` keeps what is wrong with one.

        Raises ArchiveBroken, ArchiveUnsafe, NoFile, TooManyFiles for the archive as a whole.
        """
        async with self.upload.workdir() as folder:
            path = folder / "archive"
            await self._save(path, chunks)
            async with AsyncExitStack() as stack:
                opening = opened(path, self._settings)
                archive = await asyncio.to_thread(opening.__enter__)
                stack.push_async_callback(asyncio.to_thread, opening.__exit__, None, None, None)
                self._refuse_too_many(archive)
                self.upload.is_archive = True
                for entry in archive.entries:
                    await self._receive_entry(archive, entry)

    async def _save(self, path: Path, chunks: AsyncIterator[bytes]) -> None:
        """How much may come is the request's own limit; how much fits is asked as it comes."""
        block = bytearray()
        async with aiofiles.open(path, "xb") as file:
            async for chunk in chunks:
                block += chunk
                if len(block) >= _BLOCK_BYTES:
                    self.upload.refuse_if_low()
                    await file.write(block)
                    block = bytearray()
            await file.write(block)

    def _refuse_too_many(self, archive: Archive) -> None:
        files = len(archive.entries)
        if not files:
            raise NoFile("Expected an archive with at least one file in it.")
        if self.upload.seen + files > self._max_files:
            raise TooManyFiles(
                f"One request may bring {self._max_files} files; send the rest in another.",
                limit=self._max_files,
                actual=self.upload.seen + files,
            )
        unpacked = sum(entry.bytes for entry in archive.entries)
        self._unpacked_bytes += unpacked
        limit = self._settings.max_unpacked_bytes
        if self._unpacked_bytes > limit:
            raise ArchiveUnsafe(
                f"The archives of one request may unpack to {limit} bytes.",
                limit=limit,
                actual=self._unpacked_bytes,
            )
        self.upload.refuse_if_low(unpacked)

    async def _receive_entry(self, archive: Archive, entry: Entry) -> None:
        name = clean_name(entry.name) or "picture"
        try:
            self._refuse_entry(entry)
            file = await asyncio.to_thread(archive.open, entry)
            with file:
                await self.upload.receive(name, _unpacked(entry, file), source=Source.ZIP)
        except (EntryRefused, TooLarge) as refusal:
            self.upload.refused.append(Refused(name, refusal))

    def _refuse_entry(self, entry: Entry) -> None:
        if entry.refusal is not None:
            raise entry.refusal
        if entry.bytes > self._max_file_bytes:
            raise TooLarge(
                f"A picture may have {self._max_file_bytes} bytes.",
                limit=self._max_file_bytes,
                actual=entry.bytes,
            )


async def told_apart(chunks: AsyncIterator[bytes]) -> tuple[bool, AsyncIterator[bytes]]:
    """Whether a file is a ZIP, by its first bytes, and all of its bytes again."""
    begin = b""
    while len(begin) < _MAGIC_BYTES and (chunk := await anext(chunks, b"")):
        begin += chunk
    return looks_like_zip(begin), _chained(begin, chunks)


async def _chained(begin: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if begin:
        yield begin
        async for chunk in rest:
            yield chunk


async def _unpacked(entry: Entry, file: IO[bytes]) -> AsyncIterator[bytes]:
    is_first = True
    while True:
        with reading(entry):
            chunk = await asyncio.to_thread(file.read, _CHUNK_BYTES)
        if is_first and looks_like_zip(chunk):
            raise EntryRefused("It is an archive itself; send it alone.")
        if not chunk:
            return
        is_first = False
        yield chunk
