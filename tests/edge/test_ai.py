"""Networks over HTTP: what is told of them, what they make, and who is not kept waiting by them."""

import asyncio
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession
from PIL import Image

from server.config.networks import AiSettings
from server.ops.networks import engines_of
from tests.conftest import StartServer
from tests.edge.forms import end_of, form, status_of, upload
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.patience import PATIENCE_S
from tests.server_process import PROJECT, WITH_NETWORKS

TWICE = {"upscale": {"factor": 2}, "enhance": {}, "format": "png"}


async def networks(client: ClientSession) -> dict[str, object]:
    async with client.get("/ai") as response:
        assert response.status == 200
        told: dict[str, object] = await response.json()
    return told


async def finished(client: ClientSession, answer: dict[str, str]) -> dict[str, object]:
    for _ in range(20):
        status = await end_of(client, answer["jobId"])
        if status["status"] not in ("queued", "processing"):
            return status
    raise AssertionError(f"expected an end of {answer['jobId']}, got {status}")


async def test_a_picture_is_enhanced_and_the_answer_says_by_what(client: ClientSession) -> None:
    pytest.importorskip("onnxruntime", reason="the extra ai is not installed")

    by_network = await finished(client, await upload(client, jpeg(120, 90), options=TWICE))
    classic = await finished(
        client,
        await upload(client, jpeg(120, 90), options={"enhance": {"engine": "classic"}}),
    )
    async with client.get(str(by_network["url"])) as response:
        made = Image.open(io.BytesIO(await response.read()))
    told = await networks(client)

    assert by_network["engines"] == {"upscale": "ai", "enhance": "ai"}
    assert classic["engines"] == {"enhance": "classic"}
    assert made.size == (240, 180)
    assert told["available"] is True
    assert {one["name"]: one["step"] for one in told["models"]} == {  # type: ignore[attr-defined]
        "enhance": "enhance",
        "upscale": "upscale",
    }


async def test_plain_pictures_pass_those_that_wait_for_a_network(client: ClientSession) -> None:
    pytest.importorskip("onnxruntime", reason="the extra ai is not installed")
    slow = [
        await upload(client, jpeg(1100 + n, 900), options={"enhance": {}}, at_once=True)
        for n in range(4)
    ]

    plain = await finished(client, await upload(client, jpeg(70, 50), at_once=True))
    behind = await status_of(client, slow[-1]["jobId"])
    for one in slow:
        async with client.delete(f"/job/{one['jobId']}"):
            pass

    assert plain["status"] == "completed"
    assert behind["status"] in ("queued", "processing")


async def test_switched_off_auto_is_classic_and_ai_is_refused(start_server: StartServer) -> None:
    server = start_server(SAFELIGHT_AI__ENABLED="false")
    asked = form(("a.jpg", jpeg()), options=json.dumps({"enhance": {"engine": "ai"}}))

    async with ClientSession(server.url) as client:
        made = await finished(client, await upload(client, jpeg(), options=TWICE))
        async with client.post("/upload", data=asked) as response:
            refused = await problem(response)
        told = await networks(client)

    assert made["engines"] == {"upscale": "classic", "enhance": "classic"}
    assert (refused["status"], refused["code"]) == (422, "ai_unavailable")
    assert "ai.enabled is false" in refused["detail"]
    assert (told["available"], told["models"]) == (False, [])


def test_without_the_extra_the_reason_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    engines = engines_of(AiSettings())

    assert engines.models == ()
    assert "pip install 'safelight[ai]'" in engines.why_not


async def test_a_model_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra ai is not installed")
    (tmp_path / "house.onnx").write_bytes(b"no network")
    (tmp_path / "config.toml").write_text(
        f'[ai.models.house]\npath = "{tmp_path / "house.onnx"}"\nscale = 2\n'
    )
    command = [sys.executable, "-m", "server", "serve", "--port", "0"]
    command += ["--config", str(tmp_path / "config.toml"), "--data-dir", str(tmp_path / "data")]

    ended = await asyncio.to_thread(
        subprocess.run, command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE_S
    )

    assert ended.returncode != 0
    assert "safelight: ai.models.house: " in ended.stderr
    assert "house.onnx cannot be loaded" in ended.stderr


async def test_a_network_of_the_operators_is_chosen_by_name(
    start_server: StartServer, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra ai is not installed")
    path = PROJECT / "pool" / "ai" / "models" / "upscale.onnx"
    (tmp_path / "house.onnx").write_bytes(path.read_bytes())
    (tmp_path / "safelight.toml").write_text(
        f'[ai.models.house]\npath = "{tmp_path / "house.onnx"}"\nscale = 2\ntile = 64\n'
    )
    server = start_server("--config", str(tmp_path / "safelight.toml"), **WITH_NETWORKS)

    async with ClientSession(server.url) as client:
        told = await networks(client)
        options = {"upscale": {"factor": 2, "model": "house"}}
        made = await finished(client, await upload(client, jpeg(120, 90), options=options))

    measured = {one["name"]: one["secondsPerMegapixel"] for one in told["models"]}  # type: ignore[attr-defined]
    assert measured["house"] > 0
    assert made["engines"] == {"upscale": "ai"}
