"""The last look at a line before it is written: what would let somebody in is not told.

Lines are written without secrets in the first place; errors of libraries quote what they were
given, and that is an address with a password or a signature in it now and then.
"""

import re

_HIDDEN = "…".encode()
_MARKS = (b"://", b"sl_", b"whsec_", b"earer ", b"=")
_PATTERNS = (
    # user:password@ of an address, and what stands behind its path
    (re.compile(rb"(://)[^/\s\"'\\@]+@"), rb"\1"),
    (re.compile(rb"(://[^\s\"'\\?#<>]*)[?#][^\s\"'\\<>)]*"), rb"\1?" + _HIDDEN),
    (re.compile(rb"\b(sl_|whsec_)[A-Za-z0-9+/=_-]{8,}"), rb"\1" + _HIDDEN),
    (re.compile(rb"([Bb]earer )[^\s\"'\\]{4,}"), rb"\1" + _HIDDEN),
    (
        re.compile(
            rb"(?i)\b((?:x-amz-)?(?:signature|credential|security-token)|sig|token|api[_-]?key"
            rb"|password|secret)=[^&\s\"'\\]+"
        ),
        rb"\1=" + _HIDDEN,
    ),
)


def without_secrets(line: bytes) -> bytes:
    """The line with an ellipsis in place of passwords, keys, signatures and queries."""
    if not any(mark in line for mark in _MARKS):
        return line
    for pattern, instead in _PATTERNS:
        line = pattern.sub(instead, line)
    return line
