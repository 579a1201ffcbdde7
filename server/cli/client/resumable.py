"""One large file by tus 1.0: whatever breaks, it goes on where the server has it."""

import base64
from collections.abc import AsyncIterator, Callable, Mapping

from server.cli.client.parts import Part, file_pieces
from server.cli.client.patience import Patience
from server.cli.client.problem import Problem
from server.cli.client.session import Answer, Service

_VERSION = {"Tus-Resumable": "1.0.0"}
_STREAM = {"Content-Type": "application/offset+octet-stream"}
_CHUNK_BYTES = 8 * 1024 * 1024  # a proxy that takes no larger body is common
_MOST_METADATA = 7000  # letters; a server takes 8 KiB a header line
_GONE = (403, 404, 410)
_MOST_BEGINNINGS = 3


class Resumable:
    """The sending of one file."""

    def __init__(
        self,
        service: Service,
        patience: Patience,
        file: Part,
        fields: Mapping[str, str],
        *,
        on_bytes: Callable[[int], None],
    ) -> None:
        self._service = service
        self._patience = patience
        self._file = file
        self._metadata = metadata(file.name, fields)
        self._on_bytes = on_bytes
        self._url = ""
        self._offset = 0
        self._job_id: str | None = None
        self._is_offset_known = False

    async def send(self) -> str:
        """The job's id. Raises Problem, OSError or FileChanged."""
        for beginning in range(_MOST_BEGINNINGS):
            self._url = await self._patience.ask(self._begin)
            try:
                while self._job_id is None:
                    await self._patience.ask(self._go_on)
                return self._job_id
            except Problem as problem:
                # Another node, or expired: what is there cannot be gone on with.
                if problem.status not in _GONE or beginning + 1 == _MOST_BEGINNINGS:
                    raise
        raise AssertionError("the last beginning returns or raises")

    async def _begin(self) -> str:
        headers = {
            **_VERSION,
            "Upload-Length": str(self._file.bytes),
            "Upload-Metadata": self._metadata,
        }
        answer = await self._service.ask("POST", "/files", headers=headers)
        self._on_bytes(-self._offset)
        self._offset, self._is_offset_known = 0, True
        return str(answer.headers["Location"])

    async def _go_on(self) -> None:
        """A chunk more; after anything unforeseen the server is asked first how much it has."""
        if not self._is_offset_known:
            self._note(await self._service.ask("HEAD", self._url, headers=_VERSION))
            if self._job_id is not None:
                return
        self._is_offset_known = False
        length = min(_CHUNK_BYTES, self._file.bytes - self._offset)
        headers = {
            **_VERSION,
            **_STREAM,
            "Upload-Offset": str(self._offset),
            "Content-Length": str(length),
        }
        self._note(
            await self._service.ask("PATCH", self._url, headers=headers, body=self._chunk(length))
        )

    async def _chunk(self, length: int) -> AsyncIterator[bytes]:
        async for piece in file_pieces(self._file.path, self._offset, length):
            yield piece

    def _note(self, answer: Answer) -> None:
        try:
            offset = int(answer.headers["Upload-Offset"])
        except (KeyError, ValueError) as error:
            detail = "An answer about a resumable upload named no Upload-Offset."
            raise Problem("not_the_service", "Unexpected answer", detail) from error
        self._on_bytes(offset - self._offset)
        self._offset, self._is_offset_known = offset, True
        self._job_id = answer.headers.get("Safelight-Job-Id")


def is_speakable(name: str, fields: Mapping[str, str]) -> bool:
    """Whether the wish can be said in a header."""
    return len(metadata(name, fields)) <= _MOST_METADATA


def metadata(name: str, fields: Mapping[str, str]) -> str:
    """Upload-Metadata."""
    pairs = {"filename": name, **fields}
    return ",".join(
        f"{key} {base64.b64encode(value.encode(errors='replace')).decode()}"
        for key, value in pairs.items()
    )
