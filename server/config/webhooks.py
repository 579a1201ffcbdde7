"""The tables [webhooks] and [webhooks.endpoints.*] of config.toml; what they mean stands there."""

import base64
import binascii
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from server.config.sections import Section

Event = Literal["job.completed", "job.failed", "job.cancelled", "job.expired", "batch.completed"]
EndpointName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]

SECRET_PREFIX = "whsec_"
# As Standard Webhooks wants them, in bytes.
_LEAST_SECRET, _MOST_SECRET = 24, 64
_USUAL_EVENTS: tuple[Event, ...] = (
    "job.completed",
    "job.failed",
    "job.cancelled",
    "batch.completed",
)


def secret_bytes(secret: str) -> bytes:
    """The key in a `whsec_…`. Raises ValueError, whose message does not repeat what came."""
    wanted = f"expected {SECRET_PREFIX} and {_LEAST_SECRET} to {_MOST_SECRET} bytes in base64"
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(wanted)
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(wanted) from error
    if not _LEAST_SECRET <= len(key) <= _MOST_SECRET:
        raise ValueError(f"{wanted}, got {len(key)}")
    return key


def _checked_secret(text: str) -> str:
    secret_bytes(text)
    return text


def _listed(value: object) -> object:
    """One secret may stand alone."""
    return (value,) if isinstance(value, str) else value


def _checked_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("expected an address such as https://example.org/hooks")
    return text


def _checked_base(text: str) -> str:
    return _checked_url(text).rstrip("/")


Secret = Annotated[str, AfterValidator(_checked_secret)]
Secrets = Annotated[tuple[Secret, ...], BeforeValidator(_listed)]


class EndpointSettings(Section):
    """One receiver of `[webhooks.endpoints.NAME]`."""

    url: Annotated[str, AfterValidator(_checked_url)] = Field(min_length=1)
    secret: Secrets = Field((), repr=False)
    events: tuple[Event, ...] = Field(_USUAL_EVENTS, min_length=1)


class WebhookSettings(Section):
    secrets: tuple[Secret, ...] = Field((), repr=False)
    public_url: Annotated[str, AfterValidator(_checked_base)] = ""
    url_s: int = Field(2 * 24 * 3600, ge=1)
    https_only: bool = False
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    deny_hosts: tuple[str, ...] = ()
    ports: tuple[Annotated[int, Field(ge=0, le=65535)], ...] = (80, 443)
    timeout_s: float = Field(15.0, gt=0, le=300)
    retry_after_s: tuple[Annotated[float, Field(ge=0)], ...] = (
        *(5, 300, 1800, 7200, 18000),
        *(28800, 28800),
    )
    max_retry_after_s: float = Field(3600.0, ge=0)
    concurrency: int = Field(64, ge=1)
    target_concurrency: int = Field(4, ge=1)
    max_waiting: int = Field(20_000, ge=1)
    max_waiting_target: int = Field(5000, ge=1)
    max_body_bytes: int = Field(64 * 1024, ge=4096)
    keep_s: int = Field(3 * 24 * 3600, ge=1)
    max_kept: int = Field(5000, ge=1)
    endpoints: dict[EndpointName, EndpointSettings] = Field(default_factory=dict)
