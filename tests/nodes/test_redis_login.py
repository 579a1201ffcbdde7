"""A Redis behind TLS whose user may do what docs/growing.md lists: the service needs no more."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import ClientSession
from redis import Redis

from server.jobs.connection import command_client
from tests import server_process
from tests.edge.forms import AT_ONCE, end_of, form
from tests.edge.pictures import jpeg
from tests.nodes.fleet import START_S, valkey
from tests.patience import PATIENCE_S
from tests.ports import free_ports
from tests.server_process import PROJECT

HOST = "127.0.0.1"
PASSWORD = "darkroom-password"
_RULE = re.compile(r"^ACL SETUSER safelight (.*)$", re.MULTILINE)


def rule_of_the_docs() -> list[str]:
    """What docs/growing.md tells an operator to type, with our password in it."""
    found = _RULE.search((PROJECT / "docs" / "growing.md").read_text())
    assert found is not None
    return [f">{PASSWORD}" if one.startswith(">") else one for one in found[1].split()]


@asynccontextmanager
async def behind_tls(port: int, folder: Path) -> AsyncIterator[tuple[int, Path]]:
    """A TLS end in front of a port; its own port, and the certificate of its authority."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    trusted = folder / "authority.pem"
    authority.cert_pem.write_to_path(trusted)

    async def pass_on(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while some := await source.read(65536):
                to.write(some)
                await to.drain()
        finally:
            to.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(HOST, port)
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, HOST, 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], trusted


async def test_the_listed_rights_are_enough_and_tls_is_spoken(tmp_path: Path) -> None:
    port = free_ports(("valkey",))["valkey"]
    with valkey(tmp_path, HOST, port), Redis(host=HOST, port=port, decode_responses=True) as boss:
        boss.execute_command("ACL", "SETUSER", "safelight", *rule_of_the_docs())
        async with behind_tls(port, tmp_path) as (tls_port, trusted):
            url = f"rediss://safelight:{PASSWORD}@{HOST}:{tls_port}/0?ssl_ca_certs={trusted}"
            await _does_everything(url, tmp_path)
        denied = boss.execute_command("ACL", "LOG")
        users = {one["user"] for one in boss.client_list()}

    assert denied == []
    assert users == {"default"}  # the service has left


async def _does_everything(url: str, tmp_path: Path) -> None:
    environment = {"SAFELIGHT_REDIS__URL": url, "SAFELIGHT_AI__ENABLED": "false"}
    server = await asyncio.to_thread(
        server_process.start, tmp_path / "node" / "data", environment=environment, within_s=START_S
    )
    try:
        async with ClientSession(server.url) as session:
            files = [(f"{n}.jpg", jpeg(100 + n)) for n in range(3)]
            headers = AT_ONCE | {"Idempotency-Key": '"once"'}
            async with session.post("/upload", data=form(*files), headers=headers) as response:
                batch = await response.json()
            assert (await end_of(session, batch["jobId"]))["status"] == "completed"
            image_id = batch["images"][0]["imageId"]
            for method, path, wanted in (
                ("GET", f"/image/{image_id}", 200),
                ("GET", f"/image/{image_id}/thumb", 200),
                ("GET", "/jobs", 200),
                ("GET", "/health", 200),
                ("GET", "/webhooks/deliveries", 200),
                ("DELETE", f"/image/{image_id}", 204),
                ("DELETE", f"/job/{batch['jobId']}", 200),
            ):
                async with session.request(method, path) as response:
                    assert response.status == wanted, (path, await response.text())
            async with session.ws_connect("/ws") as socket:
                await socket.send_json({"type": "subscribe", "topic": "system"})
                assert (await socket.receive_json(timeout=PATIENCE_S))["type"] == "system"
    finally:
        await asyncio.to_thread(server.close)


async def test_a_certificate_that_nobody_trusts_is_not_spoken_with(tmp_path: Path) -> None:
    port = free_ports(("valkey",))["valkey"]
    with valkey(tmp_path, HOST, port):
        async with (
            behind_tls(port, tmp_path) as (tls_port, _),
            command_client(f"rediss://{HOST}:{tls_port}", timeout_s=2) as redis,
        ):
            with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
                await redis.ping()
