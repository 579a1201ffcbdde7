"""What Valkey wrote to its append-only file, read back: every change a job ever went through."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from server.jobs import names


def times_completed(data_dir: Path) -> Counter[str]:
    """How often each job was made `completed`, over all lives of the server and of Valkey."""
    completed: Counter[str] = Counter()
    for command in _commands(data_dir):
        if command[0].upper() != b"HSET" or not command[1].startswith(names.JOB.encode()):
            continue
        fields = dict(zip(command[2::2], command[3::2], strict=True))
        if fields.get(b"status") == b"completed":
            completed[command[1].decode().removeprefix(names.JOB)] += 1
    return completed


def is_whole(data_dir: Path) -> bool:
    """Whether the file was never written anew, which would leave only the last state."""
    return len(_files(data_dir)) == 1


def _files(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "redis" / "appendonlydir").glob("*.incr.aof"))


def _commands(data_dir: Path) -> Iterator[list[bytes]]:
    """https://valkey.io/topics/protocol: `*parts`, then `$length` and the bytes for each part."""
    for path in _files(data_dir):
        content, place = path.read_bytes(), 0
        while place < len(content):
            if content[place : place + 1] == b"#":  # a remark
                place = content.index(b"\n", place) + 1
                continue
            parts, place = _number(content, place + 1)
            command = []
            for _ in range(parts):
                length, place = _number(content, place + 1)
                command.append(content[place : place + length])
                place += length + 2
            yield command


def _number(content: bytes, place: int) -> tuple[int, int]:
    end = content.index(b"\r\n", place)
    return int(content[place:end]), end + 2
