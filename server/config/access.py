"""The tables of config.toml on who may do what, and how much; see there for meaning and units."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from server.config.sections import Section

_LEAST_SIGNING_KEY = 32

# Neither dot nor colon, so that no key has the name of an address.
KeyName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Scope = Literal["upload", "read", "admin"]


def _checked_key_hash(text: str) -> str:
    """The message does not repeat what came: it may be the key itself."""
    if re.fullmatch(r"sha256:[0-9a-f]{64}", text) is None:
        raise ValueError("expected sha256: and 64 hex digits, as `safelight key new` prints it")
    return text


def _checked_signing_key(text: str) -> str:
    if len(text) < _LEAST_SIGNING_KEY or text.split() != [text]:
        raise ValueError(f"expected {_LEAST_SIGNING_KEY} characters or more, without blanks")
    return text


def _checked_origin(text: str) -> str:
    if re.fullmatch(r"https?://[a-z0-9.\[\]:-]+", text) is None:
        raise ValueError(
            f"expected an origin such as https://example.org, in small letters, got '{text}'"
        )
    return text


class ApiKeySettings(Section):
    """One key of `[auth.keys.NAME]`; the key itself is kept nowhere."""

    hash: Annotated[str, AfterValidator(_checked_key_hash)]
    scopes: tuple[Scope, ...] = Field(min_length=1)


class AuthSettings(Section):
    public_images: bool = True
    max_wrong_keys: int = Field(10, ge=1)
    keys: dict[KeyName, ApiKeySettings] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _refuse_one_key_by_two_names(self) -> Self:
        hashes = [key.hash for key in self.keys.values()]
        if len(set(hashes)) < len(hashes):
            raise ValueError("two names have the same hash; make a key of its own for each")
        return self


class SigningSettings(Section):
    keys: tuple[Annotated[str, AfterValidator(_checked_signing_key)], ...] = Field((), repr=False)
    url_s: int = Field(3600, ge=1)
    max_url_s: int = Field(7 * 24 * 3600, ge=1)


class CorsSettings(Section):
    origins: tuple[Annotated[str, AfterValidator(_checked_origin)], ...] = ()
    max_age_s: int = Field(600, ge=0)


class IdempotencySettings(Section):
    keep_s: int = Field(24 * 3600, ge=60)
    max_answer_bytes: int = Field(64 * 1024, ge=0)


class QuotaSettings(Section):
    requests: int = Field(0, ge=0)
    window_s: int = Field(60, ge=1, le=24 * 3600)
    bytes_per_day: int = Field(0, ge=0)
    jobs: int = Field(0, ge=0)
