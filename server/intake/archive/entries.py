"""What is in a ZIP, checked before a byte of it is unpacked. Everything here blocks: use a thread.

The central directory is what counts, as for every program that opens an archive; local headers and
the sizes in them are not believed. Python's zipfile returns no byte more than the directory says,
so limits that hold for the directory hold for the bytes.
"""

import errno
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from server.config.sections import ArchiveSettings
from server.refusals import ArchiveBroken, ArchiveUnsafe, EntryRefused, Refusal

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_MAGIC = b"PK\x03\x04"
_MAGICS = (_LOCAL_MAGIC, b"PK\x05\x06")  # the second: an archive of nothing
_ENCRYPTED, _STRONGLY_ENCRYPTED = 0x1, 0x40
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What one entry may cost in the directory, on the average: its names, comment and extra fields.
_DIRECTORY_BYTES_PER_ENTRY = 512
_LEAST_DIRECTORY_BYTES = 1024 * 1024
# What so little unpacks to harms nobody, whatever the ratio.
_RATIO_MATTERS_BYTES = 16 * 1024 * 1024


class _NoSuchPlace(OSError):
    """A place before the beginning of the file."""


# What zipfile raises for an archive that is none, beside BadZipFile: it trusts numbers it reads.
_BROKEN = (
    *(zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError),
    *(struct.error, EOFError, zlib.error, _NoSuchPlace),
)


def looks_like_zip(begin: bytes) -> bool:
    """By its first four bytes."""
    return begin.startswith(_MAGICS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive, by the name in it; `refusal` says why it cannot be unpacked."""

    name: str
    bytes: int
    info: zipfile.ZipInfo
    refusal: Refusal | None


class Archive:
    """An open ZIP whose entries can be read one after the other."""

    def __init__(self, packed: zipfile.ZipFile, entries: list[Entry]) -> None:
        self.entries = entries
        self._packed = packed

    def open(self, entry: Entry) -> IO[bytes]:
        """Its bytes as a file. Raises EntryRefused."""
        with reading(entry):
            return self._packed.open(entry.info)


@contextmanager
def opened(path: Path, settings: ArchiveSettings) -> Iterator[Archive]:
    """Open an archive and check it whole. Raises ArchiveBroken, ArchiveUnsafe."""
    most_bytes = max(_LEAST_DIRECTORY_BYTES, settings.max_entries * _DIRECTORY_BYTES_PER_ENTRY)
    with _Measured(path, most_bytes) as file:
        with _unbroken():
            packed = zipfile.ZipFile(file)
        with packed:
            infos = packed.infolist()
            _refuse_bomb(infos, path.stat().st_size, settings)
            with _unbroken():
                _refuse_overlap(file, infos, packed.start_dir)
            entries = [_entry(info) for info in infos if not _is_beside_the_point(info)]
            yield Archive(packed, entries)


@contextmanager
def reading(entry: Entry) -> Iterator[None]:
    """Around every read of an entry: damage is said once, in our words."""
    try:
        yield
    except _BROKEN as error:
        raise EntryRefused("It cannot be unpacked: the archive is damaged here.") from error


class _Measured(io.FileIO):
    """zipfile reads a directory as large as the archive says, in one piece; not more than this."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        super().__init__(path, "rb")
        self._most_bytes = most_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most_bytes:
            raise ArchiveUnsafe(
                f"Its directory may have {self._most_bytes} bytes.",
                limit=self._most_bytes,
                actual=size,
            )
        return super().read(-1 if size is None else size) or b""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        try:
            return super().seek(offset, whence)
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise _NoSuchPlace(offset) from error
            raise


@contextmanager
def _unbroken() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise ArchiveBroken("Its directory cannot be read; is it a whole ZIP file?") from error


def _refuse_bomb(infos: list[zipfile.ZipInfo], packed: int, settings: ArchiveSettings) -> None:
    unpacked = sum(info.file_size for info in infos)
    for actual, limit, wanted in (
        (len(infos), settings.max_entries, "An archive may have {} entries."),
        (unpacked, settings.max_unpacked_bytes, "An archive may unpack to {} bytes."),
    ):
        if actual > limit:
            raise ArchiveUnsafe(wanted.format(limit), limit=limit, actual=actual)
    if unpacked > max(_RATIO_MATTERS_BYTES, packed * settings.max_ratio):
        raise ArchiveUnsafe(
            f"An archive may unpack to {settings.max_ratio} times its bytes.",
            limit=packed * settings.max_ratio,
            actual=unpacked,
        )


def _refuse_overlap(file: io.FileIO, infos: list[zipfile.ZipInfo], directory_at: int) -> None:
    """Entries that share bytes unpack to more than any ratio tells.

    https://www.bamsoftware.com/hacks/zipbomb/
    """
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < 0:
            raise ArchiveBroken("Its beginning is missing.")
        if info.header_offset < end:
            raise ArchiveUnsafe("Its entries overlap.")
        file.seek(info.header_offset)
        magic, name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        if magic != _LOCAL_MAGIC:
            raise ArchiveBroken("An entry is not where its directory says.")
        begin = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        end = begin + info.compress_size
    if end > directory_at:
        raise ArchiveUnsafe("Its entries overlap.")


def _is_beside_the_point(info: zipfile.ZipInfo) -> bool:
    """Folders, links, and what file managers put into archives: passed over, not refused."""
    path = PurePosixPath(info.filename.replace("\\", "/"))
    kind = stat.S_IFMT(info.external_attr >> 16)
    return (
        info.is_dir()
        or kind not in (0, stat.S_IFREG)
        or "__MACOSX" in path.parts
        or path.name.startswith(".")
    )


def _entry(info: zipfile.ZipInfo) -> Entry:
    return Entry(info.filename, info.file_size, info, _refusal(info))


def _refusal(info: zipfile.ZipInfo) -> Refusal | None:
    if info.flag_bits & (_ENCRYPTED | _STRONGLY_ENCRYPTED):
        return EntryRefused("It is encrypted; pack it without a password.")
    if info.compress_type not in _METHODS:
        return EntryRefused("It is packed by a rare method; use Deflate or none.")
    return None
