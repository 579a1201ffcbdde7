"""A server whose own networks are damaged: it works, says so, and does what it says."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import ClientSession

from tests import server_process
from tests.edge.forms import end_of, form, upload
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.server_process import PROJECT, ServerProcess

POLLS = 60


@pytest.fixture(scope="module")
def damaged_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The program as it would be installed, but upscale.onnx is not what was shipped, and
    enhance.onnx is, and yet no network: only running it can tell.
    """
    pytest.importorskip("onnxruntime", reason="the extra ai is not installed")
    installed = tmp_path_factory.mktemp("damaged")
    for package in ("pool", "server", "web"):
        shutil.copytree(PROJECT / package, installed / package)
    models = installed / "pool" / "ai" / "models"
    with (models / "upscale.onnx").open("ab") as file:
        file.write(b"!")
    (models / "enhance.onnx").write_bytes(b"no network")
    digest = hashlib.sha256(b"no network").hexdigest()
    with (models / "SHA256SUMS").open("a") as file:
        file.write(f"{digest}  enhance.onnx\n")
    data_dir = tmp_path_factory.mktemp("damaged-server") / "data"
    server = server_process.start(
        data_dir,
        environment=server_process.WITH_NETWORKS,
        through=("env", "-C", str(installed)),
    )
    yield server
    server.close()


async def got(client: ClientSession, path: str) -> dict[str, Any]:
    async with client.get(path) as response:
        assert response.status == 200
        answer: dict[str, Any] = await response.json()
    return answer


async def tried(client: ClientSession) -> dict[str, str]:
    """What is wrong with each network, once both are known; status of a job paces the polls."""
    for _ in range(POLLS):
        told = await got(client, "/ai")
        if len(told["broken"]) == 2:
            assert (told["available"], told["models"], told["concurrency"]) == (False, [], 0)
            return {one["name"]: one["whyNot"] for one in told["broken"]}
        made = await upload(client, jpeg(40, 30), options={"enhance": {}})
        assert (await end_of(client, made["jobId"]))["status"] == "completed"
    raise AssertionError(f"expected two broken networks, got {told}")


async def test_what_is_broken_is_told_and_classic_does_the_work(
    damaged_server: ServerProcess,
) -> None:
    options = {"upscale": {"factor": 2}, "enhance": {}, "format": "png"}
    async with ClientSession(damaged_server.url) as client:
        # At once, before anybody knows of `enhance`: the worker finds it out by itself.
        early = await upload(client, jpeg(60, 40), options=options)
        first = await end_of(client, early["jobId"])
        broken = await tried(client)
        health, ready = await got(client, "/health"), await got(client, "/readyz")
        late = await upload(client, jpeg(62, 40), options=options)
        second = await end_of(client, late["jobId"])

    for made in (first, second):
        assert made["engines"] == {"upscale": "classic", "enhance": "classic"}
    assert "not the one that was shipped" in broken["upscale"]
    assert "does not run on this machine" in broken["enhance"]
    assert (health["status"], ready["status"]) == ("degraded", "ok")
    networks = health["parts"]["networks"]
    assert networks["state"] == "degraded"
    assert "upscale: its file is not the one that was shipped" in networks["trouble"]
    assert str(PROJECT) not in json.dumps(health["parts"])


@pytest.mark.parametrize("step", [{"enhance": {}}, {"upscale": {"factor": 2}}])
async def test_ai_is_refused_with_what_is_wrong(
    damaged_server: ServerProcess, step: dict[str, dict[str, object]]
) -> None:
    [(name, settings)] = step.items()
    async with ClientSession(damaged_server.url) as client:
        broken = await tried(client)
        asked = form(("a.jpg", jpeg()), options=json.dumps({name: settings | {"engine": "ai"}}))
        async with client.post("/upload", data=asked) as response:
            refused = await problem(response)

    assert (refused["status"], refused["code"]) == (422, "ai_unavailable")
    assert f"the network {name} does not work here: {broken[name]}" in refused["detail"]
