"""schemathesis asks a live server for all that its contract allows, and for what it forbids.

Nothing is answered 5xx, with a status, type, header or body that the contract does not know, and
nothing that the schema allows is called malformed. `make fuzz` does the same for longer.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests import server_process
from tests.edge.forms import form, status_of, upload
from tests.edge.pictures import jpeg, png
from tests.server_process import PROJECT, ServerProcess

CONFIG = Path(__file__).with_name("schemathesis.toml")
# How much: inputs an operation in each phase, and seconds in all. The inputs do not depend on
# chance; what is not reached in time is not asked for.
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "2"))
SECONDS = int(os.environ.get("CONTRACT_SECONDS", "60"))
START_S = 150.0  # on a machine that is busy with other tests


@pytest.fixture(scope="module")
def asked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that waits for nobody long, and has nobody to call but itself."""
    server = server_process.start(
        tmp_path_factory.mktemp("asked-server") / "data",
        environment={
            "SAFELIGHT_AI__ENABLED": "false",
            "SAFELIGHT_DERIVED__WAIT_S": "1",
            "SAFELIGHT_FETCH__CONNECT_TIMEOUT_S": "1",
            "SAFELIGHT_FETCH__MAX_ATTEMPTS": "1",
            "SAFELIGHT_UPLOAD__MAX_WAIT_S": "1",
            "SAFELIGHT_UPLOAD__STALL_TIMEOUT_S": "2",
            "SAFELIGHT_UPLOAD__SYNC_WAIT_S": "0.5",
            "SAFELIGHT_WEBHOOKS__RETRY_AFTER_S": "[]",
        },
        within_s=START_S,
    )
    yield server
    server.close()


@pytest.mark.timeout(SECONDS + 120 + int(START_S))
async def test_every_answer_is_one_that_the_contract_knows(
    asked_server: ServerProcess,
) -> None:
    known = await _made(asked_server.url)
    limits = ("--max-examples", str(EXAMPLES), "--max-time", str(SECONDS))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"),
        *(f"{asked_server.url}/openapi.json", "--request-timeout", "15", *limits),
        *("--phases", "examples,coverage,fuzzing,stateful"),
        cwd=PROJECT,
        env=os.environ | {"CONTRACT_IDS": json.dumps(known)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    report = told.decode(errors="replace")

    assert process.returncode == 0, report[-20_000:]
    assert "Examples" in report and "Coverage" in report
    assert asked_server.process.poll() is None, asked_server.log_tail()
    assert asked_server.errors_logged() == ""


async def _made(url: str) -> dict[str, list[str]]:
    """Jobs that ended well and badly, and a batch: ids of things that are there."""
    async with ClientSession(url) as client:
        done = [await upload(client, jpeg(width, 20)) for width in (30, 31, 32)]
        crop = {"crop": {"x": 0, "y": 0, "width": 8, "height": 8}, "maxBytes": 100}
        failed = await upload(client, png(40, 40), options=crop, at_once=True)
        files = form(("1.png", png(20, 21)), ("2.png", png(22, 23)))
        async with client.post("/upload", data=files) as response:
            batch = await response.json()
        for one in (failed["jobId"], batch["jobId"]):
            while (await status_of(client, one, wait_s=1))["status"] not in ("completed", "failed"):
                pass  # each question waits itself
    return {"job": [one["jobId"] for one in (*done, failed)], "batch": [batch["jobId"]]}
