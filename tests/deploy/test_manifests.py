"""The files of deploy/ are what their programs expect, and fit together."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.deploy.container import owner
from tests.deploy.deployed import (
    COMPOSE,
    DOCKERFILE,
    KUBERNETES,
    UNIT,
    documents,
    image_environment,
    objects,
)
from tests.server_process import PROJECT

FOREIGN = ("ScaledObject", "Kustomization")  # of KEDA and kubectl: not in Kubernetes' own schemas
EXPOSURE = "20"  # tenths; systemd calls up to 2.0 OK, and a service without any care has 9.6
REQUIREMENT = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)
LOCKS = PROJECT / "requirements"


@pytest.mark.parametrize("path", sorted(KUBERNETES.glob("*.yaml")), ids=lambda path: path.name)
def test_manifests_fit_the_schemas_of_kubernetes(path: Path) -> None:
    for one in documents(path):
        if one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)


def test_kustomization_lists_every_manifest_but_the_example_of_secrets() -> None:
    [listed] = objects("Kustomization")
    there = {path.name for path in KUBERNETES.glob("*.yaml")}

    assert set(listed["resources"]) == there - {"kustomization.yaml", "secret.example.yaml"}


def test_selectors_meet_pods() -> None:
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in objects("Deployment")]
    selectors = [
        *(one["spec"]["selector"] for one in objects("Service")),
        *(one["spec"]["selector"]["matchLabels"] for one in objects("PodDisruptionBudget")),
        *(one["spec"]["podSelector"]["matchLabels"] for one in objects("NetworkPolicy")),
    ]
    for selector in selectors:
        assert any(selector.items() <= labels.items() for labels in pods), selector


def test_what_scales_names_deployments() -> None:
    there = {one["metadata"]["name"] for one in objects("Deployment")}
    targets = [
        one["spec"]["scaleTargetRef"]["name"]
        for kind in ("ScaledObject", "HorizontalPodAutoscaler")
        for one in objects(kind)
    ]

    assert sorted(targets) == sorted(there)


def test_pods_run_as_the_image_does_and_may_write_where_it_does() -> None:
    data_dir = image_environment()["SAFELIGHT_SERVER__DATA_DIR"]
    for deployment in objects("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        [container] = pod["containers"]
        context, volumes = pod["securityContext"], {one["name"] for one in pod["volumes"]}
        assert (context["runAsUser"], context["runAsGroup"]) == owner()
        assert context["fsGroup"] == owner()[1] and context["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert {one["name"] for one in container["volumeMounts"]} == volumes
        writable = [one["mountPath"] for one in container["volumeMounts"]]
        assert "/tmp" in writable
        assert any(Path(data_dir).is_relative_to(path) for path in writable)


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_containers_of_compose_may_write_where_the_image_does(path: Path) -> None:
    data_dir = Path(image_environment()["SAFELIGHT_SERVER__DATA_DIR"])
    for service in documents(path)[0]["services"].values():
        if service["image"] == "safelight":
            volumes = [row.split(":")[-1] for row in service["volumes"]]
            assert service["read_only"] is True and "/tmp" in service["tmpfs"]
            assert any(data_dir.is_relative_to(volume) for volume in volumes)


def test_no_pod_gets_settings_that_it_never_asked_for() -> None:
    """Kubernetes names variables after services: ours would begin as settings do."""
    for deployment in objects("Deployment"):
        assert deployment["spec"]["template"]["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_compose_names_what_it_has(path: Path) -> None:
    [whole] = documents(path)
    services: dict[str, Any] = whole["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        for row in service.get("volumes", ()):
            name = row.split(":")[0]
            assert name.startswith("/") or name in whole["volumes"]
        for row in service.get("configs", ()):
            assert row["source"] in whole["configs"]
        if "build" in service:
            context = (path.parent / service["build"]["context"]).resolve()
            assert (context / service["build"]["dockerfile"]).samefile(DOCKERFILE)


def test_dockerfile_has_no_known_fault() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    told = subprocess.run([linter, DOCKERFILE], capture_output=True, text=True)

    assert (told.returncode, told.stdout) == (0, "")


def test_the_image_gets_what_it_copies_and_no_more() -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    sources = {name.rstrip("/") for row in copied for name in row.split()}
    ignore = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in ignore if line.startswith("!")}

    assert sources == let_in
    assert all((PROJECT / name).exists() for name in sources)
    assert "*" in ignore


def test_the_lock_of_everything_is_that_of_the_tests() -> None:
    full = dict(REQUIREMENT.findall((LOCKS / "full.txt").read_text()))
    tested = dict(REQUIREMENT.findall((LOCKS / "dev.txt").read_text()))
    served = dict(REQUIREMENT.findall((LOCKS / "serve.txt").read_text()))

    assert {name: tested.get(name) for name in full} == full
    assert served.items() <= full.items()
    assert {"asyncpg", "onnxruntime", "opentelemetry-sdk"} <= full.keys()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_knows_every_line_of_the_unit_and_finds_it_shut(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name  # the program is not installed here
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/safelight", "/bin/true"))
    known = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    # Other units of the machine may have faults of their own.
    faults = [line for line in known.stderr.splitlines() if UNIT.stem in line]
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", unit]
    shut = subprocess.run(command, capture_output=True, text=True)

    assert faults == []
    assert shut.returncode == 0, shut.stdout[-300:]
