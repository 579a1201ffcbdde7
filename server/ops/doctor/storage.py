"""The storage: an object written, read, compared and deleted, as a picture would be."""

import asyncio
import os
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from server.ops.doctor.finding import Finding, Surroundings, good, skipped, warning, wrong
from server.storage.opening import open_storage
from server.storage.storage import Storage, StorageFailed

_FOLDER = "doctor"
_CLOCK_OFF_S, _CLOCK_WRONG_S = 30.0, 300.0

# Words in what a bucket or its client says, and what they mean for whoever set it up. In order:
# the first that is found.
_MEANINGS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("RequestTimeTooSkewed", "too large"), "this machine's clock is wrong: run an NTP client"),
    (
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"),
        "AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is wrong, or expired",
    ),
    (
        ("NoSuchBucket", "no such bucket"),
        "make the bucket, or put another one into storage.url",
    ),
    (
        ("AccessDenied", "403", "Forbidden", "PermissionDenied", "lacks"),
        "these credentials may not do it: allow GetObject, PutObject, DeleteObject, ListBucket",
    ),
    (
        ("credentials", "169.254.169.254", "metadata"),
        "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role",
    ),
    (
        ("https scheme", "HTTP URLs", "builder error"),
        "set storage.allow_http for an endpoint without TLS",
    ),
    (("dns", "resolve", "lookup"), "no machine has the name in storage.endpoint"),
    (("certificate", "tls", "ssl"), "its TLS certificate is not known here"),
    (
        ("refused", "connect", "timed out", "timeout", "sending request"),
        "nothing answers at storage.endpoint: does it run, is a firewall between?",
    ),
)


async def check(here: Surroundings) -> AsyncIterator[Finding]:
    """Disk or bucket, the same way."""
    settings = here.settings.storage
    place = settings.url or str(here.data_dir)
    if not settings.url and not here.data_dir.is_dir():
        yield skipped(f"{place} is not there yet")
        return
    key = f"{_FOLDER}/{secrets.token_hex(8)}"
    try:
        storage = await asyncio.to_thread(open_storage, settings, here.data_dir)
        off_s = await _round(storage, key, here)
    except StorageFailed as error:
        whole = str(error.__cause__ or error)  # what the bucket says stands in its later lines
        yield wrong(f"{place}: {_in_short(str(error), whole)}", advice(whole))
        return
    except OSError as error:
        yield wrong(f"{place}: {error.strerror or error}", "see the findings about the folder")
        return
    finally:
        with suppress(OSError):  # of the disk: an empty folder that nobody needs
            (here.data_dir / _FOLDER).rmdir()
    yield good(f"{place} ({storage.kind}): an object was written, read and deleted")
    if settings.url:
        yield _clock(off_s)


async def _round(storage: Storage, key: str, here: Surroundings) -> float:
    """Put, look at, read and delete; returns by how many seconds the storage's clock is off.

    It tells in whole seconds when something was written, which was between two looks at ours.
    """
    content = secrets.token_bytes(1024)
    # On the disk it is linked, so it must lie on the same file system.
    folder = here.data_dir if storage.kind == "disk" else here.folder
    path = folder / f".doctor-{os.getpid()}-storage"
    try:
        await asyncio.to_thread(_write, path, content)
        began_s = time.time()
        await storage.put(key, path)
        ended_s = time.time()
        try:
            found = await storage.head(key)
            read = b"".join([piece async for piece in storage.read(key)])
        finally:
            await storage.delete(key)
    finally:
        path.unlink(missing_ok=True)
    if found is None or read != content:
        raise StorageFailed("what was read is not what was written")
    written_s = found.modified_ms / 1000
    return max(0.0, began_s - 1 - written_s, written_s - ended_s)


def _in_short(first: str, whole: str) -> str:
    """The bucket's own code and message where it gives them: the client's words are long."""
    found = [re.search(rf"<{tag}>([^<]+)</{tag}>", whole) for tag in ("Code", "Message")]
    return ": ".join(one[1] for one in found if one) or first.partition("<?xml")[0].strip()


def advice(text: str) -> str:
    """What to do about what a bucket says."""
    lower = text.lower()
    for words, meaning in _MEANINGS:
        if any(word.lower() in lower for word in words):
            return meaning
    return "is storage.url right, with endpoint, region and path_style?"


def _clock(off_s: float) -> Finding:
    says = f"its clock and ours differ by {off_s:.0f} s"
    if off_s > _CLOCK_WRONG_S:
        return wrong(says, "run an NTP client: buckets refuse requests that are 15 minutes off")
    if off_s > _CLOCK_OFF_S:
        return warning(says, "run an NTP client on this machine")
    return good(says)


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
