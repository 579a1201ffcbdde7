"""recipes.presets_only: clients name a preset and nothing else."""

import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from tests import server_process
from tests.edge.forms import form
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually, is_idle, traces
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Takes presets only."""
    server = server_process.start(
        tmp_path_factory.mktemp("presets-only") / "data",
        environment={"SAFELIGHT_RECIPES__PRESETS_ONLY": "true"},
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def presets_only(server: ServerProcess) -> AsyncIterator[ClientSession]:
    """Talks to it."""
    async with ClientSession(server.url) as session:
        yield session


async def test_a_preset_is_done(presets_only: ClientSession) -> None:
    data = form(("a.jpg", jpeg(640, 480)), preset="thumb")
    async with presets_only.post("/upload", data=data) as response:
        answer = await response.json()

    assert (response.status, answer["variants"][0]["width"]) == (200, 320)


@pytest.mark.parametrize("options", [{"format": "png"}, {}, None], ids=["own", "empty", "none"])
async def test_whatever_is_no_preset_is_refused_and_leaves_nothing(
    presets_only: ClientSession, server: ServerProcess, options: object
) -> None:
    await eventually(lambda: is_idle(server))
    before = traces(server)
    fields: dict[str, str] = {} if options is None else {"options": json.dumps(options)}
    async with presets_only.post("/upload", data=form(("a.jpg", jpeg()), **fields)) as response:
        found = await problem(response)

    assert (found["status"], found["code"]) == (403, "presets_only")
    assert "thumb" in found["detail"]
    assert traces(server) == before


async def test_options_beside_a_preset_are_refused(presets_only: ClientSession) -> None:
    data = form(("a.jpg", jpeg()), preset="thumb", options="{}")
    async with presets_only.post("/upload", data=data) as response:
        assert (await problem(response))["code"] == "bad_options"


async def test_a_raw_body_is_no_way_round(presets_only: ClientSession) -> None:
    headers = {"Content-Type": "image/jpeg"}
    async with presets_only.post("/upload", data=jpeg(), headers=headers) as response:
        assert (await problem(response))["code"] == "presets_only"


async def test_presets_are_told(presets_only: ClientSession, client: ClientSession) -> None:
    told = {}
    for name, session in (("only", presets_only), ("also", client)):
        async with session.get("/presets") as response:
            told[name] = await response.json()

    assert [told["only"]["presetsOnly"], told["also"]["presetsOnly"]] == [True, False]
    thumb = told["only"]["presets"]["thumb"]
    assert thumb["resize"] == {
        "width": 320,
        "height": 320,
        "fit": "cover",
        "gravity": "attention",
    }
    data = form(("a.jpg", jpeg(640, 480)), options=json.dumps(thumb))
    async with client.post("/upload", data=data) as response:  # a preset is a recipe like any
        assert (await response.json())["variants"][0]["width"] == 320
