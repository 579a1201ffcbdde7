"""The tables of config.toml on where bytes lie and how a client brings them there itself."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from server.config.sections import Section

_MIB = 1024 * 1024
_BUCKETS = ("s3", "gs", "az")
_OWN_FOLDERS = ("incoming", "originals", "results")


def _checked_bucket_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in _BUCKETS or not parts.netloc or parts.query or parts.fragment):
        raise ValueError(
            f"expected an address such as s3://bucket/prefix, gs://… or az://…, got '{text}'"
        )
    return text


def _checked_drop_prefix(text: str) -> str:
    """Where jobs start by themselves must not be where their own files are put."""
    if not text:
        return text
    if not text.endswith("/") or text.startswith("/") or "//" in text:
        raise ValueError(f"expected a prefix such as drop/ with a slash at its end, got '{text}'")
    if text.split("/")[0] in _OWN_FOLDERS:
        raise ValueError(f"'{text}' is where the service keeps its own files; choose another")
    return text


class StorageSettings(Section):
    url: Annotated[str, AfterValidator(_checked_bucket_url)] = ""
    endpoint: str = Field("", pattern="^(https?://.+)?$")
    region: str = ""
    path_style: bool = True
    allow_http: bool = False
    timeout_s: float = Field(15.0, gt=0, le=300)
    max_retries: int = Field(3, ge=0, le=20)
    delivery: Literal["stream", "redirect"] = "stream"
    redirect_s: int = Field(300, ge=60, le=7 * 24 * 3600)
    min_free_bytes: int = Field(256 * _MIB, ge=0)


class PresignSettings(Section):
    expires_s: int = Field(900, ge=1)
    max_expires_s: int = Field(24 * 3600, ge=1, le=7 * 24 * 3600)
    keep_s: int = Field(3600, ge=1)
    max_pending: int = Field(500, ge=1)
    max_body_bytes: int = Field(64 * 1024, ge=2)


class HookSettings(Section):
    token: str = Field("", repr=False)
    prefix: Annotated[str, AfterValidator(_checked_drop_prefix)] = ""
    preset: str = ""
    max_body_bytes: int = Field(_MIB, ge=2)
