"""What tests of webhooks share: a receiver, and a server that may call it."""

import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from tests import server_process
from tests.conftest import SERVERS
from tests.server_process import ServerProcess
from tests.webhooks.receiver import Receiver, receiver_in_thread

SECRETS = (
    "whsec_bmV3ZXIgc2VjcmV0IG9mIHRlc3RzLCAyNCBieXRlcysgbG9uZw==",
    "whsec_b2xkZXIgc2VjcmV0IG9mIHRlc3RzLCAyNCBieXRlcysgbG9uZw==",
)
CRM_SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgY3JtJ3MgZW5kcG9pbnQsIGxvbmc="
LOOPBACK = {
    "SAFELIGHT_WEBHOOKS__ALLOW_NETWORKS": '["127.0.0.1/32"]',
    "SAFELIGHT_WEBHOOKS__PORTS": "[0]",
    "SAFELIGHT_WEBHOOKS__SECRETS": json.dumps(SECRETS),
    "SAFELIGHT_WEBHOOKS__TIMEOUT_S": "5",
    "SAFELIGHT_WEBHOOKS__RETRY_AFTER_S": "[0.1, 0.1, 0.1]",
    "SAFELIGHT_FETCH__ALLOW_NETWORKS": '["127.0.0.1/32"]',
    "SAFELIGHT_FETCH__PORTS": "[0]",
}


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """One receiver for all tests; each takes paths of its own."""
    with receiver_in_thread() as one:
        yield one


@pytest.fixture(scope="session")
def telling_server(
    tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> Iterator[ServerProcess]:
    """May call loopback, and tells an endpoint of each failed job."""
    crm = {"url": receiver.at("/crm"), "secret": CRM_SECRET, "events": ["job.failed"]}
    server = server_process.start(
        tmp_path_factory.mktemp("telling-server") / "data",
        environment={
            **LOOPBACK,
            "SAFELIGHT_WEBHOOKS__ENDPOINTS": json.dumps({"crm": crm}),
            "SAFELIGHT_WEBHOOKS__PUBLIC_URL": "https://pictures.example",
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def client(
    telling_server: ServerProcess, request: pytest.FixtureRequest
) -> AsyncIterator[ClientSession]:
    """Talks to the server that calls back."""
    request.node.stash[SERVERS] = [telling_server]
    async with ClientSession(telling_server.url) as session:
        yield session
