"""tus as a client speaks it, one request a function."""

import io
from base64 import b64encode
from collections.abc import Mapping

from aiohttp import ClientResponse, ClientSession

VERSION = {"Tus-Resumable": "1.0.0"}
OFFSET_STREAM = {"Content-Type": "application/offset+octet-stream"}


def metadata(**fields: str) -> str:
    """Upload-Metadata."""
    return ",".join(
        f"{name} {b64encode(value.encode()).decode()}" for name, value in fields.items()
    )


async def send(
    client: ClientSession,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> ClientResponse:
    """Any request of this version, answered whole."""
    async with client.request(
        method,
        path,
        data=body if body is None else io.BytesIO(body),
        headers=VERSION | dict(headers or {}),
        skip_auto_headers=["Content-Type"],
    ) as response:
        await response.read()
    return response


async def create(
    client: ClientSession, length: int, *, begin: bytes | None = None, **fields: str
) -> ClientResponse:
    """A new upload, with its first bytes if there are some."""
    headers = {"Upload-Length": str(length)}
    if fields:
        headers["Upload-Metadata"] = metadata(**fields)
    if begin is not None:
        headers |= OFFSET_STREAM
    return await send(client, "POST", "/files", begin, headers)


async def begun(client: ClientSession, length: int, **fields: str) -> str:
    """The address of a new upload."""
    response = await create(client, length, **fields)
    assert response.status == 201, await response.text()
    return response.headers["Location"]


async def patch(
    client: ClientSession, path: str, offset: int, body: bytes, **headers: str
) -> ClientResponse:
    """More bytes."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = OFFSET_STREAM | {"Upload-Offset": str(offset)} | more
    return await send(client, "PATCH", path, body, sent)


async def offset_of(client: ClientSession, path: str) -> int:
    """How far an upload is."""
    response = await send(client, "HEAD", path)
    assert response.status == 200
    return int(response.headers["Upload-Offset"])
