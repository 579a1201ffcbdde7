"""What deploy/ says, read: the environments that it gives to services, and its YAML."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.server_process import PROJECT

DEPLOY = PROJECT / "deploy"
DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
COMPOSE = (DEPLOY / "docker" / "compose.yaml", DEPLOY / "docker" / "compose.cluster.yaml")
SECRETS_OF_COMPOSE = DEPLOY / "docker" / "cluster.env.example"
KUBERNETES = DEPLOY / "kubernetes"
UNIT = DEPLOY / "systemd" / "safelight.service"
PREFIX = "SAFELIGHT_"
CORES = "2"  # what the limits of a pod become in its environment


@dataclass(frozen=True)
class Started:
    """One process of ours that a file of deploy/ starts."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    stop_s: float  # how long it may take from SIGTERM to its end


def started() -> Iterator[Started]:
    """Every process of ours that is started anywhere."""
    yield from _by_compose()
    yield from _by_kubernetes()
    yield _by_systemd()


def image_environment() -> dict[str, str]:
    """What the image sets before anybody else does."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text())
    rows = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    words = [word for row in rows for word in shlex.split(row)]
    return dict(word.split("=", 1) for word in words)


def documents(path: Path) -> list[dict[str, Any]]:
    """All objects of one file."""
    return list(yaml.safe_load_all(path.read_text()))


def objects(kind: str) -> list[dict[str, Any]]:
    """All objects of a kind for Kubernetes."""
    every = [one for path in sorted(KUBERNETES.glob("*.yaml")) for one in documents(path)]
    return [one for one in every if one["kind"] == kind]


def _by_compose() -> Iterator[Started]:
    pairs = [line.split("=", 1) for line in SECRETS_OF_COMPOSE.read_text().splitlines()]
    secrets = {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[0].isidentifier()}
    for path in COMPOSE:
        for name, service in documents(path)[0]["services"].items():
            if service["image"] == "safelight":
                given = service["environment"]
                environment = image_environment() | {
                    key: _filled_in(value, secrets) for key, value in given.items()
                }
                arguments = service.get("command", ["serve"])
                stop_s = float(service["stop_grace_period"].removesuffix("s"))
                yield Started(f"{path.name}: {name}", arguments, environment, stop_s)


def _filled_in(text: str, secrets: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+):\?\}", lambda found: secrets[found[1]], text)


def _by_kubernetes() -> Iterator[Started]:
    values = {one["metadata"]["name"]: one["data"] for one in objects("ConfigMap")}
    secrets = {one["metadata"]["name"]: one["stringData"] for one in objects("Secret")}
    for deployment in objects("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        [container] = pod["containers"]
        environment = image_environment()
        for source in container["envFrom"]:
            if "configMapRef" in source:
                environment |= values[source["configMapRef"]["name"]]
            else:
                environment |= secrets[source["secretRef"]["name"]]
        for one in container.get("env", ()):
            environment[one["name"]] = _value(one, secrets)
        stop_s = pod["terminationGracePeriodSeconds"]
        yield Started(deployment["metadata"]["name"], container["args"], environment, stop_s)


def _value(one: dict[str, Any], secrets: Mapping[str, Mapping[str, str]]) -> str:
    if "value" in one:
        return str(one["value"])
    source = one["valueFrom"]
    if "resourceFieldRef" in source:
        return CORES
    return secrets[source["secretKeyRef"]["name"]][source["secretKeyRef"]["key"]]


def _by_systemd() -> Started:
    text = UNIT.read_text()
    [command] = re.findall(r"^ExecStart=\S+ (.*)$", text, re.MULTILINE)
    [stop_s] = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    return Started(UNIT.name, shlex.split(command), {}, float(stop_s))
