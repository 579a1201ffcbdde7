"""Unfinished resumable uploads on disk: the bytes so far, and a note beside them.

The note is the truth: bytes beyond its offset do not count and are cut off before more come. A note
is written aside, synced and renamed after the bytes it speaks of were synced, so that whatever is
killed at whatever moment, the offset that a client was told is on disk.
"""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Self

import orjson
import structlog

log = structlog.get_logger(__name__)

_NOTE = ".json"
_ASIDE = ".new"
_ID = re.compile(r"[a-z2-7]{24}")


@dataclass(frozen=True, slots=True)
class Resumable:
    """One unfinished upload; its id is that of the job it will be. Sizes in bytes, times in ms."""

    upload_id: str
    name: str
    client: str
    length: int
    offset: int
    recipe: str
    private: bool
    expires_in_s: int | None
    metadata: str
    """Upload-Metadata as the client wrote it, which wants it back."""
    expires_ms: int
    callback_url: str = ""

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read a note. Raises ValueError or TypeError when it is none of ours."""
        fields: dict[str, Any] = orjson.loads(text)
        return cls(**fields)

    def to_json(self) -> bytes:
        """The note."""
        return orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE)

    @property
    def is_complete(self) -> bool:
        """Whether all of its bytes are there."""
        return self.offset == self.length

    @property
    def missing_bytes(self) -> int:
        """How many bytes have still to come."""
        return self.length - self.offset

    @property
    def is_expired(self) -> bool:
        """Whether nothing came for too long."""
        return now_ms() >= self.expires_ms

    def at(self, offset: int, *, expires_ms: int) -> Self:
        """The same upload with more, or fewer, of its bytes."""
        return replace(self, offset=offset, expires_ms=expires_ms)


class Shelf:
    """The folder of unfinished uploads. Every method blocks; call them in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._finished = folder / "finished"

    def data_path(self, upload_id: str) -> Path:
        """Where the bytes of an upload lie."""
        return self._folder / upload_id

    def load(self) -> list[Resumable]:
        """After a start: every upload that has note and bytes; what has only one is removed."""
        self._finished.mkdir(parents=True, exist_ok=True)
        found = {upload.upload_id: upload for upload in self._notes()}
        for path in self._folder.iterdir():
            if path.name.removesuffix(_NOTE) not in found and path != self._finished:
                path.unlink()
        return list(found.values())

    def create(self, upload: Resumable) -> None:
        """Begin an upload: it exists from the moment its note does."""
        self.data_path(upload.upload_id).touch(exist_ok=False)
        self.note(upload)

    def note(self, upload: Resumable) -> None:
        """Write down how an upload stands; when this returns it survives a crash."""
        path = self._note_path(upload.upload_id)
        aside = path.with_suffix(path.suffix + _ASIDE)
        with aside.open("wb") as file:
            file.write(upload.to_json())
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        self._sync_folder()

    def open(self, upload: Resumable) -> BinaryIO:
        """The bytes, cut off at the offset that counts, to write on there."""
        file = self.data_path(upload.upload_id).open("r+b", buffering=0)
        try:
            file.truncate(upload.offset)
            file.seek(upload.offset)
        except BaseException:
            file.close()
            raise
        return file

    def finish(self, upload_id: str) -> None:
        """The upload is a job: its bytes go, its note is kept apart for those who ask again."""
        self._note_path(upload_id).replace(self._finished / f"{upload_id}{_NOTE}")
        self._sync_folder()
        self.data_path(upload_id).unlink(missing_ok=True)

    def finished(self, upload_id: str) -> Resumable | None:
        """An upload that has become a job; None: it never did, or long ago."""
        if not _ID.fullmatch(upload_id):
            return None
        try:
            return Resumable.from_json((self._finished / f"{upload_id}{_NOTE}").read_bytes())
        except FileNotFoundError:
            return None

    def forget_finished(self, *, older_than_s: float) -> None:
        """Remove the notes of uploads that were finished so long ago."""
        limit = time.time() - older_than_s
        for entry in os.scandir(self._finished):
            if entry.stat().st_mtime < limit:
                Path(entry.path).unlink()

    def remove(self, upload_id: str) -> None:
        """Forget an upload, the note first: a crash between leaves bytes that nobody knows."""
        self._note_path(upload_id).unlink(missing_ok=True)
        self._sync_folder()
        self.data_path(upload_id).unlink(missing_ok=True)

    def _notes(self) -> Iterator[Resumable]:
        for path in self._folder.glob(f"*{_NOTE}"):
            try:
                upload = Resumable.from_json(path.read_bytes())
                size = self.data_path(upload.upload_id).stat().st_size
            except (ValueError, TypeError, FileNotFoundError) as error:
                log.warning("an unfinished upload cannot be read", note=path.name, error=str(error))
                continue
            if size < upload.offset or path != self._note_path(upload.upload_id):
                log.error("an unfinished upload has lost bytes", note=path.name, bytes=size)
                continue
            yield upload

    def _note_path(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}{_NOTE}"

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def now_ms() -> int:
    """Milliseconds since 1970 UTC: an expiry must survive a restart."""
    return time.time_ns() // 1_000_000
