"""Which pictures go to the server in one request."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from server.cli.sending.pictures import Picture, Unreadable

# Small enough that one is under way while the next is read, and to be sent again if it must be.
MOST_FILES, MOST_BYTES = 16, 32 * 1024 * 1024
MOST_URLS = 100
# From here on a cut costs more than the three requests that a resumable upload takes.
LARGE_BYTES = 8 * 1024 * 1024


class Way(Enum):
    """How a group goes."""

    FORM = "form"  # POST /upload
    RESUMABLE = "resumable"  # tus
    URLS = "urls"  # POST /process


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures of one request."""

    way: Way
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the server takes: pictures in a request, URLs in a request, bytes of a picture."""

    max_files: int
    max_urls: int
    max_upload_bytes: int


def groups(found: Iterable[Picture | Unreadable], bounds: Bounds) -> Iterator[Group | Unreadable]:
    """All of them, in their order but for those that wait until their group is full."""
    files = _Gathering(Way.FORM, min(MOST_FILES, bounds.max_files))
    urls = _Gathering(Way.URLS, min(MOST_URLS, bounds.max_urls))
    for one in found:
        if isinstance(one, Unreadable):
            yield one
        elif one.url:
            yield from urls.take(one)
        elif one.is_archive:
            yield Group(Way.FORM, (one,))
        elif one.bytes > bounds.max_upload_bytes:
            limit = f"the server takes {bounds.max_upload_bytes} bytes a picture"
            yield Unreadable(one.source, f"it has {one.bytes} bytes; {limit}")
        elif one.bytes >= LARGE_BYTES:
            yield Group(Way.RESUMABLE, (one,))
        else:
            yield from files.take(one)
    yield from files.rest()
    yield from urls.rest()


class _Gathering:
    """A group that is not full yet."""

    def __init__(self, way: Way, most: int) -> None:
        self._way = way
        self._most = most
        self._pictures: list[Picture] = []

    def take(self, picture: Picture) -> Iterator[Group]:
        """One more; yields the group that it fills, or for which it is too much."""
        size = sum(one.bytes for one in self._pictures) + picture.bytes
        # The server tells of pictures by their names.
        is_twin = any(one.name == picture.name for one in self._pictures) and not picture.url
        if size > MOST_BYTES or is_twin:
            yield from self.rest()
        self._pictures.append(picture)
        if len(self._pictures) == self._most:
            yield from self.rest()

    def rest(self) -> Iterator[Group]:
        """What there is, if anything."""
        if self._pictures:
            yield Group(self._way, tuple(self._pictures))
            self._pictures = []
