"""Whatever deploy/ and docs/deploying.md name of ours is there: settings, flags, paths, metrics."""

import re
from pathlib import Path

import pytest
import typer.main
from aiohttp import ClientSession

from server.cli import cli
from server.config import Settings, load
from server.edge.access.gate import refuse_unguarded
from server.edge.openapi import DESCRIBED
from server.ops.valkey import STOP_TIMEOUT_S
from server.service import _SHUTDOWN_S
from tests.deploy.deployed import (
    DEPLOY,
    DOCKERFILE,
    KUBERNETES,
    PREFIX,
    Started,
    image_environment,
    objects,
    started,
)
from tests.server_process import PROJECT

STARTED = list(started())
OF_OTHERS = {("limits", "cpu"), ("section", "key")}  # a pod's, and how settings are named
# Those who still wait for an answer, webhooks and records: one after the other, and some air.
FAREWELL_S = 3 * _SHUTDOWN_S + 2
TEXTS = sorted(
    path
    for path in (*DEPLOY.rglob("*"), PROJECT / "docs" / "deploying.md")
    if path.is_file() and path.suffix not in (".py", ".c", ".pyc", ".json")
)


def is_setting(section: str, key: str) -> bool:
    field = Settings.model_fields.get(section)
    kind = None if field is None else field.annotation
    return key in getattr(kind, "model_fields", ())


def arguments_of(one: Started, config: Path) -> list[str]:
    """The flags of one `serve`, with a file of settings that is there."""
    assert one.arguments[0] == "serve"
    return [str(config) if word.endswith("config.toml") else word for word in one.arguments[1:]]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    text = path.read_text()
    sections = "|".join(Settings.model_fields)
    named = [tuple(name.lower().split("__")) for name in re.findall(rf"{PREFIX}(\w+__\w+)", text)]
    named += re.findall(rf"(?<![\w./-])({sections})\.((?!md\b)[a-z][a-z_]+)(?![\w.(/-])", text)

    assert [name for name in {*named} - OF_OTHERS if not is_setting(*name[:2])] == []


@pytest.mark.parametrize("one", STARTED, ids=lambda one: one.name)
def test_settings_and_flags_are_taken(one: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in one.environment.items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    serve = typer.main.get_command(cli).commands["serve"]  # type: ignore[attr-defined]  # a group
    flags = serve.make_context("serve", arguments_of(one, PROJECT / "config.toml")).params

    settings = load(None, {"server": {"role": flags["role"]}} if flags["role"] else None)

    refuse_unguarded(settings)
    assert settings.server.role == ("all" if "--role" not in one.arguments else one.arguments[2])
    if settings.server.role != "all":
        assert settings.redis.url
        assert settings.storage.url


@pytest.mark.parametrize("one", STARTED, ids=lambda one: one.name)
def test_there_is_time_to_stop_cleanly(one: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in one.environment.items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    settings = load(None)

    valkey_s = 0 if settings.redis.url else STOP_TIMEOUT_S
    needed_s = settings.server.drain_delay_s + settings.server.grace_s + FAREWELL_S + valkey_s
    assert one.stop_s >= needed_s


def test_ports_and_probes_are_those_of_the_settings() -> None:
    [values] = [one["data"] for one in objects("ConfigMap")]
    ports = {
        "http": int(values["SAFELIGHT_SERVER__PORT"]),
        "metrics": int(values["SAFELIGHT_METRICS__PORT"]),
    }
    for deployment in objects("Deployment"):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert {one["name"]: one["containerPort"] for one in container["ports"]} == ports
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container[kind]["httpGet"]
            assert probe["port"] in ports
            assert f"GET {probe['path']}" in DESCRIBED
    for service in objects("Service"):
        assert all(one["targetPort"] in ports for one in service["spec"]["ports"])


def test_the_image_looks_at_its_own_port() -> None:
    text = DOCKERFILE.read_text()
    port = image_environment()["SAFELIGHT_SERVER__PORT"]
    [asked] = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", text)

    assert asked[0] == port
    assert f"GET {asked[1]}" in DESCRIBED
    assert re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE) == [port]


async def test_workers_are_scaled_by_metrics_that_there_are(live_server: str) -> None:
    text = (KUBERNETES / "autoscaling.yaml").read_text()
    named = set(re.findall(r"\b(safelight_\w+)", text))
    classes = set(re.findall(r'class=~?"([\w|]+)"', text))
    async with ClientSession(live_server) as client, client.get("/metrics") as response:
        shown = await response.text()

    assert response.status == 200
    for name in named:
        for one in "|".join(classes).split("|"):
            assert f'{name}{{class="{one}"}}' in shown
