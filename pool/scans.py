"""A progressive JPEG as the list of its scans (ITU-T T.81, annexes B and G); no pixel is read."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BLOCK_SIDE = 8
MOST_SCANS = 64

_START, _END, _PROGRESSIVE, _TABLES, _SCAN = 0xD8, 0xD9, 0xC2, 0xDB, 0xDA
_END_OF_DATA = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

# Row and column of each coefficient in the order of the file.
ZIGZAG = [
    (row, total - row)
    for total in range(2 * BLOCK_SIDE - 1)
    for row in (range(total, -1, -1) if total % 2 == 0 else range(total + 1))
    if row < BLOCK_SIDE and total - row < BLOCK_SIDE
]


class Unlike(Exception):
    """Not a whole progressive JPEG; whether it is a picture, its decoder says."""


@dataclass(frozen=True, slots=True)
class Plane:
    """A component: samples across and down beside the others', and its table's number."""

    across: int
    down: int
    table: int


@dataclass(frozen=True, slots=True)
class Scan:
    """Where it stands in the file, and what it tells: of which coefficients which bits."""

    begin: int
    end: int
    planes: frozenset[int]
    first: int
    last: int
    before: int  # bits that were still missing; 0: it is the first to tell of these coefficients
    after: int  # bits that are missing then

    @property
    def is_refinement(self) -> bool:
        """Whether it only tells further bits of coefficients that are known roughly."""
        return self.before > 0

    def goes_on_from(self, earlier: "Scan") -> bool:
        """Whether it tells more of what the other one told of."""
        is_beside = earlier.last < self.first or self.last < earlier.first
        return earlier.end <= self.begin and bool(earlier.planes & self.planes) and not is_beside


@dataclass(frozen=True, slots=True)
class ProgressiveJpeg:
    """Sides in pixels, components by name, quantisation tables in the order of the file."""

    width: int
    height: int
    planes: dict[int, Plane]
    tables: dict[int, Sequence[int]]
    scans: list[Scan]
    end: int  # of the file's own bytes; more may follow


def read_scans(content: bytes) -> ProgressiveJpeg:
    """Raises Unlike. Sequences as `mmap` gives them do as well as bytes."""
    tables: dict[int, Sequence[int]] = {}
    frame: tuple[int, int, dict[int, Plane]] | None = None
    scans: list[Scan] = []
    try:
        for kind, begin, body, end in _segments(content):
            if kind == _TABLES:
                tables |= _tables(body)
            elif kind == _PROGRESSIVE and frame is None:
                frame = _frame(body)
            elif kind == _SCAN:
                scans.append(_scan(body, begin, end))
            elif kind == _END and frame is not None and _agree(frame[2], tables, scans):
                return ProgressiveJpeg(*frame, tables, scans, end)
    except (IndexError, ValueError) as error:  # cut off within a segment
        raise Unlike from error
    raise Unlike


def _segments(content: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    """Kind, begin, body and end of each, a scan with its data; the last one is the file's end."""
    if content[:2] != bytes((0xFF, _START)):
        raise Unlike
    at, scans = 2, 0
    while scans <= MOST_SCANS:
        begin, kind = at, content[at + 1]
        if content[at] != 0xFF:
            raise Unlike
        if kind == _END:
            yield kind, begin, b"", begin + 2
            return
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
        body = content[begin + 4 : at]
        if kind == _SCAN:
            scans += 1
            found = _END_OF_DATA.search(content, at)
            if found is None:
                raise Unlike
            at = found.start()
        yield kind, begin, body, at
    raise Unlike


def _tables(body: bytes) -> dict[int, Sequence[int]]:
    """Of one or two bytes a value (B.2.4.1)."""
    found: dict[int, Sequence[int]] = {}
    while body:
        each, name = 1 + (body[0] >> 4), body[0] & 15
        values, body = body[1 : 1 + 64 * each], body[1 + 64 * each :]
        if len(values) != 64 * each:
            raise Unlike
        found[name] = [int.from_bytes(values[at : at + each]) for at in range(0, 64 * each, each)]
    return found


def _frame(body: bytes) -> tuple[int, int, dict[int, Plane]]:
    """Width, height and components (B.2.2)."""
    precision, count = body[0], body[5]
    height, width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
    parts = [body[at : at + 3] for at in range(6, 6 + 3 * count, 3)]
    planes = {name: Plane(ratio >> 4, ratio & 15, table) for name, ratio, table in parts}
    if precision != 8 or not width or not height:
        raise Unlike
    if not all(plane.across and plane.down for plane in planes.values()):
        raise Unlike
    return width, height, planes


def _scan(body: bytes, begin: int, end: int) -> Scan:
    """Components, coefficients from and to, bits before and after (B.2.3)."""
    count = body[0]
    first, last, bits = body[1 + 2 * count : 4 + 2 * count]
    if last >= BLOCK_SIDE**2 or (first > 0 and count != 1):
        raise Unlike
    return Scan(
        begin, end, frozenset(body[1 : 1 + 2 * count : 2]), first, last, bits >> 4, bits & 15
    )


def _agree(planes: dict[int, Plane], tables: dict[int, Sequence[int]], scans: list[Scan]) -> bool:
    return all(plane.table in tables for plane in planes.values()) and all(
        scan.planes <= planes.keys() for scan in scans
    )
