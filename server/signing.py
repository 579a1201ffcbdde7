"""Signed URLs: who holds one may do one thing at one address until a time, without a key.

What is signed, each part on a line of its own:

    safelight-1
    the method (a URL signed for GET is good for HEAD, too)
    the path, percent-encoded as on the request line
    every parameter but `signature` as name=value, both percent-encoded, sorted, joined by &

`expires` (seconds since 1970) and `keyId` are parameters among them, so nothing of an address can
be changed, added or left out. An address without `expires` is good for as long as its key; only
what lets nobody in may be signed so. The signature is HMAC-SHA256 of these lines, in base64url
without padding.
"""

import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from server.refusals import SignatureExpired, SignatureWrong

_VERSION = "safelight-1"
_MAX_EXPIRES_DIGITS = 12
_KEY_BYTES = 32


class Signer:
    """Signs with the first of its keys and accepts what any of them has signed."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("a signer needs at least one key")
        self._keys = {_key_id(key): key.encode() for key in keys}
        self._newest = _key_id(keys[0])

    def sign(
        self, method: str, path: str, params: Mapping[str, str], expires_at: int | None
    ) -> dict[str, str]:
        """The parameters with expires, keyId and signature added.

        `expires_at`: seconds UTC; None: never, and `check` takes that only where it is told to.
        """
        until = {} if expires_at is None else {"expires": str(expires_at)}
        signed = dict(params) | until | {"keyId": self._newest}
        signed["signature"] = _signature(self._keys[self._newest], method, path, signed)
        return signed

    def check(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        now: float,
        *,
        may_last: bool = False,
    ) -> None:
        """Raises SignatureWrong or, when it was right until a time before `now`, SignatureExpired.

        A parameter given twice is wrong: nobody signed that. may_last: one without an end will do.
        """
        pairs = list(params.items())
        given = dict(pairs)
        signature = given.pop("signature", "")
        key = self._keys.get(given.get("keyId", ""))
        if key is None or len(given) != len(pairs) - 1:
            raise SignatureWrong("This address is not signed by a key of this service.")
        expected = _signature(key, method, path, given)
        if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
            raise SignatureWrong("The signature does not fit method, path and parameters.")
        if "expires" in given or not may_last:
            _refuse_late(given.get("expires", ""), now)


def signing_file(data_dir: Path) -> Path:
    """Where the keys lie that were made because none are configured."""
    return data_dir / "signing-keys"


def load_keys(
    configured: Sequence[str], file: Path, *, new_key: Callable[[], str] | None = None
) -> tuple[str, ...]:
    """The configured keys, newest first; none: those of the file, which is made when missing.

    new_key: makes one for the file; a key of this module's own kind if not said otherwise.

    Raises OSError when the file cannot be made or read, PermissionError when others may read it.
    """
    if configured:
        return tuple(configured)
    if not file.exists():
        _make(file, (new_key or _new_key)())
    if file.stat().st_mode & 0o077:
        raise PermissionError(f"{file}: others may read the signing keys; run chmod 600 on it")
    keys = tuple(line.strip() for line in file.read_text().splitlines() if line.strip())
    if not keys:
        raise OSError(f"{file}: expected a signing key on each line, got an empty file")
    return keys


def _new_key() -> str:
    return secrets.token_urlsafe(_KEY_BYTES)


def _make(file: Path, key: str) -> None:
    """Whole or not at all: a key that is half written would make signatures nobody can check."""
    aside = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(f"{key}\n")
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):  # another process was first, and its key is as good
            os.link(aside, file)
    finally:
        aside.unlink()
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _key_id(key: str) -> str:
    """Names a key in public and tells nothing of it."""
    return hmac.new(key.encode(), b"safelight key id", sha256).hexdigest()[:8]


def _signature(key: bytes, method: str, path: str, params: Mapping[str, str]) -> str:
    query = "&".join(sorted(f"{_quoted(name)}={_quoted(value)}" for name, value in params.items()))
    lines = (_VERSION, "GET" if method == "HEAD" else method, path, query)
    digest = hmac.digest(key, "\n".join(lines).encode(errors="surrogatepass"), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


def _refuse_late(expires: str, now: float) -> None:
    """`expires` is signed, so it is what `sign` was given."""
    if not expires.isascii() or not expires.isdecimal() or len(expires) > _MAX_EXPIRES_DIGITS:
        raise SignatureWrong("The address is signed without a time until which it is good.")
    if now >= int(expires):
        raise SignatureExpired(f"The address was good until {expires} (seconds since 1970, UTC).")
