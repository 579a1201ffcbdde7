"""The bytes of a ZIP around files that are stored as they are, in one pass and without going back.

Every local header has the true size and CRC, so that programs that read a ZIP as it comes can read
this one: a data descriptor behind a stored file would leave them without its length.
Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

import struct
from datetime import UTC, datetime

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")

_UTF8_NAME = 0x800
_STORED = 0
_VERSION, _VERSION_64 = 20, 45
_UNIX = 3 << 8
_ORDINARY_FILE = 0o100644 << 16
# A field that is full says: look into the extra field for 64 bits.
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF
_EXTRA_64 = 1


class ZipFile:
    """Headers in front of each file, and the directory behind all of them."""

    def __init__(self) -> None:
        self._written = 0
        self._count = 0
        self._directory = bytearray()

    def begin(self, name: str, *, size: int, crc: int, written_ms: int) -> bytes:
        """What stands before a file of `size` bytes, which must follow. Time: ms since 1970 UTC."""
        encoded, (date, time) = name.encode(), _dos_time(written_ms)
        offset = self._written
        sizes = [size, size] if size >= _FULL_32 else []
        extra = _extra_64(sizes)
        shown = _FULL_32 if sizes else size
        common = (_UTF8_NAME, _STORED, time, date, crc, shown, shown, len(encoded))
        version = _VERSION_64 if sizes else _VERSION
        header = _LOCAL.pack(b"PK\x03\x04", version, *common, len(extra)) + encoded + extra
        self._written += len(header) + size
        self._note(encoded, common, sizes, offset)
        return header

    def end(self) -> bytes:
        """The directory, which makes it a ZIP."""
        at, length, count = self._written, len(self._directory), self._count
        end = bytes(self._directory)
        if at >= _FULL_32 or length >= _FULL_32 or count >= _FULL_16:
            version = _UNIX | _VERSION_64
            end += _END_64.pack(
                b"PK\x06\x06", 44, version, _VERSION_64, 0, 0, count, count, length, at
            )
            end += _LOCATOR_64.pack(b"PK\x06\x07", 0, at + length, 1)
        count = min(count, _FULL_16)
        length, at = min(length, _FULL_32), min(at, _FULL_32)
        return end + _END.pack(b"PK\x05\x06", 0, 0, count, count, length, at, 0)

    def _note(self, name: bytes, common: tuple[int, ...], sizes: list[int], offset: int) -> None:
        wide = [*sizes, offset] if offset >= _FULL_32 else sizes
        extra = _extra_64(wide)
        version = _VERSION_64 if wide else _VERSION
        shown = min(offset, _FULL_32)
        self._directory += _CENTRAL.pack(
            *(b"PK\x01\x02", _UNIX | version, version, *common),
            *(len(extra), 0, 0, 0, _ORDINARY_FILE, shown),
        )
        self._directory += name + extra
        self._count += 1


def _extra_64(values: list[int]) -> bytes:
    """What does not fit in 32 bits, in the order of the fields that it stands for."""
    if not values:
        return b""
    return struct.pack(f"<HH{len(values)}Q", _EXTRA_64, 8 * len(values), *values)


def _dos_time(milliseconds: int) -> tuple[int, int]:
    """Date and time in UTC as a ZIP has them: from 1980 on, in steps of two seconds."""
    when = datetime.fromtimestamp(max(milliseconds / 1000, 315_532_800), UTC)
    date = (when.year - 1980) << 9 | when.month << 5 | when.day
    return date, when.hour << 11 | when.minute << 5 | when.second // 2
