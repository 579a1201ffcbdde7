"""config.toml, environment and flags: what is wrong stops the start with one line."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from server.config import Settings, SettingsError, load
from tests.patience import PATIENCE_S
from tests.server_process import PROJECT

CONFIG = PROJECT / "config.toml"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine happens to have set is not what is tested."""
    for name in os.environ:
        if name.startswith("SAFELIGHT_"):
            monkeypatch.delenv(name)


def test_the_file_as_it_stands_says_the_defaults() -> None:
    from_file = load(CONFIG).model_dump(exclude={"presets"})
    defaults = Settings().model_dump(exclude={"presets"})

    assert from_file == defaults


def test_every_setting_has_its_line_with_a_comment() -> None:
    lines = CONFIG.read_text().splitlines()
    written = dict(_written(lines))
    wanted = {
        f"{section}.{key}"
        for section, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for key in field.annotation.model_fields
    }

    assert set(written) == wanted
    assert [name for name, line in written.items() if not re.search(r"\s# \S", line)] == []


def _written(lines: list[str]) -> Iterator[tuple[str, str]]:
    section = ""
    for line in lines:
        if found := re.match(r"\[([a-z.]+)\]", line):
            section = found[1]
            if "." in section and not section.startswith("presets"):
                yield section, line  # a setting that is a table of its own
        elif (found := re.match(r"([a-z_]+) *=", line)) and not section.startswith("presets"):
            yield f"{section}.{found[1]}", line


def test_the_file_names_no_section_that_is_unknown() -> None:
    sections = set(tomllib.loads(CONFIG.read_text()))

    assert sections == set(Settings.model_fields)


def test_environment_beats_the_file_and_a_flag_beats_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[server]\nport = 1001\nhost = "::1"\ngrace_s = 3\n')
    monkeypatch.setenv("SAFELIGHT_SERVER__PORT", "1002")
    monkeypatch.setenv("SAFELIGHT_SERVER__HOST", "127.0.0.2")
    settings = load(file, {"server": {"port": 1003}})

    assert settings.server.port == 1003
    assert settings.server.host == "127.0.0.2"
    assert settings.server.grace_s == 3
    assert settings.logging.level == "info"


def test_settings_cannot_be_changed_later() -> None:
    settings = load(None)

    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1  # type: ignore[misc]  # what mypy refuses, too


WRONG_FILES = {
    "unknown key": ("[server]\nprot = 1\n", "server.prot"),
    "unknown section": ("[sevrer]\nport = 1\n", "sevrer"),
    "wrong type": ('[queue]\nmax_depth = "many"\n', "queue.max_depth"),
    "out of range": ("[queue]\nmax_depth = 0\n", "queue.max_depth"),
    "wrong choice": ('[redis]\nfsync = "never"\n', "redis.fsync"),
    "bad preset": ("[presets.x]\nquality = 0\n", "presets.x: quality"),
    "bad step of a preset": ("[presets.x.resize]\nwidht = 5\n", "presets.x: resize.widht"),
    "no bucket's address": ('[storage]\nurl = "ftp://x"\n', "storage.url"),
    "a drop folder of our own": ('[hooks]\nprefix = "results/x/"\n', "hooks.prefix"),
    "a drop folder without an end": ('[hooks]\nprefix = "drop"\n', "hooks.prefix"),
    "a hook's preset that is not there": ('[hooks]\npreset = "none"\n', "hooks.preset"),
    "not TOML": ("[server\n", "TOML"),
}
WRONG_VARIABLES = {
    "unknown": ("SAFELIGHT_QUEUE__DEPTH", "5", "queue.depth"),
    "unknown section": ("SAFELIGHT_QUEU__DEPTH", "5", "SAFELIGHT_QUEU__DEPTH"),
    "wrong": ("SAFELIGHT_QUEUE__MAX_DEPTH", "x", "queue.max_depth"),
    "empty": ("SAFELIGHT_QUEUE__MAX_DEPTH", "", "queue.max_depth"),
    "a whole section": ("SAFELIGHT_QUEUE", "x", "queue"),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
def test_a_wrong_file_is_refused_in_one_line_that_names_the_setting(
    kind: str, tmp_path: Path
) -> None:
    text, named = WRONG_FILES[kind]
    file = tmp_path / "config.toml"
    file.write_text(text)

    assert named in _refusal_of(file)


@pytest.mark.parametrize("kind", WRONG_VARIABLES)
def test_a_wrong_variable_is_refused_in_one_line_that_names_the_setting(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, value, named = WRONG_VARIABLES[kind]
    monkeypatch.setenv(name, value)

    assert named in _refusal_of(None)


def _refusal_of(file: Path | None) -> str:
    with pytest.raises(SettingsError) as error:
        load(file)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "variables", "flags", "named"),
    [
        ("[server]\nprot = 1\n", {}, (), "server.prot"),
        ("", {"SAFELIGHT_QUEUE__MAX_DEPTH": "0"}, (), "queue.max_depth"),
        ("", {}, ("--port", "70000"), "server.port"),
        ("", {}, ("--config", "nowhere.toml"), "nowhere.toml"),
    ],
    ids=["file", "variable", "flag", "missing file"],
)
def test_what_is_wrong_stops_the_start_with_one_line(
    text: str, variables: dict[str, str], flags: tuple[str, ...], named: str, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "server", "serve", "--data-dir", str(tmp_path / "data"), *flags],
        cwd=tmp_path,
        env=_environment() | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert named in ended.stderr
    assert not (tmp_path / "data").exists()


def _environment() -> dict[str, Any]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SAFELIGHT_")}
    return own | {"PYTHONPATH": str(PROJECT)}


def test_a_file_that_does_not_exist_is_not_taken_for_the_defaults(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load(tmp_path / "nothing.toml")
