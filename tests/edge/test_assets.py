"""Watermarks: by a name from config.toml, or a picture that was uploaded before."""

import io
from pathlib import Path

from aiohttp import ClientSession
from PIL import Image

from tests.conftest import StartServer
from tests.edge.forms import form, upload
from tests.edge.problem import problem

GREY, RED = (128, 128, 128), (255, 0, 0)


def plain(colour: tuple[int, int, int], side: int) -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(encoded, "PNG")
    return encoded.getvalue()


async def corner(client: ClientSession, url: str) -> tuple[int, ...]:
    async with client.get(url) as response:
        return Image.open(io.BytesIO(await response.read())).convert("RGB").getpixel((197, 197))


async def test_watermarks_come_from_the_settings_or_from_an_earlier_upload(
    start_server: StartServer, tmp_path: Path
) -> None:
    (tmp_path / "red.png").write_bytes(plain(RED, 20))
    (tmp_path / "safelight.toml").write_text(f'[assets]\nlogo = "{tmp_path / "red.png"}"\n')
    server = start_server("--config", str(tmp_path / "safelight.toml"))
    place = {"gravity": "southeast", "margin": 0}

    async with ClientSession(server.url) as client:
        earlier = await upload(client, plain(RED, 20), options={"format": "png"})
        answers = [
            await upload(client, plain(GREY, 200), options={"format": "png", "watermark": mark})
            for mark in (place | {"asset": "logo"}, place | {"imageId": earlier["imageId"]})
        ]
        corners = [await corner(client, answer["url"]) for answer in answers]
        unknown = form(("a.png", plain(GREY, 9)), options='{"watermark":{"asset":"seal"}}')
        async with client.post("/upload", data=unknown) as response:
            refused = await problem(response)

    assert corners == [RED, RED]
    assert (refused["status"], refused["code"]) == (422, "bad_options")
    assert refused["detail"] == "watermark.asset: expected one of logo; got 'seal'."
