"""Pages of other origins: those that are listed may call, all others are refused by name."""

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from tests.edge.forms import form
from tests.edge.gated import LISTED, bearer
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.wire import exchange, head
from tests.server_process import ServerProcess

FOREIGN = "https://evil.example"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}


@pytest.mark.parametrize("path", ["/upload", "/image/abc", "/nowhere"])
async def test_a_listed_page_may_ask_without_a_key(keyed: ClientSession, path: str) -> None:
    async with keyed.options(path, headers={"Origin": LISTED, **ASKS}) as response:
        assert response.status == 204
        headers = response.headers

    assert headers["Access-Control-Allow-Origin"] == LISTED
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert {"X-Api-Key", "Authorization", "Idempotency-Key"} <= set(
        headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert headers["Access-Control-Max-Age"] == "600"
    assert "Origin" in headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize("origin", [FOREIGN, "null", "", f"{LISTED}.evil.example", LISTED + "/"])
async def test_another_page_may_not(keyed: ClientSession, origin: str) -> None:
    async with keyed.options("/upload", headers={"Origin": origin, **ASKS}) as response:
        assert response.status == 403
        assert (await problem(response))["code"] == "origin_denied"
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_listed_page_may_read_answers_and_refusals(keyed: ClientSession) -> None:
    data = form(("a.jpg", jpeg()))
    headers = {**bearer("ci"), "Origin": LISTED}
    async with keyed.post("/upload", data=data, headers=headers) as response:
        assert response.status == 200
        image_id = (await response.json())["imageId"]
        answers = [response.headers]
    for path in ("/status/none", "/nowhere", f"/image/{image_id}"):
        async with keyed.get(path, headers={"Origin": LISTED}) as response:
            answers.append(response.headers)

    for answer in answers:
        assert answer["Access-Control-Allow-Origin"] == LISTED
        exposed = set(answer["Access-Control-Expose-Headers"].split(", "))
        assert {"Location", "Retry-After", "RateLimit", "RateLimit-Policy"} <= exposed
        assert "Origin" in ", ".join(answer.getall("Vary"))
        assert "Access-Control-Allow-Credentials" not in answer


async def test_another_page_reads_nothing(keyed: ClientSession) -> None:
    async with keyed.get("/health", headers={"Origin": FOREIGN}) as response:
        assert response.status == 200
        assert "Access-Control-Allow-Origin" not in response.headers


async def connects(client: ClientSession, **headers: str) -> int:
    try:
        async with client.ws_connect("/ws", headers=headers):
            return 101
    except WSServerHandshakeError as refused:
        return refused.status


async def test_a_socket_is_for_own_and_listed_pages(keyed: ClientSession) -> None:
    key = bearer("ci")
    own = str(keyed._base_url).rstrip("/")

    assert await connects(keyed, **key) == 101
    assert await connects(keyed, **key, Origin=own) == 101
    assert await connects(keyed, **key, Origin=LISTED) == 101
    assert await connects(keyed, **key, Origin=FOREIGN) == 403
    assert await connects(keyed, **key, Origin="null") == 403
    assert await connects(keyed, **key, Origin="http://[") == 403
    assert await connects(keyed, Origin=FOREIGN) == 403


async def test_without_keys_no_foreign_page_can_use_its_readers_service(
    client: ClientSession, live_server: str
) -> None:
    """A browser sends such a form, and opens such a socket, without asking anybody first."""
    assert await connects(client, Origin=FOREIGN) == 403
    assert await connects(client, Origin=live_server) == 101
    sent = {
        (): 200,
        (("Origin", live_server),): 200,
        (("Origin", FOREIGN),): 403,
        (("Origin", "null"),): 403,
        (("Origin", FOREIGN), ("Sec-Fetch-Site", "cross-site")): 403,
        (("Origin", FOREIGN), ("Sec-Fetch-Site", "same-site")): 403,
        # Behind a proxy that changes Host; the browser knows whose page it is.
        (("Origin", "https://pictures.example"), ("Sec-Fetch-Site", "same-origin")): 200,
    }
    for headers, status in sent.items():
        data = form(("a.jpg", jpeg()))
        async with client.post("/upload", data=data, headers=dict(headers)) as response:
            assert response.status == status, headers


async def test_without_a_list_no_page_is_allowed_to_read(client: ClientSession) -> None:
    async with client.options("/upload", headers={"Origin": LISTED, **ASKS}) as response:
        assert response.status == 405
    async with client.get("/health", headers={"Origin": LISTED}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    "lines",
    [
        (b"Origin: https://shop.example\xff",),
        (b"Origin: https://shop.example", b"Origin: https://evil.example"),
        (b"Authorization: Bearer \xff\xfe",),
        (b"X-Forwarded-For: " + b"1," * 3000,),
        (b"X-Forwarded-For: \xff, 999.1.1.1, [::1, ::1%\xff",),
        (b"Sec-WebSocket-Protocol: safelight, key.\xff",),
        (b"Idempotency-Key: \xff", b"X-Api-Key: \xff"),
    ],
)
async def test_headers_that_are_no_text_get_an_answer_and_no_error(
    keyed_server: ServerProcess, lines: tuple[bytes, ...]
) -> None:
    for method, path in (("POST", "/upload"), ("GET", "/ws"), ("GET", "/image/abc?signature=%ff")):
        request = head(method, path, *lines, "Content-Length: 0")
        answer = await exchange(keyed_server.url, request)
        assert 400 <= answer.status < 500, (path, answer.status)
