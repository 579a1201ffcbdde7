"""`safelight webhooks` against a real server, and the receivers that the manual shows."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from server.config.webhooks import WebhookSettings, secret_bytes
from server.live.webhooks.secrets import Secrets, new_secret, secrets_file, signature
from tests.conftest import StartServer
from tests.edge.forms import form
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually
from tests.server_process import PROJECT, ServerProcess
from tests.webhooks.conftest import CRM_SECRET, LOOPBACK, SECRETS
from tests.webhooks.receiver import Receiver

MANUAL = PROJECT / "docs" / "webhooks.md"
EVENT = b'{"type":"job.completed","timestamp":"2026-11-22T10:00:00.000Z","data":{"jobId":"abc"}}'


def safelight(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command as an operator calls it, on a wide terminal."""
    return subprocess.run(
        [sys.executable, "-m", "server", "webhooks", *arguments],
        cwd=PROJECT,
        env={**os.environ, "COLUMNS": "250"},
        capture_output=True,
        text=True,
    )


async def test_an_operator_lists_what_failed_and_sends_it_again(
    client: ClientSession, telling_server: ServerProcess, receiver: Receiver
) -> None:
    url, at = receiver.at("/operator", 500), ("--url", telling_server.url)
    data = form(("a.jpg", jpeg()), callbackUrl=url)
    async with client.post("/upload", data=data) as response:
        job_id = (await response.json())["jobId"]
    await eventually(lambda: job_id in safelight("list", "--state", "given_up", *at).stdout)
    listed = safelight("list", "--job", job_id, *at)
    receiver.at("/operator", 200)
    again = safelight("replay", "--job", job_id, *at)
    await eventually(lambda: job_id in safelight("list", "--state", "delivered", *at).stdout)

    assert "given_up (attempts)" in listed.stdout
    assert "The receiver answered 500 instead of 2xx." in listed.stdout
    assert re.fullmatch(rf"msg_{job_id}_\d+: (waiting|delivered)\n", again.stdout)


def test_an_operator_tries_an_endpoint(telling_server: ServerProcess, receiver: Receiver) -> None:
    at = ("--url", telling_server.url)
    tried = safelight("ping", "crm", *at)
    unknown = safelight("ping", "nobody", *at)
    enabled = safelight("enable", "crm", *at)
    told = safelight("endpoints", *at)

    assert re.fullmatch(r"msg_ping-\w+: delivered, 204 after \d+ ms\n", tried.stdout)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "known are crm" in unknown.stderr
    assert enabled.stdout == "crm: was not stopped\n"
    assert "job.failed" in told.stdout
    assert "born" in told.stdout


def test_what_is_asked_for_in_two_ways_is_refused(telling_server: ServerProcess) -> None:
    for arguments in ((), ("msg_1", "--state", "gone")):
        answer = safelight("replay", *arguments, "--url", telling_server.url)
        assert answer.returncode == 1
        assert "not both" in answer.stderr


def test_the_secret_is_made_once_and_shown(start_server: StartServer, tmp_path: Path) -> None:
    folder, settings = tmp_path / "data", {**LOOPBACK}
    del settings["SAFELIGHT_WEBHOOKS__SECRETS"]
    before = safelight("secret", "--data-dir", str(folder))
    start_server(data_dir=folder, **settings).stop()
    first = safelight("secret", "--data-dir", str(folder)).stdout
    of_key = safelight("secret", "--data-dir", str(folder), "--client", "ci").stdout

    assert before.returncode == 1
    assert "start the service once" in before.stderr
    assert len(secret_bytes(first.strip())) == 32
    assert of_key == first  # no API keys are set up
    assert secrets_file(folder).stat().st_mode & 0o777 == 0o600


def test_a_new_secret_is_another_each_time() -> None:
    made = [safelight("secret", "--new").stdout.strip(), new_secret()]

    assert len(set(made)) == 2
    assert [len(secret_bytes(one)) for one in made] == [32, 32]


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_no base64", "sk_" + "QUFB" * 10]
)
def test_a_secret_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        WebhookSettings(secrets=(text,))


def test_secrets_of_keys_differ_and_follow_the_rotation(tmp_path: Path) -> None:
    settings = WebhookSettings(secrets=SECRETS)
    secrets = Secrets(settings, file=tmp_path / "unused", has_api_keys=True)
    old_only = Secrets(
        WebhookSettings(secrets=SECRETS[1:]), file=tmp_path / "unused", has_api_keys=True
    )

    assert len({*secrets.of_client("a"), *secrets.of_client("b"), *secrets.own}) == 6
    assert secrets.of_client("a")[1:] == old_only.of_client("a")
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("language", ["python", "js"])
async def test_the_receivers_of_the_manual_check_what_comes(language: str, tmp_path: Path) -> None:
    program = {"python": sys.executable, "js": shutil.which("node")}[language]
    if program is None:
        pytest.skip("Node.js is not installed: this test runs a receiver that is written for it")
    source = tmp_path / ("receiver.py" if language == "python" else "receiver.mjs")
    source.write_text(_example(language))
    now = int(time.time())
    both = signature((CRM_SECRET, SECRETS[0]), "msg_1", now, EVENT)
    other = signature(SECRETS[1:], "msg_1", now, EVENT)
    old = signature(SECRETS, "msg_1", now - 3600, EVENT)

    with _running(program, source) as url:
        async with ClientSession() as session:
            answers = [
                await _post(session, url, *message)
                for message in (
                    ("msg_1", now, both, EVENT),
                    ("msg_1", now, other, EVENT),
                    ("msg_1", now, both, EVENT + b" "),
                    ("msg_2", now, both, EVENT),
                    ("msg_1", now + 1, both, EVENT),
                    ("msg_1", now - 3600, old, EVENT),
                    ("msg_1", now, "", EVENT),
                )
            ]

    assert answers == [204, 401, 401, 401, 401, 401, 401]


def _example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@contextmanager
def _running(program: str, source: Path) -> Iterator[str]:
    environment = {**os.environ, "SAFELIGHT_SECRET": SECRETS[0], "PORT": "0"}
    with subprocess.Popen(
        [program, str(source)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            yield f"http://127.0.0.1:{int(said.removeprefix('listening on'))}/"
        finally:
            process.kill()


async def _post(
    session: ClientSession, url: str, message_id: str, at: int, signed: str, body: bytes
) -> int:
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signed,
        "Content-Type": "application/json",
    }
    async with session.post(url, data=body, headers=headers) as response:
        return response.status
