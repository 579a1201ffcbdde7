"""POST /zip: the results of chosen pictures, however they came; GET /config."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests import server_process
from tests.edge.forms import form, upload
from tests.edge.gated import bearer, key_of, settings
from tests.edge.pictures import jpeg, png
from tests.edge.problem import problem
from tests.edge.test_zip_out import content
from tests.server_process import ServerProcess

LOGO_BYTES = png(12, 12)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with keys, a watermark and archives of at most three."""
    folder = tmp_path_factory.mktemp("keyed")
    logo = folder / "logo.png"
    logo.write_bytes(LOGO_BYTES)
    server = server_process.start(
        folder / "data",
        environment=settings(public_images=True)
        | {
            "SAFELIGHT_ARCHIVE__MAX_ENTRIES": "3",
            "SAFELIGHT_ASSETS": json.dumps({"logo": str(logo)}),
        },
    )
    yield server
    server.close()


async def brought(client: ClientSession, name: str, body: bytes, **headers: str) -> str:
    data = form((name, body), options='{"format":"png"}')
    async with client.post("/upload", data=data, headers=headers) as response:
        assert response.status == 200, await response.text()
        image_id: str = (await response.json())["imageId"]
    return image_id


async def refused(client: ClientSession, body: Any, **headers: str) -> dict[str, Any]:
    async with client.post("/zip", json=body, headers=headers) as response:
        return await problem(response)


async def test_chosen_pictures_are_packed_in_the_order_asked_for(client: ClientSession) -> None:
    one = (await upload(client, jpeg(40, 30), options={"format": "png"}))["imageId"]
    other = (await upload(client, jpeg(30, 40), options={"format": "webp"}))["imageId"]

    async with client.post("/zip", json={"imageIds": [other, one, other]}) as response:
        assert response.status == 200
        assert response.headers["Content-Disposition"] == 'attachment; filename="safelight.zip"'
        found = content(await response.read())

    assert [Path(name).suffix for name in found] == [".webp", ".png"]


async def test_a_wrong_selection_is_refused_in_words(client: ClientSession) -> None:
    for body in ({}, {"imageIds": []}, {"imageIds": [1]}, {"imageIds": ["a"], "more": 1}, []):
        assert (await refused(client, body))["code"] == "bad_request"
    unknown = await refused(client, {"imageIds": ["nobody", "knows"]})

    assert (unknown["status"], unknown["code"]) == (404, "not_found")


async def test_pictures_of_others_are_not_packed(keyed: ServerProcess) -> None:
    async with ClientSession(keyed.url) as client:
        mine = await brought(client, "mine.png", png(9, 9), **bearer("ci"))
        theirs = await brought(client, "theirs.png", png(8, 8), **bearer("other"))
        chosen = {"imageIds": [mine, theirs]}
        async with client.post("/zip", json=chosen, headers=bearer("ci")) as response:
            own = content(await response.read())
        async with client.post("/zip", json=chosen, headers=bearer("boss")) as response:
            everything = content(await response.read())
        nothing = await refused(client, {"imageIds": [theirs]}, **bearer("ci"))
        stranger = await refused(client, chosen)
        too_many = await refused(client, {"imageIds": ["a", "b", "c", "d"]}, **bearer("ci"))
        too_long = await refused(client, {"imageIds": ["a" * 60] * 50}, **bearer("ci"))

    assert list(own) == ["mine.png"]
    assert list(everything) == ["mine.png", "theirs.png"]
    assert (nothing["code"], stranger["code"]) == ("not_found", "key_missing")
    assert (too_many["code"], too_many["limit"]) == ("too_many_files", 3)
    assert too_long["code"] == "too_large"


async def test_config_tells_limits_names_and_what_the_key_may_do(keyed: ServerProcess) -> None:
    async with ClientSession(keyed.url) as client:
        async with client.get("/config") as response:
            open_to_all = await response.json()
        async with client.get("/config", headers=bearer("ci")) as response:
            with_key = await response.json()
        wrong = {"Authorization": f"Bearer {key_of('nobody')}"}
        async with client.get("/config", headers=wrong) as response:
            unknown = await problem(response)

    assert (open_to_all["keyNeeded"], open_to_all["key"]) == (True, None)
    assert with_key["key"] == {"name": "ci", "scopes": ["read", "upload"]}
    assert (with_key["watermarks"], with_key["fonts"]) == (["logo"], [])
    assert (with_key["maxZipEntries"], with_key["directUploads"]) == (3, False)
    assert unknown["code"] == "key_wrong"
