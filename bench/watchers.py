"""Many WebSockets in one cheap process: they watch the same jobs, and it tells when each heard.

`python -m bench.watchers HOST PORT SOCKETS` opens them and prints `{"open": true}`. It reads a line
from stdin, a list of jobs, subscribes each socket to every job, waits until each has had a first
message about every job and prints `{"ready": true}`. Then it reads what
comes until each socket was told that each job has completed, and prints, by job, the milliseconds
from the first socket that heard of it to each of the others: `{"spread_ms": {...}, "missing": n}`.

One epoll loop and as little work a message as Python can do: the client must not be what is slow.
"""

import base64
import json
import os
import select
import socket
import sys
import time

GIVE_UP_S = 90.0
HANDSHAKE_TIMEOUT_S = 10.0
COMPLETED = b'"completed"'
REFUSED = b'"type":"error"'
READ_BYTES = 65536
AT_ONCE = 200  # fewer than wait in the listening socket's line


class Sockets:
    """All of them, by descriptor."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self._jobs: list[bytes] = []
        self._told: dict[bytes, dict[int, float]] = {}
        self._epoll = select.epoll()
        self._open: dict[int, socket.socket] = {}
        for start in range(0, count, AT_ONCE):
            asked = [self._ask(host, port) for _ in range(start, min(start + AT_ONCE, count))]
            for one in asked:
                self._add(one)

    def subscribe(self, jobs: list[str]) -> None:
        """All of them to all of these."""
        self._jobs = [job.encode() for job in jobs]
        self._told = {job: {} for job in self._jobs}
        messages = [json.dumps({"type": "subscribe", "jobId": job}).encode() for job in jobs]
        for one in self._open.values():
            one.sendall(b"".join(map(masked, messages)))

    def wait_for_snapshots(self) -> None:
        """Until each socket has heard of each job. Raises RuntimeError if one ended before."""
        heard: dict[int, set[bytes]] = {number: set() for number in self._open}
        left = len(self._open)
        deadline = time.monotonic() + GIVE_UP_S
        while left:
            for number, text in self._read(deadline):
                if REFUSED in text:
                    raise ConnectionError(f"a subscription was refused: {text[-300:]!r}")
                before = len(heard[number])
                heard[number].update(job for job in self._jobs if job in text)
                self._note(number, text)
                left -= before < len(self._jobs) == len(heard[number])
        if any(self._told.values()):
            raise RuntimeError("a picture was ready before all sockets watched it")

    def wait_for_ends(self) -> None:
        """Until each socket was told of each end, or for as long as we have patience."""
        deadline = time.monotonic() + GIVE_UP_S
        try:
            while any(len(told) < len(self._open) for told in self._told.values()):
                for number, text in self._read(deadline):
                    self._note(number, text)
        except TimeoutError:
            pass  # what is missing is part of the answer

    def answer(self) -> dict[str, object]:
        """What was measured."""
        spread_ms = {
            job.decode(): [round((at - min(told.values())) * 1000, 2) for at in told.values()]
            for job, told in self._told.items()
            if told
        }
        missing = sum(len(self._open) - len(told) for told in self._told.values())
        return {"spread_ms": spread_ms, "missing": missing}

    def _ask(self, host: str, port: int) -> socket.socket:
        """Many ask before the first answer is read: a busy machine has long turns."""
        one = socket.create_connection((host, port), timeout=HANDSHAKE_TIMEOUT_S)
        key = base64.b64encode(os.urandom(16)).decode()
        one.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        return one

    def _add(self, one: socket.socket) -> None:
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += one.recv(READ_BYTES)
            if not answer.startswith(b"HTTP/1.1 101"):
                raise ConnectionError(f"no WebSocket: {answer[:200]!r}")
        one.setblocking(False)
        self._open[one.fileno()] = one
        self._epoll.register(one.fileno(), select.EPOLLIN)

    def _read(self, deadline: float) -> list[tuple[int, bytes]]:
        """What has come; frames are small, and their text is looked at as it lies in the stream."""
        if time.monotonic() > deadline:
            raise TimeoutError("the service did not tell every socket")
        found = []
        for number, _ in self._epoll.poll(1.0):
            text = self._open[number].recv(READ_BYTES)
            if not text:
                raise ConnectionError("the service closed a socket")
            found.append((number, text))
        return found

    def _note(self, number: int, text: bytes) -> None:
        if COMPLETED not in text:
            return
        now = time.monotonic()
        for job, told in self._told.items():
            if number not in told and job in text and _ends(text, job):
                told[number] = now


def _ends(text: bytes, job: bytes) -> bool:
    """Whether one of the messages that came together says of this job that it has completed."""
    pieces = text.split(b'"type"')
    return any(job in piece and COMPLETED in piece for piece in pieces)


def masked(payload: bytes) -> bytes:
    """A text frame of a client (RFC 6455, 5.2), of less than 126 bytes; a mask of zeros is one."""
    assert len(payload) < 126
    return bytes((0x81, 0x80 | len(payload), 0, 0, 0, 0)) + payload


def main(host: str, port: str, count: str) -> None:
    """One run."""
    sockets = Sockets(host, int(port), int(count))
    print(json.dumps({"open": True}), flush=True)
    sockets.subscribe(json.loads(sys.stdin.readline()))
    sockets.wait_for_snapshots()
    print(json.dumps({"ready": True}), flush=True)
    sockets.wait_for_ends()
    print(json.dumps(sockets.answer()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
