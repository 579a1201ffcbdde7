"""Signs webhooks as Standard Webhooks 1.0 wants it: HMAC-SHA256 over id, time and body.

Who holds a secret can make messages that look like ours. So every API key has one of its own,
derived from the service's: a client cannot speak to another's receiver in our name.
"""

import hmac
import secrets
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from server.config.webhooks import SECRET_PREFIX, WebhookSettings, secret_bytes
from server.signing import load_keys

_KEY_BYTES = 32
_FOR_CLIENT = "safelight callbacks of "


class Secrets:
    """All secrets that this service signs webhooks with, each list newest first."""

    def __init__(self, settings: WebhookSettings, *, file: Path, has_api_keys: bool) -> None:
        """file: holds the service's own where none is configured. Raises OSError as load_keys."""
        self.own = load_keys(settings.secrets, file, new_key=new_secret)
        self._endpoints = {name: one.secret for name, one in settings.endpoints.items()}
        self._has_api_keys = has_api_keys

    def of_endpoint(self, name: str) -> tuple[str, ...]:
        """Those of a receiver of the configuration."""
        return self._endpoints.get(name) or self.own

    def of_client(self, client: str) -> tuple[str, ...]:
        """Those by which the callbacks of a client are signed."""
        if not self._has_api_keys:
            return self.own
        return tuple(_derived(secret, client) for secret in self.own)


def secrets_file(data_dir: Path) -> Path:
    """Where the service's own secrets lie that were made because none are configured."""
    return data_dir / "webhook-secrets"


def new_secret() -> str:
    """A fresh `whsec_…`."""
    return _written(secrets.token_bytes(_KEY_BYTES))


def signature(given: Sequence[str], delivery_id: str, timestamp_s: int, body: bytes) -> str:
    """The header webhook-signature: one signature by each secret."""
    content = f"{delivery_id}.{timestamp_s}.".encode() + body
    digests = (hmac.digest(secret_bytes(secret), content, "sha256") for secret in given)
    return " ".join(f"v1,{b64encode(digest).decode()}" for digest in digests)


def _derived(secret: str, client: str) -> str:
    return _written(hmac.digest(secret_bytes(secret), f"{_FOR_CLIENT}{client}".encode(), "sha256"))


def _written(key: bytes) -> str:
    return SECRET_PREFIX + b64encode(key).decode()
