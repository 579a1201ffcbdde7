"""Whatever comes as a list: never a 5xx, and as many jobs as were counted, each to its end."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.jobs import names
from tests.conftest import SERVERS
from tests.edge.forms import end_of
from tests.edge.traces import eventually, is_idle, redis_of, traces
from tests.intake.asking import NDJSON
from tests.intake.conftest import MAX_LINE_BYTES
from tests.intake.origin import Origin
from tests.server_process import ServerProcess

Anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)
PLACEHOLDER = "http://origin.invalid"
URLS = st.sampled_from(["/picture.jpg", "/none", "/text"]).map(lambda path: PLACEHOLDER + path)
GOOD = st.fixed_dictionaries(
    {"imageUrl": URLS}, optional={"name": st.text(max_size=30), "options": st.just({"flip": True})}
)
ODD = st.fixed_dictionaries(
    {}, optional={name: Anything | URLS for name in ("imageUrl", "imageId", "name", "options", "x")}
)
LINE = st.one_of(
    GOOD.map(json.dumps).map(str.encode),
    ODD.map(json.dumps).map(str.encode),
    Anything.map(json.dumps).map(str.encode),
    st.binary(max_size=40),
    st.integers(min_value=1, max_value=4).map(lambda times: b'{"a":' * times * MAX_LINE_BYTES),
)
BODY = st.lists(LINE, max_size=12).map(b"\n".join)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=BODY, cuts=st.lists(st.integers(min_value=0, max_value=3000), max_size=6))
def test_no_list_breaks_anything(
    body: bytes,
    cuts: list[int],
    fetch_server: ServerProcess,
    origin: Origin,
    request: pytest.FixtureRequest,
) -> None:
    request.node.stash[SERVERS] = [fetch_server]
    origin.bytes("/text", b"no picture")
    body = body.replace(PLACEHOLDER.encode(), origin.url("").encode())

    answer, batch = asyncio.run(_send(fetch_server, body, sorted(cuts)))

    if batch is not None:
        assert batch["total"] == len(batch["images"]) == answer["accepted"] > 0
        assert batch["counts"]["completed"] + batch["counts"]["failed"] == batch["total"]
    with redis_of(fetch_server) as redis:
        assert redis.zcard(names.OPEN) == 0


async def _send(
    server: ServerProcess, body: bytes, cuts: list[int]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The answer, and the batch at its end if there is one; a refused list left nothing."""
    parts = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]

    async def chunks() -> Any:
        for part in parts:
            if part:
                yield part

    await eventually(lambda: is_idle(server))
    before = traces(server)
    async with ClientSession(server.url) as client:
        async with client.post("/process", data=chunks(), headers=NDJSON) as response:
            answer = await response.json()
        assert response.status in (202, 400, 404, 413, 422), answer
        if response.status != 202:
            assert traces(server).counters == before.counters
            assert traces(server).keys <= before.keys
            return answer, None
        batch = await end_of(client, answer["jobId"])
    await eventually(lambda: is_idle(server))
    return answer, batch
