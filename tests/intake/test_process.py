"""POST /process with JSON: pictures by URL and by id, to their end."""

import asyncio
import io

import pytest
from aiohttp import ClientSession, TCPConnector, web

from tests.edge.forms import AT_ONCE, end_of, status_of, upload
from tests.edge.pictures import announced_png, jpeg, png
from tests.edge.problem import problem
from tests.edge.traces import eventually, files_of
from tests.intake.asking import ask
from tests.intake.conftest import HOST_CONCURRENCY, MAX_ATTEMPTS, MAX_URLS, MIB, PICTURE
from tests.intake.origin import Origin, raw, redirect
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess

SMALL = {"resize": {"width": 8}}


async def test_a_url_becomes_a_picture(fetching_client: ClientSession, origin: Origin) -> None:
    answer = await ask(fetching_client, imageUrl=origin.url("/picture.jpg"), options=SMALL)

    assert answer["status"] == "completed"
    assert answer["imageId"] == answer["jobId"]
    assert [one["width"] for one in answer["variants"]] == [8]
    async with fetching_client.get(answer["url"]) as response:
        assert response.status == 200
    job = await status_of(fetching_client, answer["jobId"])
    assert job["name"] == "picture.jpg"
    assert job["original"] == {"bytes": len(PICTURE), "format": "jpeg", "width": 64, "height": 48}


async def test_whoever_does_not_wait_is_told_where_to_look(
    fetching_client: ClientSession, origin: Origin
) -> None:
    body = {"imageUrl": origin.url("/picture.jpg"), "preset": "thumb"}

    async with fetching_client.post("/process", json=body, headers=AT_ONCE) as response:
        answer = await response.json()

    assert response.status == 202
    assert response.headers["Location"] == f"/status/{answer['jobId']}"
    assert response.headers["Preference-Applied"] == "respond-async"
    assert (await end_of(fetching_client, answer["jobId"]))["status"] == "completed"


async def test_several_urls_are_a_batch_in_their_order(
    fetching_client: ClientSession, origin: Origin
) -> None:
    origin.bytes("/a.png", png())
    urls = [origin.url(path) for path in ("/a.png", "/none", "/picture.jpg")]

    answer = await ask(fetching_client, imageUrls=[urls[0], "http://10.0.0.1/", *urls[1:]])
    batch = await end_of(fetching_client, answer["jobId"])

    assert [one["name"] for one in answer["images"]] == ["a.png", "none", "picture.jpg"]
    assert [one["problem"]["type"] for one in answer["refused"]] == ["/problems/fetch_refused"]
    assert [one["imageId"] for one in batch["images"]] == [
        one["imageId"] for one in answer["images"]
    ]
    assert [one["status"] for one in batch["images"]] == ["completed", "failed", "completed"]
    assert batch["total"] == 3


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/text", 415, "fetch_not_image"),
        ("/empty", 415, "fetch_not_image"),
        ("/large", 413, "fetch_too_large"),
        ("/endless", 413, "fetch_too_large"),
        ("/pixels", 422, "too_many_pixels"),
        ("/none", 422, "fetch_failed"),
        ("/inside", 422, "fetch_refused"),
        ("/port", 422, "fetch_refused"),
        ("/circle", 422, "fetch_failed"),
        ("/broken", 422, "fetch_failed"),
        ("/silent", 422, "fetch_timeout"),
    ],
)
async def test_what_cannot_be_fetched_has_a_stable_code_and_leaves_nothing(
    path: str,
    status: int,
    code: str,
    fetching_client: ClientSession,
    fetch_server: ServerProcess,
    origin: Origin,
) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(MIB // 4))

    origin.bytes("/text", b"<html>no picture</html>")
    origin.bytes("/empty", b"")
    origin.bytes("/large", bytes(MIB + 1))
    origin.bytes("/pixels", announced_png(60_000, 60_000))
    origin.answer("/endless", endless)
    origin.answer("/inside", redirect("http://169.254.169.254/latest/meta-data/"))
    origin.answer("/port", redirect("http://127.0.0.1:1/"))
    origin.answer("/circle", redirect("/circle"))
    origin.answer("/broken", raw("HTTP/1.1 200 OK\nContent-Length: 9999", PICTURE))
    origin.answer("/silent", silent)
    before = files_of(fetch_server)

    async with fetching_client.post("/process", json={"imageUrl": origin.url(path)}) as response:
        found = await problem(response)

    assert (response.status, found["code"]) == (status, code)
    job = await status_of(fetching_client, found["jobId"])
    assert (job["status"], job["error"]["code"]) == ("failed", code)
    assert job["attempts"] == (MAX_ATTEMPTS if path in ("/broken", "/silent") else 1)
    await eventually(lambda: files_of(fetch_server) <= before)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://[::ffff:127.0.0.1]/", "ftp://example.com/", "nothing", ""]
)
async def test_a_refused_url_makes_no_job(
    url: str, fetching_client: ClientSession, origin: Origin
) -> None:
    async with fetching_client.post("/process", json={"imageUrl": url}) as response:
        found = await problem(response)

    assert (response.status, found["code"]) == (422, "fetch_refused")
    assert "jobId" not in found


async def test_a_server_that_is_busy_is_asked_again(
    fetching_client: ClientSession, origin: Origin
) -> None:
    async def busy_once(request: web.Request) -> web.Response:
        if origin.hits["/busy"] == 1:
            return web.Response(status=503, headers={"Retry-After": "0"})
        return web.Response(body=PICTURE)

    answer = await ask(fetching_client, imageUrl=origin.answer("/busy", busy_once))

    assert answer["status"] == "completed"
    assert origin.hits["/busy"] == 2
    async with fetching_client.get(f"/job/{answer['jobId']}") as response:
        details = await response.json()
    assert details["attemptHistory"] == ["The server answered 503 instead of 200."]


async def test_a_server_that_wants_a_long_pause_is_given_up(
    fetching_client: ClientSession, origin: Origin
) -> None:
    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "86400"})

    url = origin.answer("/busy", busy)
    async with fetching_client.post("/process", json={"imageUrl": url}) as response:
        found = await problem(response)

    assert found["code"] == "fetch_failed"
    assert origin.hits["/busy"] == 1


async def test_a_failed_fetch_can_be_tried_again_by_hand(
    fetching_client: ClientSession, origin: Origin
) -> None:
    url = origin.url("/later.jpg")
    async with fetching_client.post("/process", json={"imageUrl": url}) as response:
        job_id = (await problem(response))["jobId"]
    origin.bytes("/later.jpg", PICTURE)

    async with fetching_client.post(f"/job/{job_id}/retry") as response:
        assert response.status == 202

    assert (await end_of(fetching_client, job_id))["status"] == "completed"


async def test_what_has_not_changed_is_not_sent_again(
    fetching_client: ClientSession, origin: Origin
) -> None:
    sent = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal sent
        if request.headers.get("If-None-Match") == '"one"':
            return web.Response(status=304)
        sent += 1
        return web.Response(body=jpeg(29, 19), headers={"ETag": '"one"'})

    url = origin.answer("/known.jpg", answer)
    first = await ask(fetching_client, imageUrl=url, options=SMALL)
    again = await ask(fetching_client, imageUrl=url, options=SMALL)
    other = await ask(fetching_client, imageUrl=url, options={"resize": {"width": 9}})

    assert sent == 1
    assert origin.hits["/known.jpg"] == 3
    assert [one["cached"] for one in (first, again, other)] == [False, True, False]
    assert other["variants"][0]["width"] == 9


async def test_a_304_for_what_is_gone_here_is_asked_for_in_full(
    fetching_client: ClientSession, origin: Origin
) -> None:
    async def answer(request: web.Request) -> web.Response:
        if "If-None-Match" in request.headers:
            return web.Response(status=304)
        return web.Response(body=jpeg(31, 17), headers={"ETag": '"one"'})

    url = origin.answer("/gone.jpg", answer)
    first = await ask(fetching_client, imageUrl=url)
    async with fetching_client.delete(f"/image/{first['imageId']}") as response:
        assert response.status == 204

    again = await ask(fetching_client, imageUrl=url)

    assert again["status"] == "completed"
    assert again["variants"][0]["width"] == 31


async def test_a_picture_that_is_here_gets_another_recipe(fetching_client: ClientSession) -> None:
    first = await upload(fetching_client, PICTURE)

    answer = await ask(fetching_client, imageId=first["imageId"], options=SMALL)
    async with fetching_client.delete(f"/image/{first['imageId']}") as response:
        assert response.status == 204
    another = await ask(fetching_client, imageId=answer["imageId"], options={"flip": True})

    assert answer["imageId"] != first["imageId"]
    assert answer["variants"][0]["width"] == 8
    assert another["variants"][0]["width"] == 64  # of the original, not of the result


async def test_an_image_that_is_not_here_is_404_and_one_that_was_410(
    fetching_client: ClientSession,
) -> None:
    first = await upload(fetching_client, jpeg(33, 21))
    async with fetching_client.delete(f"/image/{first['imageId']}") as response:
        assert response.status == 204

    # The empty one was once taken for an order without a URL, and stopped the service for good.
    asked = (("nothing", 404), ("", 404), ("batch-x", 404), (first["imageId"], 410))
    for image_id, status in asked:
        async with fetching_client.post("/process", json={"imageId": image_id}) as response:
            await problem(response)
        assert response.status == status


async def test_a_private_picture_of_another_client_is_unknown(
    fetching_client: ClientSession, fetch_server: ServerProcess, origin: Origin
) -> None:
    url = origin.bytes("/secret.jpg", jpeg(35, 23))
    mine = await ask(fetching_client, imageUrl=url, private=True)

    connector = TCPConnector(local_addr=("127.0.0.2", 0))
    async with (
        ClientSession(fetch_server.url, connector=connector) as stranger,
        stranger.post("/process", json={"imageId": mine["imageId"]}) as response,
    ):
        found = await problem(response)
    own = await ask(fetching_client, imageId=mine["imageId"], options=SMALL)

    assert (response.status, found["code"]) == (404, "not_found")
    assert own["status"] == "completed"


async def test_cancelling_stops_the_download(
    fetching_client: ClientSession, fetch_server: ServerProcess, origin: Origin
) -> None:
    stopped = asyncio.Event()

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000000"})
        try:
            await response.prepare(request)
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.05)
        finally:
            stopped.set()

    before = files_of(fetch_server)
    answer = await ask(fetching_client, imageUrl=origin.answer("/slow", trickle), at_once=True)
    await eventually(lambda: origin.open == 1)

    async with fetching_client.delete(f"/job/{answer['jobId']}") as response:
        status = await response.json()

    assert status["status"] == "cancelled"
    await eventually(stopped.is_set)
    await eventually(lambda: files_of(fetch_server) <= before)


async def test_what_waits_for_its_turn_at_a_host_can_be_cancelled(
    fetching_client: ClientSession, origin: Origin
) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000000"})
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    url = origin.answer("/held", trickle)
    first = [
        await ask(fetching_client, imageUrl=url, at_once=True) for _ in range(HOST_CONCURRENCY)
    ]
    await eventually(lambda: origin.open == HOST_CONCURRENCY)
    last = await ask(fetching_client, imageUrl=url, at_once=True)
    async with asyncio.timeout(PATIENCE_S):
        while (await status_of(fetching_client, last["jobId"]))["status"] != "processing":
            pass

    async with fetching_client.delete(f"/job/{last['jobId']}") as response:
        status = await response.json()

    assert status["status"] == "cancelled"
    assert origin.hits["/held"] == HOST_CONCURRENCY
    for one in first:
        async with fetching_client.delete(f"/job/{one['jobId']}") as response:
            assert response.status == 200


async def test_a_host_is_not_asked_too_much_at_a_time(
    fetching_client: ClientSession, origin: Origin
) -> None:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(0.1)
        return web.Response(body=PICTURE)

    urls = [origin.answer(f"/{number}.jpg", answer) for number in range(MAX_URLS)]
    batches = [await ask(fetching_client, imageUrls=urls) for _ in range(3)]
    for batch in batches:
        status = await end_of(fetching_client, batch["jobId"])
        assert status["counts"]["completed"] == MAX_URLS

    assert origin.most_open == HOST_CONCURRENCY


async def test_the_same_key_fetches_once(fetching_client: ClientSession, origin: Origin) -> None:
    body = {"imageUrls": [origin.url("/picture.jpg"), origin.url("/none")]}
    answers = []
    for _ in range(2):
        async with fetching_client.post(
            "/process", json=body, headers={"Idempotency-Key": "once-more"}
        ) as response:
            answers.append(await response.json())
    await end_of(fetching_client, answers[0]["jobId"])

    assert answers[0] == answers[1]
    assert origin.hits["/picture.jpg"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b"{}", 400),
        (b'{"imageUrl": 1}', 400),
        (b'{"imageUrl": "http://8.8.8.8/", "imageId": "x"}', 400),
        (b'{"imageUrls": []}', 400),
        (b'{"imageUrls": "http://8.8.8.8/"}', 400),
        (b'{"imageUrl": "http://8.8.8.8/", "size": 3}', 400),
        (b'{"imageUrl": "http://8.8.8.8/", "private": "yes"}', 400),
        (b'{"imageUrl": "http://8.8.8.8/", "expiresIn": 0}', 400),
        (b'{"imageUrl": "http://8.8.8.8/", "callbackUrl": "http://10.0.0.1/"}', 400),
        (b'{"imageUrl": "http://8.8.8.8/", "options": {"resize": 1}}', 422),
        (b'{"imageUrl": "http://8.8.8.8/", "preset": "none"}', 422),
        (b'{"imageUrl": "http://8.8.8.8/", "options": {}, "preset": "thumb"}', 422),
        (b'{"imageUrls": [' + b'"http://8.8.8.8/",' * MAX_URLS + b'"http://8.8.8.8/"]}', 413),
        (b" " * (5 * MIB), 413),
    ],
)
async def test_a_body_that_is_wrong_is_refused_in_words(
    body: bytes, status: int, fetching_client: ClientSession
) -> None:
    headers = {"Content-Type": "application/json"}

    data = io.BytesIO(body)
    async with fetching_client.post("/process", data=data, headers=headers) as response:
        await problem(response)

    assert response.status == status


async def test_other_kinds_of_bodies_are_not_taken(fetching_client: ClientSession) -> None:
    for media_type in ("text/plain", "multipart/form-data; boundary=x", "image/png"):
        headers = {"Content-Type": media_type}
        async with fetching_client.post("/process", data=b"{}", headers=headers) as response:
            await problem(response)
        assert response.status == 415
