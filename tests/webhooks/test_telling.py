"""Webhooks over a real server: every way in, what is said, and by whom it is signed."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import orjson
import pytest
from aiohttp import ClientResponse, ClientSession, web
from jsonschema.exceptions import ValidationError
from openapi_schema_validator import OAS31Validator
from standardwebhooks import WebhookVerificationError

from tests.edge.forms import AT_ONCE, form
from tests.edge.pictures import jpeg
from tests.edge.problem import problem
from tests.edge.traces import eventually
from tests.edge.tus_requests import create
from tests.edge.zips import zipped
from tests.patience import PATIENCE_S
from tests.webhooks.conftest import CRM_SECRET, SECRETS
from tests.webhooks.receiver import Message, Receiver

RAW = {"Content-Type": "image/jpeg"}
NDJSON = {"Content-Type": "application/x-ndjson"}


async def first(receiver: Receiver, path: str, number: int = 1) -> Message:
    """The n-th message of a path, waited for."""
    await eventually(receiver.has(path, number))
    return receiver.messages[path][number - 1]


async def deliveries(client: ClientSession, job_id: str) -> list[dict[str, Any]]:
    async with client.get("/webhooks/deliveries", params={"job": job_id}) as response:
        assert response.status == 200
        found: list[dict[str, Any]] = (await response.json())["deliveries"]
    return found


async def refused(response: ClientResponse, code: str) -> dict[str, Any]:
    found = await problem(response)
    assert found["type"] == f"/problems/{code}", found
    return found


async def by_form(client: ClientSession, receiver: Receiver, url: str) -> None:
    async with client.post("/upload", data=form(("a.jpg", jpeg()), callbackUrl=url)) as response:
        assert response.status == 200


async def by_query(client: ClientSession, receiver: Receiver, url: str) -> None:
    query = {"callbackUrl": url}
    async with client.post("/upload", data=jpeg(), params=query, headers=RAW) as response:
        assert response.status == 200


async def by_url(client: ClientSession, receiver: Receiver, url: str) -> None:
    wish = {"imageUrl": receiver.origin.bytes("/a.jpg", jpeg()), "callbackUrl": url}
    async with client.post("/process", json=wish) as response:
        assert response.status == 200, await response.text()


async def by_presign(client: ClientSession, receiver: Receiver, url: str) -> None:
    async with client.post("/uploads", json={"callbackUrl": url}) as response:
        begun = await response.json()
    async with client.put(begun["url"], data=io.BytesIO(jpeg())) as response:
        assert response.status == 200, await response.text()


async def by_tus(client: ClientSession, receiver: Receiver, url: str) -> None:
    content = jpeg()
    response = await create(client, len(content), begin=content, callbackUrl=url)
    assert response.status == 201


@pytest.mark.parametrize("way", [by_form, by_query, by_url, by_presign, by_tus])
async def test_every_way_in_takes_a_callback(
    client: ClientSession,
    receiver: Receiver,
    way: Callable[[ClientSession, Receiver, str], Awaitable[None]],
) -> None:
    path = f"/{way.__name__}"
    await way(client, receiver, receiver.at(path))

    message = await first(receiver, path)
    said = message.verified(SECRETS[0])
    assert said["type"] == "job.completed"
    assert said["data"]["status"] == "completed"
    async with client.get(f"/status/{said['data']['jobId']}") as response:
        told = await response.json()
    assert said["timestamp"] == told["finishedAt"]
    # The addresses in it are whole, for a receiver that knows only this message.
    base = "https://pictures.example"
    assert said["data"].pop("url") == base + told.pop("url")
    for mine, its in zip(said["data"]["variants"], told["variants"], strict=True):
        assert mine.pop("url") == base + its.pop("url")
    assert said["data"] == told


async def batch_by_form(client: ClientSession, receiver: Receiver, url: str) -> str:
    data = form(("1.jpg", jpeg()), ("2.jpg", jpeg(65)), ("3.jpg", jpeg(66)), callbackUrl=url)
    async with client.post("/upload", data=data) as response:
        return str((await response.json())["jobId"])


async def batch_by_zip(client: ClientSession, receiver: Receiver, url: str) -> str:
    packed = zipped(("1.jpg", jpeg()), ("2.jpg", jpeg(65)), ("3.jpg", jpeg(66)))
    zip_type = {"Content-Type": "application/zip"}
    query = {"callbackUrl": url}
    async with client.post("/upload", data=packed, params=query, headers=zip_type) as response:
        return str((await response.json())["jobId"])


async def batch_by_urls(client: ClientSession, receiver: Receiver, url: str) -> str:
    urls = [receiver.origin.bytes(f"/{width}.jpg", jpeg(width)) for width in (64, 65, 66)]
    async with client.post("/process", json={"imageUrls": urls, "callbackUrl": url}) as response:
        return str((await response.json())["jobId"])


async def batch_by_lines(client: ClientSession, receiver: Receiver, url: str) -> str:
    urls = [receiver.origin.bytes(f"/{width}.jpg", jpeg(width)) for width in (64, 65, 66)]
    lines = b"\n".join(orjson.dumps({"imageUrl": one}) for one in urls)
    query = {"callbackUrl": url}
    async with client.post("/process", data=lines, params=query, headers=NDJSON) as response:
        return str((await response.json())["jobId"])


@pytest.mark.parametrize("way", [batch_by_form, batch_by_zip, batch_by_urls, batch_by_lines])
async def test_a_batch_is_told_of_once(
    client: ClientSession,
    receiver: Receiver,
    way: Callable[[ClientSession, Receiver, str], Awaitable[str]],
) -> None:
    path = f"/{way.__name__}"
    batch_id = await way(client, receiver, receiver.at(path))

    said = (await first(receiver, path)).verified(SECRETS[0])
    assert said["type"] == "batch.completed"
    assert (said["data"]["jobId"], said["data"]["total"]) == (batch_id, 3)
    assert said["data"]["counts"]["completed"] == 3
    await eventually_state(client, batch_id, "delivered")
    assert len(receiver.messages[path]) == 1


@pytest.mark.parametrize("path", ["/by_form", "/batch_by_form", "/crm"])
async def test_what_comes_is_as_the_contract_describes_it(
    client: ClientSession, receiver: Receiver, path: str
) -> None:
    await by_form(client, receiver, receiver.at("/by_form"))
    await batch_by_form(client, receiver, receiver.at("/batch_by_form"))
    async with client.post("/webhooks/endpoints/crm/ping"):
        said = (await first(receiver, path)).said
    async with client.get("/openapi.json") as response:
        contract = await response.json()

    described = contract["webhooks"][said["type"]]["post"]["requestBody"]["content"]
    [media_type] = described.values()
    schema = media_type["schema"] | {"components": contract["components"]}
    OAS31Validator(schema).validate(said)
    with pytest.raises(ValidationError):
        OAS31Validator(schema).validate(said | {"data": {"status": "unheard-of"}})


async def test_a_message_is_signed_by_all_secrets_and_by_no_other(
    client: ClientSession, receiver: Receiver
) -> None:
    await by_form(client, receiver, receiver.at("/signed"))
    message = await first(receiver, "/signed")

    assert message.headers["content-type"] == "application/json"
    assert message.verified(SECRETS[0]) == message.verified(SECRETS[1]) == message.said
    with pytest.raises(WebhookVerificationError):
        message.verified(CRM_SECRET)


async def test_an_endpoint_is_told_by_its_own_secret(
    client: ClientSession, receiver: Receiver
) -> None:
    before = len(receiver.messages["/crm"])
    wish = {"imageUrl": receiver.origin.url("/there-is-none.jpg")}
    async with client.post("/process", json=wish) as response:
        failed = await response.json(content_type=None)

    message = await first(receiver, "/crm", before + 1)
    said = message.verified(CRM_SECRET)
    assert (said["type"], said["data"]["jobId"]) == ("job.failed", failed["jobId"])
    assert said["data"]["error"]["code"] == "fetch_failed"


async def test_retries_have_the_same_id_and_body_and_a_time_of_their_own(
    client: ClientSession, receiver: Receiver
) -> None:
    url = receiver.at("/third", lambda number: web.Response(status=204 if number == 3 else 500))
    await by_form(client, receiver, url)
    await first(receiver, "/third", 3)

    messages = receiver.messages["/third"]
    assert len({one.id for one in messages}) == 1
    assert len({one.body for one in messages}) == 1
    assert all(one.verified(SECRETS[0]) for one in messages)
    job_id = messages[0].said["data"]["jobId"]
    await eventually_state(client, job_id, "delivered")
    [told] = await deliveries(client, job_id)
    async with client.get(f"/webhooks/deliveries/{told['id']}") as response:
        details = await response.json()
    assert [one["status"] for one in details["attemptHistory"]] == [500, 500, 204]
    assert details["body"] == messages[0].said


async def eventually_state(client: ClientSession, job_id: str, state: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        # Another process makes it so, and tells nobody.
        while [one["state"] for one in await deliveries(client, job_id)] != [state]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_after_the_last_attempt_it_is_given_up_and_can_be_sent_again(
    client: ClientSession, receiver: Receiver
) -> None:
    url = receiver.at("/broken", 500)
    await by_form(client, receiver, url)
    job_id = (await first(receiver, "/broken", 4)).said["data"]["jobId"]
    await eventually_state(client, job_id, "given_up")
    [told] = await deliveries(client, job_id)
    assert (told["why"], told["attempts"]) == ("attempts", 4)
    assert told["lastAttempt"]["error"] == "The receiver answered 500 instead of 2xx."

    receiver.at("/broken", 200)
    async with client.post(f"/webhooks/deliveries/{told['id']}/replay") as response:
        assert response.status == 202
        assert (await response.json())["state"] in ("waiting", "delivered")
    await eventually_state(client, job_id, "delivered")
    assert receiver.messages["/broken"][-1].id == receiver.messages["/broken"][0].id


async def test_410_ends_the_callback(client: ClientSession, receiver: Receiver) -> None:
    await by_form(client, receiver, receiver.at("/gone", 410))
    job_id = (await first(receiver, "/gone")).said["data"]["jobId"]
    await eventually_state(client, job_id, "gone")

    await by_form(client, receiver, receiver.at("/not-gone"))
    await first(receiver, "/not-gone")  # the host is served on
    assert len(receiver.messages["/gone"]) == 1


async def test_redirects_are_not_followed(client: ClientSession, receiver: Receiver) -> None:
    target = receiver.at("/behind")
    await by_form(client, receiver, receiver.at("/moved", 307, Location=target))
    job_id = (await first(receiver, "/moved", 4)).said["data"]["jobId"]
    await eventually_state(client, job_id, "given_up")

    [told] = await deliveries(client, job_id)
    assert "redirects are not followed" in told["lastAttempt"]["error"]
    assert receiver.messages["/behind"] == []


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://2130706434/",  # 127.0.0.2
        "http://metadata.google.internal/",
        "ftp://example.org/",
        "http://user:word@example.org/",
        "nonsense",
        "",
    ],
)
async def test_an_address_that_may_not_be_called_is_refused(
    client: ClientSession, url: str
) -> None:
    data = form(("a.jpg", jpeg()), callbackUrl=url)
    async with client.post("/upload", data=data) as response:
        found = await refused(response, "callback_refused")
    assert "callbackUrl" in found["detail"]


async def test_every_way_in_refuses_a_bad_callback(client: ClientSession) -> None:
    bad = "http://10.0.0.1/"
    for path, wish in (("/process", {"imageUrl": "http://8.8.8.8/"}), ("/uploads", {})):
        async with client.post(path, json={"callbackUrl": bad, **wish}) as response:
            await refused(response, "callback_refused")
    query = {"callbackUrl": bad}
    async with client.post("/process", data=b"{}", params=query, headers=NDJSON) as response:
        await refused(response, "callback_refused")
    begun = await create(client, 10, callbackUrl=bad)
    assert begun.status == 400


async def test_a_private_picture_is_told_of_by_addresses_that_work(
    client: ClientSession, receiver: Receiver
) -> None:
    data = form(("a.jpg", jpeg()), callbackUrl=receiver.at("/private"), private="true")
    async with client.post("/upload", data=data) as response:
        assert response.status == 200
    said = (await first(receiver, "/private")).verified(SECRETS[0])

    url = said["data"]["url"].removeprefix("https://pictures.example")
    at = int(datetime.fromisoformat(said["timestamp"]).timestamp())
    assert f"expires={at + 2 * 24 * 3600}&" in url
    async with client.get(url) as response:
        assert response.status == 200
    async with client.get(said["data"]["variants"][0]["url"].split("example")[1]) as response:
        assert response.headers["Content-Type"].startswith("image/")


async def test_a_slow_receiver_holds_up_no_other(client: ClientSession, receiver: Receiver) -> None:
    slow = receiver.at("/slow", lambda _: None).replace("127.0.0.1", "localhost")
    for number in range(6):
        data = form((f"{number}.jpg", jpeg(70 + number)), callbackUrl=slow)
        async with client.post("/upload", data=data, headers=AT_ONCE) as response:
            assert response.status == 202
    await first(receiver, "/slow")
    await by_form(client, receiver, receiver.at("/quick"))

    message = await first(receiver, "/quick")
    assert message.verified(SECRETS[0])
    async with client.get("/webhooks/deliveries", params={"state": "waiting"}) as response:
        waiting = (await response.json())["deliveries"]
    assert [one for one in waiting if "localhost" in one["url"]]  # they are still at it


async def test_the_same_request_again_tells_once(client: ClientSession, receiver: Receiver) -> None:
    url, key, picture = receiver.at("/once"), {"Idempotency-Key": "the-same-webhook"}, jpeg()
    for _ in range(2):
        data = form(("a.jpg", picture), callbackUrl=url)
        async with client.post("/upload", data=data, headers=key) as response:
            answer = await response.json()
    await first(receiver, "/once")
    await eventually_state(client, answer["jobId"], "delivered")

    assert len(receiver.messages["/once"]) == 1


async def test_the_list_refuses_what_it_does_not_know(client: ClientSession) -> None:
    for query in (
        *({"state": "lost"}, {"limit": "0"}, {"limit": "501"}, {"cursor": "x"}, {"colour": "red"}),
        *({"job": "no_id"}, {"job": ""}, {"endpoint": "\x00"}),
    ):
        async with client.get("/webhooks/deliveries", params=query) as response:
            await refused(response, "bad_request")
    async with client.get("/webhooks/deliveries/nobody") as response:
        await refused(response, "not_found")
    async with client.post("/webhooks/endpoints/nobody/ping") as response:
        await refused(response, "not_found")


async def test_an_endpoint_can_be_tried_and_counts_are_kept(
    client: ClientSession, receiver: Receiver
) -> None:
    async with client.post("/webhooks/endpoints/crm/ping") as response:
        sent = await response.json()
    await eventually(lambda: sent["id"] in [one.id for one in receiver.messages["/crm"]])
    [message] = [one for one in receiver.messages["/crm"] if one.id == sent["id"]]
    async with client.get("/webhooks/endpoints") as response:
        told = await response.json()

    assert message.verified(CRM_SECRET)["type"] == "webhook.ping"
    assert [(one["name"], one["stoppedAt"]) for one in told["endpoints"]] == [("crm", None)]
    assert told["counts"]["delivered"] >= 1
    assert json.dumps(told).count("whsec_") == 0
