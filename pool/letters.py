"""Whole messages of any length over a pipe: the child waits for them, the parent never does.

A child is not trusted: what it announces as longer than it may be ends the reading.
"""

import asyncio
import os
import struct
from collections.abc import Iterator

LENGTH = struct.Struct("=I")
PIECE_BYTES = 256 * 1024


class LetterTooLong(Exception):
    """The other side announced more bytes than it may send."""


class Outbox:
    """The parent's end towards a child; what the pipe has no room for goes when it has."""

    def __init__(self, descriptor: int, loop: asyncio.AbstractEventLoop) -> None:
        self._descriptor = descriptor
        self._loop = loop
        self._left = bytearray()
        self._is_waiting = False

    def send(self, content: bytes) -> None:
        """To a child that is gone it is lost, and its end is noticed elsewhere."""
        self._left += LENGTH.pack(len(content)) + content
        if not self._is_waiting:
            self._push()

    def close(self) -> None:
        """Send no more; call it before the descriptor is closed."""
        if self._is_waiting:
            self._loop.remove_writer(self._descriptor)
            self._is_waiting = False

    def _push(self) -> None:
        try:
            del self._left[: os.write(self._descriptor, self._left)]
        except BlockingIOError:
            pass  # its room is waited for below
        except BrokenPipeError:
            self._left.clear()
        if self._left and not self._is_waiting:
            self._loop.add_writer(self._descriptor, self._push)
            self._is_waiting = True
        elif not self._left:
            self.close()


class Inbox:
    """The parent's end from a child."""

    def __init__(self, descriptor: int, *, longest_bytes: int) -> None:
        self._descriptor = descriptor
        self._longest_bytes = longest_bytes
        self._held = bytearray()

    def take(self) -> list[bytes] | None:
        """What has come whole by now; None when the child is gone. Raises LetterTooLong."""
        try:
            piece = os.read(self._descriptor, PIECE_BYTES)
        except BlockingIOError:
            return []
        if not piece:
            return None
        self._held += piece
        return list(self._whole())

    def _whole(self) -> Iterator[bytes]:
        while len(self._held) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._held)
            if length > self._longest_bytes:
                raise LetterTooLong(f"{length} bytes announced, {self._longest_bytes} are allowed")
            end = LENGTH.size + length
            if len(self._held) < end:
                return
            yield bytes(self._held[LENGTH.size : end])
            del self._held[:end]


def wait_for_letter(descriptor: int) -> bytes | None:
    """The next one, for a child that has nothing else to do; None when the parent is gone."""
    head = _exactly(descriptor, LENGTH.size)
    return None if head is None else _exactly(descriptor, LENGTH.unpack(head)[0])


def write_letter(descriptor: int, content: bytes) -> None:
    """All of it, however long that takes. Raises BrokenPipeError when the parent is gone."""
    left = memoryview(LENGTH.pack(len(content)) + content)
    while left:
        left = left[os.write(descriptor, left) :]


def _exactly(descriptor: int, length: int) -> bytes | None:
    held = bytearray()
    while len(held) < length:
        piece = os.read(descriptor, length - len(held))
        if not piece:
            return None
        held += piece
    return bytes(held)
