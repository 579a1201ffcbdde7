"""`safelight key`: a key is shown once, its hash is what the service knows of it."""

import os
import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import cli
from server.config import SettingsError, load
from server.edge.access.keys import key_hash
from tests.edge.gated import KEYS, key_of, settings
from tests.server_process import PROJECT


def safelight(*arguments: str, given: str = "") -> tuple[int, str, str]:
    ended = CliRunner().invoke(cli, arguments, input=given)
    return ended.exit_code, ended.stdout, ended.stderr


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of the tests, and nothing that the machine happens to have set."""
    for name in os.environ:
        if name.startswith("SAFELIGHT_"):
            monkeypatch.delenv(name)
    for name, text in settings().items():
        monkeypatch.setenv(name, text)


def test_what_new_prints_is_a_key_and_the_lines_that_let_it_in(tmp_path: Path) -> None:
    arguments = ("key", "new", "website", "--scope", "upload", "--scope", "read")
    code, out, _ = safelight(*arguments)
    assert code == 0
    (key,) = re.findall(r"sl_[A-Za-z0-9_-]{43}\b", out)
    lines = out[out.index("[auth.keys") :]
    config = tmp_path / "config.toml"
    config.write_text((PROJECT / "config.toml").read_text() + lines)

    assert key not in lines
    assert tomllib.loads(lines)["auth"]["keys"]["website"]["hash"] == f"sha256:{key_hash(key)}"
    code, out, _ = safelight("key", "check", "--config", str(config), given=f"{key}\n")
    assert (code, out) == (0, "website: upload, read\n")
    assert safelight(*arguments)[1] != out


def test_a_key_that_nobody_has_is_told_so() -> None:
    code, out, err = safelight("key", "check", given="sl_nobodys\n")

    assert code == 1
    assert out + err == "safelight: this key is not in [auth.keys]\n"


def test_keys_come_by_the_environment_too() -> None:
    code, out, _ = safelight("key", "check", given=key_of("boss"))

    assert (code, out) == (0, f"boss: {', '.join(KEYS['boss'])}\n")


@pytest.mark.parametrize("name", ["10.0.0.1", "::1", "Website", "a b", "", "-x", "x" * 65])
def test_a_name_that_could_be_an_address_is_refused(name: str) -> None:
    code, out, _ = safelight("key", "new", "--scope", "read", "--", name)

    assert code != 0 and "sl_" not in out


def test_a_scope_that_there_is_not_is_refused() -> None:
    code, out, err = safelight("key", "new", "website", "--scope", "everything")

    assert code == 2 and "sl_" not in out
    assert "everything" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[auth.keys.a]\nhash = "sl_secret"\nscopes = ["read"]',
            "auth.keys.a.hash: expected sha256: and 64 hex digits,"
            " as `safelight key new` prints it",
        ),
        (
            f'[auth.keys.a]\nhash = "sha256:{"0" * 64}"\nscopes = []',
            "auth.keys.a.scopes: tuple should have at least 1 item after validation, not 0, got []",
        ),
        (
            "".join(
                f'[auth.keys.{name}]\nhash = "sha256:{"0" * 64}"\nscopes = ["read"]\n'
                for name in "ab"
            ),
            "auth: two names have the same hash; make a key of its own for each",
        ),
        (
            '[signing]\nkeys = ["secret"]',
            "signing.keys.0: expected 32 characters or more, without blanks",
        ),
        (
            '[cors]\norigins = ["*"]',
            "cors.origins.0: expected an origin such as https://example.org,"
            " in small letters, got '*'",
        ),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.delenv("SAFELIGHT_AUTH")
    config = tmp_path / "config.toml"
    config.write_text(text)

    with pytest.raises(SettingsError) as error:
        load(config)
    assert str(error.value) == message
