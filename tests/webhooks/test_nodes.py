"""Servers that are killed, stopped, kept apart from their network, or two of a kind."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from tests.conftest import StartServer
from tests.edge import gated
from tests.edge.forms import AT_ONCE, form
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually
from tests.patience import PATIENCE_S
from tests.webhooks.conftest import CRM_SECRET, LOOPBACK, SECRETS
from tests.webhooks.receiver import Receiver
from tests.webhooks.storm import storm


async def upload(client: ClientSession, url: str, width: int = 64, **headers: str) -> str:
    """A picture whose end is told; returns its job."""
    data = form(("a.jpg", jpeg(width)), callbackUrl=url)
    async with client.post("/upload", data=data, headers=headers) as response:
        assert response.status in (200, 202), await response.text()
        return str((await response.json())["jobId"])


async def webhooks_of(client: ClientSession, job_id: str) -> list[dict[str, Any]]:
    async with client.get("/webhooks/deliveries", params={"job": job_id}) as response:
        found: list[dict[str, Any]] = (await response.json())["deliveries"]
    return found


async def eventually_are(client: ClientSession, job_ids: list[str], state: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        for job_id in job_ids:
            # Another process makes it so, and tells nobody.
            while [one["state"] for one in await webhooks_of(client, job_id)] != [state]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_what_a_killed_server_had_not_sent_is_sent_after_its_start(
    start_server: StartServer, receiver: Receiver, tmp_path: Path
) -> None:
    """Killed in the middle of attempts, and with webhooks that were born and never sent."""
    url = receiver.at("/killed", lambda number: web.Response(status=204) if number > 2 else None)
    settings = LOOPBACK | {"SAFELIGHT_WEBHOOKS__TARGET_CONCURRENCY": "2"}
    server = start_server(data_dir=tmp_path / "data", **settings)
    async with ClientSession(server.url) as client:
        jobs = [await upload(client, url, 64 + number) for number in range(5)]
    await eventually(receiver.has("/killed", 2))
    server.kill()
    sent_before = [one.id for one in receiver.messages["/killed"]]

    again = start_server(data_dir=tmp_path / "data", **settings)
    async with ClientSession(again.url) as client:
        await eventually_are(client, jobs, "delivered")
        lost = [(await webhooks_of(client, job_id))[0]["id"] for job_id in jobs]

    seen = Counter(one.id for one in receiver.messages["/killed"])
    assert len(sent_before) == 2
    assert set(seen) == set(lost)
    assert {one: seen[one] for one in sent_before} == dict.fromkeys(sent_before, 2)
    assert all(one.verified(SECRETS[0]) for one in receiver.messages["/killed"])
    bodies = {(one.id, one.body) for one in receiver.messages["/killed"]}
    assert len(bodies) == 5


async def test_kills_of_server_and_valkey_lose_no_webhook(
    receiver: Receiver, tmp_path: Path
) -> None:
    """At any moment, with a receiver that often fails: the storm of storm.py, a short one."""
    found = await storm(receiver, tmp_path / "data", kills=3, chance=random.Random(7))

    for told in found:
        assert told.jobs
        assert (told.lost, told.doubled, told.changed) == (set(), [], [])


async def test_a_stopped_server_gives_back_what_it_was_sending(
    start_server: StartServer, receiver: Receiver, tmp_path: Path
) -> None:
    url = receiver.at("/stopped", lambda number: web.Response() if number > 1 else None)
    settings = LOOPBACK | {"SAFELIGHT_WEBHOOKS__TIMEOUT_S": "60"}
    server = start_server(data_dir=tmp_path / "data", **settings)
    async with ClientSession(server.url) as client:
        job_id = await upload(client, url)
    await eventually(receiver.has("/stopped"))
    assert server.stop() == 0

    again = start_server(data_dir=tmp_path / "data", **settings)
    async with ClientSession(again.url) as client:  # at once, not when a lease of 70 s ends
        await eventually_are(client, [job_id], "delivered")
    assert len({one.id for one in receiver.messages["/stopped"]}) == 1


async def test_two_nodes_share_the_work_and_send_nothing_twice(
    start_server: StartServer, receiver: Receiver, valkey_url: str
) -> None:
    url = receiver.at("/two")
    settings = LOOPBACK | {
        "SAFELIGHT_REDIS__URL": valkey_url,
        "SAFELIGHT_RECORDS__ENABLED": "false",
        "SAFELIGHT_SIGNING__KEYS": json.dumps(["k" * 40]),
        "SAFELIGHT_WEBHOOKS__TARGET_CONCURRENCY": "1",
    }
    nodes = [start_server(**settings) for _ in range(2)]
    async with ClientSession(nodes[0].url) as one, ClientSession(nodes[1].url) as other:
        jobs = [
            await upload((one, other)[number % 2], url, 64 + number, **AT_ONCE)
            for number in range(16)
        ]
        await eventually_are(one, jobs, "delivered")

    seen = Counter(message.id for message in receiver.messages["/two"])
    assert len(seen) == 16
    assert set(seen.values()) == {1}


async def test_names_that_lead_inside_are_not_called_and_fill_no_outbox(
    start_server: StartServer, receiver: Receiver
) -> None:
    """Only who connects can see where a name leads; 127.0.0.1 itself is seen at once."""
    url = receiver.at("/inside")
    settings = {"PORTS": "[0]", "MAX_WAITING": "1", "RETRY_AFTER_S": "[3600]"}
    server = start_server(**{f"SAFELIGHT_WEBHOOKS__{name}": one for name, one in settings.items()})
    async with ClientSession(server.url) as client:
        job_id = await upload(client, url.replace("127.0.0.1", "localhost"))
        async with asyncio.timeout(PATIENCE_S):
            while (await webhooks_of(client, job_id))[0]["lastAttempt"] is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # another process makes it so, and tells nobody
        [told] = await webhooks_of(client, job_id)
        refused = await refusal(client, url)
        full = await refusal(client, "https://example.org/")
        async with client.post("/upload", data=form(("a.jpg", jpeg(70)))) as response:
            assert response.status == 200  # only the callback was too much

    assert told["lastAttempt"]["error"] == "The host has no address that may be reached."
    assert told["lastAttempt"]["status"] is None
    assert receiver.messages["/inside"] == []
    assert (refused["status"], refused["type"]) == (400, "/problems/callback_refused")
    assert (full["status"], full["type"]) == (429, "/problems/callbacks_full")
    assert (full["limit"], full["actual"]) == (1, 1)


async def refusal(client: ClientSession, url: str) -> dict[str, Any]:
    """What is said to a callbackUrl that is not taken."""
    data = form(("a.jpg", jpeg(70)), callbackUrl=url)
    async with client.post("/upload", data=data) as response:
        found: dict[str, Any] = await response.json(content_type=None)
    assert ("Retry-After" in response.headers) == (response.status == 429)
    return found


async def test_an_endpoint_that_says_410_is_stopped_until_an_admin_enables_it(
    start_server: StartServer, receiver: Receiver, tmp_path: Path
) -> None:
    url = receiver.at("/endpoint", lambda n: web.Response(status=410 if n == 1 else 204))
    endpoint = {"url": url, "secret": CRM_SECRET, "events": ["job.completed"]}
    settings = LOOPBACK | {"SAFELIGHT_WEBHOOKS__ENDPOINTS": json.dumps({"shop": endpoint})}
    del settings["SAFELIGHT_WEBHOOKS__ALLOW_NETWORKS"]  # the operator's own may lie anywhere
    server = start_server(data_dir=tmp_path / "data", **settings)
    async with ClientSession(server.url) as client:
        async with client.post("/upload", data=form(("a.jpg", jpeg()))) as response:
            first = (await response.json())["jobId"]
        await eventually_are(client, [first], "gone")
        async with client.post("/upload", data=form(("b.jpg", jpeg(65)))) as response:
            second = (await response.json())["jobId"]
        await eventually_are(client, [second], "gone")
        [told] = await webhooks_of(client, second)
        replayed = f"/webhooks/deliveries/{told['id']}/replay"
        async with client.post(replayed) as response:
            assert response.status == 409
    server.stop()

    again = start_server(data_dir=tmp_path / "data", **settings)
    async with ClientSession(again.url) as client:
        async with client.get("/webhooks/endpoints") as response:
            [shop] = (await response.json())["endpoints"]
        async with client.post("/webhooks/endpoints/shop/enable") as response:
            assert (await response.json())["wasStopped"]
        async with client.post(replayed) as response:
            assert response.status == 202
        await eventually_are(client, [second], "delivered")

    assert told["why"] == "stopped"
    assert shop["stoppedAt"] is not None  # a restart alone does not enable it
    assert "said 410 Gone" in again.log.read_text()
    assert [
        one.verified(CRM_SECRET)["data"]["jobId"] for one in receiver.messages["/endpoint"]
    ] == [
        first,
        second,
    ]


async def test_each_api_key_has_a_secret_of_its_own(
    start_server: StartServer, receiver: Receiver
) -> None:
    server = start_server(**LOOPBACK, **gated.settings())
    data = form(("a.jpg", jpeg()), callbackUrl=receiver.at("/keyed"))
    secrets: dict[str, list[str]] = {}
    async with ClientSession(server.url) as client:
        for name in ("ci", "other"):
            async with client.get("/webhooks/secret", headers=gated.bearer(name)) as response:
                secrets[name] = (await response.json())["secrets"]
        async with client.post("/upload", data=data, headers=gated.bearer("ci")) as response:
            assert response.status == 200
        async with client.get("/webhooks/secret") as response:
            assert response.status == 401
        async with client.get("/webhooks/deliveries", headers=gated.bearer("ci")) as response:
            assert response.status == 403
    await eventually(receiver.has("/keyed"))
    [message] = receiver.messages["/keyed"]

    assert all(message.verified(one) for one in secrets["ci"])
    assert len({*secrets["ci"], *secrets["other"], *SECRETS}) == 6
