"""Real TLS: pictures are fetched and webhooks told only where the certificate is good."""

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
import trustme
from aiohttp import ClientSession

from tests import server_process
from tests.edge.forms import form, status_of
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually
from tests.intake.asking import ask
from tests.intake.origin import Origin, origin_in_thread, redirect
from tests.server_process import ServerProcess
from tests.webhooks.receiver import Receiver

# A connection whose handshake failed is left to the garbage collector by asyncio's server side.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PICTURE = jpeg(64, 48)
YESTERDAY = datetime.now(UTC) - timedelta(days=1)
Serve = Callable[[trustme.LeafCert], Origin]
BAD = {
    "has expired": lambda good, _: good.issue_cert("localhost", not_after=YESTERDAY),
    "is for another name": lambda good, _: good.issue_cert("elsewhere.example"),
    "is signed by nobody whom this server trusts": lambda _, other: other.issue_cert("localhost"),
}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Whom the server trusts."""
    return trustme.CA()


@pytest.fixture(scope="module")
def server(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """Trusts that authority alone, and may reach loopback."""
    folder = tmp_path_factory.mktemp("https")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    started = server_process.start(
        folder / "data",
        environment={
            "SSL_CERT_FILE": str(folder / "authority.pem"),
            "SAFELIGHT_FETCH__ALLOW_NETWORKS": '["127.0.0.0/8", "::1/128"]',
            "SAFELIGHT_FETCH__PORTS": "[0]",
            "SAFELIGHT_FETCH__MAX_ATTEMPTS": "1",
            "SAFELIGHT_WEBHOOKS__ALLOW_NETWORKS": '["127.0.0.0/8", "::1/128"]',
            "SAFELIGHT_WEBHOOKS__PORTS": "[0]",
            "SAFELIGHT_WEBHOOKS__RETRY_AFTER_S": json.dumps([60]),
        },
    )
    yield started
    started.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a web server that shows a certificate; a picture lies at /picture.jpg."""
    with ExitStack() as stack:

        def start(certificate: trustme.LeafCert) -> Origin:
            tls = SSLContext(PROTOCOL_TLS_SERVER)
            certificate.configure_cert(tls)
            origin = stack.enter_context(origin_in_thread(tls))
            origin.bytes("/picture.jpg", PICTURE)
            return origin

        yield start
    gc.collect()  # what the refused handshakes left, while it is still this test's


async def test_picture_is_fetched_by_tls(
    server: ServerProcess, serve: Serve, authority: trustme.CA
) -> None:
    origin = serve(authority.issue_cert("localhost"))
    origin.answer("/moved", redirect(origin.url("/picture.jpg", "localhost")))

    async with ClientSession(server.url) as client:
        answer = await ask(client, imageUrl=origin.url("/moved", "localhost"))

    assert answer["status"] == "completed"
    assert answer["variants"][0]["width"] == 64


@pytest.mark.parametrize("words", BAD)
async def test_picture_is_not_fetched_where_the_certificate_is_not_good(
    server: ServerProcess, serve: Serve, authority: trustme.CA, words: str
) -> None:
    origin = serve(BAD[words](authority, trustme.CA()))

    async with ClientSession(server.url) as client:
        url = origin.url("/picture.jpg", "localhost")
        async with client.post("/process", json={"imageUrl": url}) as response:
            answer = await response.json()

    assert answer["type"] == "/problems/fetch_failed"
    assert answer["detail"] == f"The certificate of the server {words}."
    assert not origin.hits


async def test_webhook_is_told_by_tls(
    server: ServerProcess, serve: Serve, authority: trustme.CA
) -> None:
    receiver = Receiver(serve(authority.issue_cert("localhost")))
    receiver.at("/told")

    async with ClientSession(server.url) as client:
        job_id = await upload_and_tell(client, receiver)

    await eventually(receiver.has("/told"))
    assert receiver.messages["/told"][0].said["data"]["jobId"] == job_id


@pytest.mark.parametrize("words", BAD)
async def test_webhook_is_not_told_where_the_certificate_is_not_good(
    server: ServerProcess, serve: Serve, authority: trustme.CA, words: str
) -> None:
    receiver = Receiver(serve(BAD[words](authority, trustme.CA())))
    receiver.at("/told")
    async with ClientSession(server.url) as client:
        job_id = await upload_and_tell(client, receiver)
        told = await first_attempt(client, job_id)
        assert (await status_of(client, job_id))["status"] == "completed"

    assert told["error"] == f"The certificate of the receiver {words}."
    assert not receiver.messages["/told"]


async def upload_and_tell(client: ClientSession, receiver: Receiver) -> str:
    """The id of a job whose end is to be told at /told."""
    data = form(("a.jpg", PICTURE), callbackUrl=receiver.origin.url("/told", "localhost"))
    async with client.post("/upload", data=data) as response:
        assert response.status == 200
        return str((await response.json())["jobId"])


async def first_attempt(client: ClientSession, job_id: str) -> dict[str, Any]:
    """What came of the first attempt to deliver the one webhook of a job, waited for."""
    for _ in range(200):
        async with client.get("/webhooks/deliveries", params={"job": job_id}) as response:
            [delivery] = (await response.json())["deliveries"]
        if delivery["lastAttempt"]:
            first: dict[str, Any] = delivery["lastAttempt"]
            return first
    raise AssertionError("nothing was tried")
