"""A server that asks for keys: who has which, and how its requests look."""

import hashlib
import json
from collections.abc import Mapping

KEYS = {
    "ci": ["upload", "read"],
    "other": ["upload", "read"],
    "uploader": ["upload"],
    "reader": ["read"],
    "boss": ["admin"],
}
LISTED = "https://shop.example"
MAX_WRONG_KEYS = 3


def key_of(name: str) -> str:
    """The key of one of KEYS."""
    return f"sl_{name}-{'0' * 32}"


def bearer(name: str, **more: str) -> dict[str, str]:
    """The headers of a request with that key."""
    return {"Authorization": f"Bearer {key_of(name)}", **more}


def settings(keys: Mapping[str, list[str]] = KEYS, **auth: object) -> dict[str, str]:
    """The environment of a server that knows these keys."""
    known = {
        name: {"hash": f"sha256:{hashlib.sha256(key_of(name).encode()).hexdigest()}", "scopes": may}
        for name, may in keys.items()
    }
    return {"SAFELIGHT_AUTH": json.dumps({"keys": known, **auth})}
