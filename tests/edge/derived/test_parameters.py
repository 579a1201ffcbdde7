"""GET /image/{id}?width=…: made as the address says, if that is signed."""

import asyncio
import subprocess
import sys
import time

import pytest
from aiohttp import ClientSession
from yarl import URL

from server.edge.hosting.derive_wish import WORDS
from tests.edge.derived.asking import NOBODYS, code_of, image_of, made_of, send, sign
from tests.edge.gated import bearer
from tests.edge.problem import problem
from tests.edge.traces import eventually
from tests.patience import PATIENCE_S
from tests.server_process import PROJECT, ServerProcess


async def test_parameters_are_taken_if_they_are_signed(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner)
    wanted = {"width": 30, "height": 20, "fit": "cover", "format": "png", "gravity": "north"}
    assert await code_of(client, f"/image/{image_id}?width=30") == (403, "signature_missing")

    urls = [
        await sign(owner, image_id, parameters=wanted),
        await sign(owner, image_id, parameters=wanted, expiresIn=60),
        await sign(owner, image_id, parameters={**wanted, "width": 15, "height": "10", "dpr": 2}),
        await sign(owner, image_id, parameters={"options": {"format": "png", "resize": {
            "width": 30, "height": 20, "fit": "cover", "gravity": "north"}}}),
    ]  # fmt: skip
    for url in urls:
        turned = "&".join(reversed(url.raw_query_string.split("&")))
        for one in (url, URL(f"{url.path}?{turned}", encoded=True)):
            async with client.get(one) as response:
                image = await image_of(response)
            assert (image.format, image.size) == ("PNG", (30, 20))
            assert "immutable" in response.headers["Cache-Control"]

    assert len(made_of(server, image_id)) == 1
    assert "expires" not in urls[0].query
    assert urls[0] == await sign(owner, image_id, parameters=wanted)  # so that caches find it


async def test_a_changed_or_late_address_makes_nothing(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner)
    url = str(await sign(owner, image_id, parameters={"width": 30}))
    for wrong in (url.replace("=30", "=31"), f"{url}&height=9", f"{url}&width=30"):
        told = await code_of(client, URL(wrong, encoded=True))
        assert told == (403, "signature_wrong")
    for other in (f"/image/{image_id}/thumb", f"/image/{await send(owner)}"):
        assert await code_of(
            client, URL(url.replace(f"/image/{image_id}", other), encoded=True)
        ) in (
            (403, "signature_wrong"),
            (400, "bad_request"),
        )
    short = await sign(owner, image_id, parameters={"width": 30}, expiresIn=1)
    await eventually(lambda: time.time() >= int(short.query["expires"]))

    assert await code_of(client, short) == (410, "signature_expired")
    assert made_of(server, image_id) == {}


async def test_an_address_without_an_end_opens_no_private_picture(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner, private="true")
    by_command = await asyncio.to_thread(_signed_by_command, server, image_id, "width=30")
    assert "expires" not in by_command.query

    assert await code_of(client, by_command) == (404, "not_found")
    signed = await sign(owner, image_id, parameters={"width": 30})
    assert "expires" in signed.query
    async with client.get(signed) as response:
        assert (await image_of(response)).width == 30
    async with owner.get(by_command) as response:
        assert (await image_of(response)).width == 30


async def test_the_command_signs_parameters(
    server: ServerProcess, client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner)
    url = await asyncio.to_thread(_signed_by_command, server, image_id, "width=9", "format=png")
    async with client.get(url) as response:
        image = await image_of(response)

    assert (image.format, image.width) == ("PNG", 9)


def _signed_by_command(server: ServerProcess, image_id: str, *pairs: str) -> URL:
    flags = [part for pair in pairs for part in ("--set", pair)]
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "server",
            "sign",
            image_id,
            "--data-dir",
            str(server.data_dir),
            *flags,
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return URL(ended.stdout.strip(), encoded=True)


@pytest.mark.parametrize(
    ("wish", "status", "part"),
    [
        ({"parameters": {"width": 0}}, 422, "resize.width"),
        ({"parameters": {"width": "wide"}}, 422, "whole number"),
        ({"parameters": {"widht": 9}}, 400, "widht"),
        ({"parameters": {"width": [9]}}, 400, "parameters.width"),
        ({"parameters": {"fit": "cover"}}, 422, "width"),
        ({"parameters": {"dpr": 2}}, 422, "dpr"),
        ({"parameters": {"width": 9, "dpr": 99}}, 422, "dpr"),
        ({"parameters": {"options": "{"}}, 422, "options"),
        ({"parameters": {"options": {"width": 10**30}}}, 422, "options"),
        ({"parameters": {"options": {}, "width": 9}}, 422, "alone"),
        ({"parameters": {"width": 9}, "variant": "thumb"}, 400, "variant"),
        ({"parameters": [1]}, 400, "parameters"),
    ],
)
async def test_what_makes_no_sense_is_not_signed(
    owner: ClientSession, wish: object, status: int, part: str
) -> None:
    async with owner.post(f"/image/{NOBODYS}/sign", json=wish) as response:
        found = await problem(response)

    assert found["status"] == status
    assert part in found["detail"]


async def test_who_may_not_bring_pictures_may_not_have_them_made(client: ClientSession) -> None:
    wish = {"parameters": {"width": 9}}
    async with client.post(
        f"/image/{NOBODYS}/sign", json=wish, headers=bearer("reader")
    ) as response:
        assert (await problem(response))["code"] == "scope_missing"


async def test_a_download_needs_no_signature_and_can_have_one(
    client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner)
    signed = await sign(owner, image_id, parameters={"width": 9, "download": "small one"})
    for url in (signed, f"/image/{image_id}/thumb?download=small%20one"):
        async with client.get(url) as response:
            assert (await image_of(response)).width in (9, 20)
            assert "small one" in response.headers["Content-Disposition"]


async def test_words_belong_to_the_picture_alone(
    client: ClientSession, owner: ClientSession
) -> None:
    image_id = await send(owner)
    assert await code_of(client, f"/image/{image_id}/thumb?width=9") == (400, "bad_request")


async def test_the_contract_tells_every_word(client: ClientSession) -> None:
    async with client.get("/openapi.json") as response:
        told = (await response.json())["paths"]["/image/{id}"]["get"]["parameters"]

    assert set(WORDS) <= {one["name"] for one in told if one["in"] == "query"}
