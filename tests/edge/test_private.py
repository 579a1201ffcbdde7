"""Private pictures: for their owner and for who holds a signed URL; for others there are none."""

import asyncio
import subprocess
import sys
import time
from typing import Any

import pytest
from aiohttp import ClientSession
from yarl import URL

from tests.conftest import StartServer
from tests.edge.forms import form
from tests.edge.gated import bearer, settings
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.patience import PATIENCE_S
from tests.server_process import PROJECT, ServerProcess

NOBODYS = "a" * 24


async def upload(client: ClientSession, name: str = "ci", **fields: str) -> dict[str, Any]:
    """A picture of its own, private unless said otherwise."""
    data = form(("a.jpg", jpeg()), **({"private": "true"} | fields))
    async with client.post("/upload", data=data, headers=bearer(name)) as response:
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
    return answer


async def refusal(client: ClientSession, url: str, **headers: str) -> tuple[int, str, str]:
    async with client.get(URL(url, encoded=True), headers=headers) as response:
        told = await problem(response)
        return response.status, told["code"], told["detail"]


async def test_a_private_picture_is_not_there_for_others(keyed: ClientSession) -> None:
    image_id = (await upload(keyed))["imageId"]

    unknown = await refusal(keyed, f"/image/{NOBODYS}")
    for path in (f"/image/{image_id}", f"/image/{image_id}/default", f"/image/{image_id}/no"):
        for headers in ({}, bearer("other")):
            status, code, detail = await refusal(keyed, path, **headers)
            assert (status, code, detail.replace(image_id, NOBODYS)) == unknown


async def test_its_owner_and_an_admin_see_it_and_no_cache_keeps_it(keyed: ClientSession) -> None:
    image_id = (await upload(keyed))["imageId"]

    for name in ("ci", "boss"):
        async with keyed.get(f"/image/{image_id}", headers=bearer(name)) as response:
            assert response.status == 200
            assert response.headers["Cache-Control"] == "private, no-store"


async def test_answers_about_it_have_addresses_that_open(keyed: ClientSession) -> None:
    answer = await upload(
        keyed, options='{"responsive": {"widths": [16, 32], "formats": ["webp"]}}'
    )
    async with keyed.get(f"/status/{answer['jobId']}", headers=bearer("ci")) as response:
        status = await response.json()
    async with keyed.ws_connect("/ws", headers=bearer("ci")) as socket:
        await socket.send_json({"type": "subscribe", "jobId": answer["jobId"]})
        event = await socket.receive_json()

    for told in (answer, status, event):
        urls = [told["url"], *(variant["url"] for variant in told["variants"])]
        for url in urls:
            assert "signature=" in url
            async with keyed.get(URL(url, encoded=True)) as response:
                assert response.status == 200, url
                assert response.headers["Cache-Control"] == "private, no-store"
    assert "&amp;signature=" in answer["html"]


async def test_a_public_picture_has_a_plain_address(keyed: ClientSession) -> None:
    answer = await upload(keyed, private="false")

    assert answer["url"] == f"/image/{answer['imageId']}"
    async with keyed.get(answer["url"]) as response:
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def sign(
    client: ClientSession, image_id: str, name: str = "ci", **wish: object
) -> dict[str, Any]:
    async with client.post(f"/image/{image_id}/sign", json=wish, headers=bearer(name)) as response:
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
    return answer


async def test_who_holds_a_signed_url_needs_no_key(keyed: ClientSession) -> None:
    image_id = (await upload(keyed))["imageId"]
    for signed in (
        await sign(keyed, image_id, expiresIn=60),
        await sign(keyed, image_id, variant="default"),
        await sign(keyed, image_id, name="boss"),
    ):
        async with keyed.get(URL(signed["url"], encoded=True)) as response:
            assert response.status == 200
        async with keyed.head(URL(signed["url"], encoded=True)) as response:
            assert response.status == 200
        assert signed["expiresAt"].endswith("Z")


async def test_a_signed_url_opens_this_picture_alone(keyed: ClientSession) -> None:
    image_id, another = [(await upload(keyed))["imageId"] for _ in range(2)]
    url = (await sign(keyed, image_id))["url"]
    query = url.partition("?")[2]

    for wrong in (
        f"/image/{another}?{query}",
        f"/image/{NOBODYS}?{query}",
        f"/image/{image_id}/default?{query}",
        url.replace("expires=1", "expires=2"),
        url[:-1] + ("A" if url[-1] != "A" else "B"),
        f"{url}&width=9",
        f"{url}&{query}",
        f"/image/{image_id}?signature=",
        f"/image/{image_id}?signature=%ff%00",
    ):
        assert (await refusal(keyed, wrong))[:2] == (403, "signature_wrong"), wrong


async def test_a_signed_url_ends(keyed: ClientSession) -> None:
    image_id = (await upload(keyed))["imageId"]
    url = (await sign(keyed, image_id, expiresIn=1))["url"]
    until = time.time() + 5
    found = None
    while time.time() < until:
        async with keyed.get(URL(url, encoded=True)) as response:
            found = response.status
        if found == 410:
            break

    assert (await refusal(keyed, url))[:2] == (410, "signature_expired")


@pytest.mark.parametrize(
    ("wish", "part"),
    [
        (b'{"expiresIn": 0}', "expiresIn"),
        (b'{"expiresIn": 86401}', "86400"),
        (b'{"expiresIn": "60"}', "expiresIn"),
        (b'{"expiresIn": 1e99}', "expiresIn"),
        (b'{"variant": "../x"}', "variant"),
        (b'{"colour": 1}', "colour"),
        (b"[]", "body"),
        (b"{", "body"),
        (b'"' + b"x" * 5000 + b'"', "4096"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused(
    keyed: ClientSession, wish: bytes, part: str
) -> None:
    async with keyed.post(f"/image/{NOBODYS}/sign", data=wish, headers=bearer("ci")) as response:
        assert response.status == 400
        assert part in (await problem(response))["detail"]


async def test_nobody_signs_for_the_picture_of_another(keyed: ClientSession) -> None:
    image_id = (await upload(keyed))["imageId"]
    async with keyed.post(f"/image/{image_id}/sign", headers=bearer("other")) as response:
        another = (await problem(response))["detail"].replace(image_id, NOBODYS)
    async with keyed.post(f"/image/{NOBODYS}/sign", headers=bearer("other")) as response:
        assert (response.status, (await problem(response))["detail"]) == (404, another)


async def test_the_command_signs_without_the_server(
    keyed: ClientSession, keyed_server: ServerProcess
) -> None:
    image_id = (await upload(keyed))["imageId"]
    command = [sys.executable, "-m", "server", "sign", image_id, "--variant", "default"]
    ended = await asyncio.to_thread(
        subprocess.run,
        [*command, "--expires-in", "60", "--data-dir", str(keyed_server.data_dir)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )

    assert ended.returncode == 0, ended.stderr
    async with keyed.get(URL(ended.stdout.strip(), encoded=True)) as response:
        assert response.status == 200


async def test_the_watermark_of_another_is_no_way_to_his_picture(keyed: ClientSession) -> None:
    image_id = (await upload(keyed))["imageId"]
    options = f'{{"watermark": {{"imageId": "{image_id}"}}}}'
    data = form(("a.jpg", jpeg()), options=options)
    async with keyed.post("/upload", data=data, headers=bearer("other")) as response:
        assert response.status == 422, await response.text()
        assert (await problem(response))["code"] == "asset_not_found"
    async with keyed.post(
        "/upload", data=form(("a.jpg", jpeg()), options=options), headers=bearer("ci")
    ) as response:
        assert response.status == 200


async def test_without_keys_its_bringer_sees_it_by_the_signed_url(client: ClientSession) -> None:
    data = form(("a.jpg", jpeg()), private="true")
    async with client.post("/upload", data=data) as response:
        answer = await response.json()

    async with client.get(URL(answer["url"], encoded=True)) as response:
        assert response.status == 200
    async with client.get(f"/image/{answer['imageId']}") as response:
        assert response.status == 200  # the same address brought it


async def test_where_no_picture_is_public_all_are_as_if_private(start_server: StartServer) -> None:
    server = start_server(**settings(public_images=False))
    async with ClientSession(server.url) as client:
        answer = await upload(client, private="false")
        image_id = answer["imageId"]

        assert (await refusal(client, f"/image/{image_id}"))[:2] == (401, "key_missing")
        assert (await refusal(client, f"/image/{NOBODYS}"))[:2] == (401, "key_missing")
        uploader = await refusal(client, f"/image/{image_id}", **bearer("uploader"))
        assert uploader[:2] == (403, "scope_missing")
        assert (await refusal(client, f"/image/{image_id}", **bearer("other")))[0] == 404
        for url, headers in ((answer["url"], {}), (f"/image/{image_id}", bearer("ci"))):
            async with client.get(URL(url, encoded=True), headers=headers) as response:
                assert response.status == 200
                assert response.headers["Cache-Control"] == "private, no-store"
        options = f'{{"watermark": {{"imageId": "{image_id}"}}}}'
        data = form(("a.jpg", jpeg()), options=options)
        async with client.post("/upload", data=data, headers=bearer("other")) as response:
            assert (await problem(response))["code"] == "asset_not_found"
