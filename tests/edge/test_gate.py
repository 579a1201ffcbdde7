"""Who may do what: every route with every kind of key, over real HTTP."""

import itertools
import re
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from server.edge.access.needs import NEEDS, OWNED
from server.refusals import Refusal
from tests.conftest import StartServer
from tests.edge.forms import form
from tests.edge.gated import KEYS, MAX_WRONG_KEYS, bearer, key_of, settings
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.server_process import PROJECT

SCOPED = {route: needed for route, needed in NEEDS.items() if needed in ("upload", "read", "admin")}
UNKNOWN = "a" * 24
_addresses = itertools.count(1)


def routes_of_app() -> set[str]:
    """What stands in the route table of routes.py, as the gate names it."""
    source = (PROJECT / "server" / "routes.py").read_text()
    found = re.findall(r'web\.(get|head|post|put|patch|delete|options)\(\s*"([^"]+)"', source)
    methods = {"HEAD": "GET"}
    return {
        f"{methods.get(method.upper(), method.upper())} {re.sub(r':[^}]+}', '}', path)}"
        for method, path in found
    }


def own_address() -> dict[str, str]:
    """Comes, as far as the server can tell, from an address that was never seen."""
    number = next(_addresses)
    return {"X-Forwarded-For": f"198.18.{number // 250}.{number % 250 + 1}"}


def test_every_route_says_what_it_needs() -> None:
    assert routes_of_app() - set(NEEDS) == set()
    assert set(NEEDS) >= OWNED


async def ask(client: ClientSession, route: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """Status, problem code and detail of a request to a route, with an id that nobody has."""
    method, path = route.split()
    path = re.sub(r"{[a-z]+}", UNKNOWN, path)
    async with client.request(method, path, headers=headers) as response:
        if response.status in (401, 403):
            told = await problem(response)
            if response.status == 401:
                assert response.headers["WWW-Authenticate"].startswith('Bearer realm="safelight"')
            return response.status, told["code"], told["detail"]
        return response.status, "", ""


def is_served(route: str) -> bool:
    return route in routes_of_app() - {"GET /files/{id}"}  # it is HEAD only: see below


@pytest.mark.parametrize("route", [*filter(is_served, SCOPED)])
async def test_a_route_lets_in_whose_key_has_its_scope(keyed: ClientSession, route: str) -> None:
    needed = SCOPED[route]
    assert (await ask(keyed, route, {}))[:2] == (401, "key_missing")
    wrong = {"Authorization": "Bearer sl_wrong", **own_address()}
    assert (await ask(keyed, route, wrong))[:2] == (401, "key_wrong")
    for name, scopes in KEYS.items():
        status, code, detail = await ask(keyed, route, bearer(name))
        if needed in scopes or "admin" in scopes:
            assert status not in (401, 403, 500), (name, code)
        else:
            assert (status, code) == (403, "scope_missing"), name
            assert f"'{needed}'" in detail


@pytest.mark.parametrize("route", sorted(filter(is_served, set(NEEDS) - set(SCOPED))))
async def test_other_routes_need_no_key(keyed: ClientSession, route: str) -> None:
    _, code, _ = await ask(keyed, route, {})

    assert code not in ("key_missing", "scope_missing")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {key_of('reader')}"},
        {"Authorization": f"bearer   {key_of('reader')} "},
        {"X-Api-Key": key_of("reader")},
        {"X-Api-Key": key_of("reader"), "Authorization": f"Bearer {key_of('reader')}"},
        {"X-Api-Key": key_of("reader"), "Authorization": "Basic dXNlcjpwYXNz"},
    ],
)
async def test_a_key_is_read_where_it_may_stand(
    keyed: ClientSession, headers: dict[str, str]
) -> None:
    async with keyed.get(f"/status/{UNKNOWN}", headers=headers) as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": "Bearer"}, 401, "key_wrong"),
        ({"Authorization": f"Basic {key_of('reader')}"}, 401, "key_missing"),
        ({"Authorization": key_of("reader")}, 401, "key_missing"),
        ({"X-Api-Key": ""}, 401, "key_wrong"),
        ({"X-Api-Key": key_of("reader")[:-1]}, 401, "key_wrong"),
        ({"X-Api-Key": key_of("reader").upper()}, 401, "key_wrong"),
        ({"X-Api-Key": "k\xfcchen"}, 401, "key_wrong"),
        ({"X-Api-Key": "x" * 5000}, 401, "key_wrong"),
        (
            {"X-Api-Key": key_of("boss"), "Authorization": f"Bearer {key_of('reader')}"},
            400,
            "bad_request",
        ),
    ],
)
async def test_no_other_header_opens(
    keyed: ClientSession, headers: dict[str, str], status: int, code: str
) -> None:
    url = f"/status/{UNKNOWN}"
    async with keyed.get(url, headers={**headers, **own_address()}) as response:
        assert (response.status, (await problem(response))["code"]) == (status, code)


async def test_the_head_of_a_resumable_upload_needs_its_scope(keyed: ClientSession) -> None:
    found = {}
    for name in KEYS:
        headers = bearer(name, **{"Tus-Resumable": "1.0.0"})
        async with keyed.head(f"/files/{UNKNOWN}", headers=headers) as response:
            found[name] = response.status
    async with keyed.head(f"/files/{UNKNOWN}") as response:
        assert response.status == 401

    assert found == {"ci": 404, "other": 404, "uploader": 404, "reader": 403, "boss": 404}


async def test_a_key_in_the_query_is_no_key(keyed: ClientSession) -> None:
    query = {"key": key_of("boss"), "api_key": key_of("boss"), "access_token": key_of("boss")}
    async with keyed.get(f"/status/{UNKNOWN}", params=query) as response:
        assert (await problem(response))["code"] == "key_missing"


async def test_an_address_with_many_wrong_keys_is_slowed_down_but_not_its_right_keys(
    keyed: ClientSession,
) -> None:
    here = own_address()
    codes = []
    for number in range(MAX_WRONG_KEYS + 2):
        headers = {"X-Api-Key": f"sl_guess{number}", **here}
        async with keyed.get("/jobs", headers=headers) as response:
            codes.append((response.status, (await problem(response))["code"]))
            waits = response.headers.get("Retry-After")

    assert codes[:MAX_WRONG_KEYS] == [(401, "key_wrong")] * MAX_WRONG_KEYS
    assert codes[MAX_WRONG_KEYS:] == [(429, "too_many_wrong_keys")] * 2
    assert waits is not None and 1 <= int(waits) <= 60
    async with keyed.get(f"/status/{UNKNOWN}", headers={**bearer("reader"), **here}) as response:
        assert response.status == 404
    wrong = {"X-Api-Key": "sl_guess", **own_address()}
    async with keyed.get("/jobs", headers=wrong) as response:
        assert response.status == 401


async def test_a_body_without_a_key_is_not_asked_for(keyed: ClientSession) -> None:
    data = form(("a.jpg", jpeg()))
    async with keyed.post("/upload", data=data, expect100=True) as response:
        assert (await problem(response))["code"] == "key_missing"


async def test_jobs_of_others_are_not_there_but_for_an_admin(keyed: ClientSession) -> None:
    data = form(*((f"{n}.jpg", jpeg()) for n in range(2)))
    async with keyed.post("/upload", data=data, headers=bearer("ci")) as response:
        batch = await response.json()
    job_id = batch["images"][0]["imageId"]
    async with keyed.get(f"/status/{batch['jobId']}?wait=60", headers=bearer("ci")) as response:
        assert (await response.json())["status"] == "completed"

    for route in sorted(OWNED):
        for some_id in (job_id, batch["jobId"]):
            method, path = route.split()
            answers = {}
            for the_id in (some_id, "b" * 24):
                url = path.replace("{id}", the_id)
                async with keyed.request(method, url, headers=bearer("other")) as response:
                    assert response.status == 404, route
                    answers[the_id] = (await problem(response))["detail"].replace(the_id, "…")
            assert len(set(answers.values())) == 1, "the answer tells whether there is one"
    for name, status in (("ci", 200), ("boss", 200), ("other", 404)):
        async with keyed.get(f"/status/{job_id}", headers=bearer(name)) as response:
            assert response.status == status
    async with keyed.delete(f"/image/{job_id}", headers=bearer("boss")) as response:
        assert response.status == 204


async def test_health_tells_its_details_to_an_admin_only(keyed: ClientSession) -> None:
    async with keyed.get("/health") as response:
        assert set(await response.json()) == {"status", "checks"}
    async with keyed.get("/health", headers=bearer("boss")) as response:
        assert "lanes" in await response.json()


async def test_the_page_and_its_schema_need_no_key(keyed: ClientSession) -> None:
    for path in ("/", "/schema/recipe", "/livez", "/readyz"):
        async with keyed.get(path) as response:
            assert response.status == 200, path


async def test_a_browser_brings_its_key_to_the_socket_as_a_protocol(keyed: ClientSession) -> None:
    async with keyed.post("/upload", data=jpeg(), headers=_raw("ci")) as response:
        job_id = (await response.json())["jobId"]
    subscribe = {"type": "subscribe", "jobId": job_id}

    protocols = ("safelight", f"key.{key_of('ci')}")
    async with keyed.ws_connect("/ws", protocols=protocols) as socket:
        assert socket.protocol == "safelight"
        await socket.send_json(subscribe)
        assert (await socket.receive_json())["jobId"] == job_id
    async with keyed.ws_connect("/ws", headers=bearer("other")) as socket:
        await socket.send_json(subscribe)
        told = await socket.receive_json()
        assert (told["type"], told["problem"]["status"]) == ("error", 404)
        await socket.close()
        assert (await socket.receive()).type in (WSMsgType.CLOSED, WSMsgType.CLOSING)


@pytest.mark.parametrize(
    ("protocols", "status"),
    [
        ((), 401),
        (("safelight",), 401),
        (("safelight", "key.sl_wrong"), 401),
        (("safelight", f"key.{key_of('uploader')}"), 403),
        ((f"key.{key_of('ci')}",), 400),  # the log would have the key
        (("safelight", f"key.{key_of('ci')}", f"key.{key_of('boss')}"), 400),
    ],
)
async def test_nobody_holds_a_socket_without_a_key(
    keyed: ClientSession, protocols: tuple[str, ...], status: int
) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await keyed.ws_connect("/ws", protocols=protocols, headers=own_address())

    assert refused.value.status == status


def test_a_start_beyond_this_machine_without_keys_is_refused(start_server: StartServer) -> None:
    with pytest.raises(AssertionError) as refused:
        start_server("--host", "0.0.0.0")

    assert "safelight: server.host: 0.0.0.0 can be reached from other machines" in str(
        refused.value
    )
    assert "safelight key new" in str(refused.value)


async def test_a_start_beyond_this_machine_is_allowed_when_said(start_server: StartServer) -> None:
    server = start_server("--host", "0.0.0.0", "--open")
    async with (
        ClientSession() as session,
        session.get(server.url.replace("0.0.0.0", "127.0.0.1") + "/jobs?status=failed") as response,
    ):
        assert response.status == 200


async def test_an_exchanged_key_is_refused_and_the_new_one_has_its_jobs(
    start_server: StartServer, tmp_path: Path
) -> None:
    """A key's name is whose the jobs are; its hash may change."""
    server = start_server(data_dir=tmp_path / "data", **settings({"ci": ["upload", "read"]}))
    async with (
        ClientSession(server.url) as session,
        session.post("/upload", data=jpeg(), headers=_raw("ci")) as response,
    ):
        job_id = (await response.json())["jobId"]
    server.stop()

    exchanged = settings({"newer": ["upload", "read"]})
    renamed = {name: text.replace('"newer"', '"ci"') for name, text in exchanged.items()}
    server = start_server(data_dir=tmp_path / "data", **renamed)

    async with ClientSession(server.url) as session:
        async with session.get(f"/status/{job_id}", headers=bearer("ci")) as response:
            assert response.status == 401
        async with session.get(f"/status/{job_id}", headers=bearer("newer")) as response:
            assert response.status == 200


def test_codes_of_refusals_differ() -> None:
    codes = [refusal.code for refusal in Refusal.__subclasses__() if "code" in vars(refusal)]

    assert len(codes) == len(set(codes))


def _raw(name: str) -> dict[str, str]:
    return bearer(name, **{"Content-Type": "image/jpeg"})
