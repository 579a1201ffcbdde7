"""GET /metrics of a real server: the numbers are those of what was really done to it."""

import json
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from server.routes import application
from tests import server_process
from tests.chaos.parts import stopped, valkey_pid
from tests.conftest import SERVERS, StartServer
from tests.edge import gated
from tests.edge.forms import end_of, form, upload
from tests.edge.pictures import jpeg, png
from tests.edge.wire import exchange
from tests.ops.scrape import Scrape, scrape, scrape_where
from tests.patience import PATIENCE_S
from tests.ports import free_port
from tests.server_process import PROJECT, ServerProcess
from tests.webhooks.conftest import LOOPBACK
from tests.webhooks.receiver import Receiver, receiver_in_thread

MAX_BYTES = 100_000
DAMAGED = jpeg(640, 480)[:4000]  # its header is whole
SMALL = {"resize": {"width": 16}, "format": "webp"}
DOCS = PROJECT / "docs" / "metrics.md"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiver_in_thread() as one:
        yield one


@pytest.fixture(scope="module")
def aside() -> str:
    """Where the metrics have an address of their own."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, aside: str) -> Iterator[ServerProcess]:
    """May call and fetch from loopback, and takes no large pictures."""
    server = server_process.start(
        tmp_path_factory.mktemp("measured") / "data",
        environment={
            **LOOPBACK,
            "SAFELIGHT_METRICS__PORT": aside.rpartition(":")[2],
            "SAFELIGHT_UPLOAD__MAX_UPLOAD_BYTES": str(MAX_BYTES),
            "SAFELIGHT_WEBHOOKS__RETRY_AFTER_S": "[0.1]",
            "SAFELIGHT_PRESETS": json.dumps({"tiny": SMALL}),
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def client(
    measured: ServerProcess, request: pytest.FixtureRequest
) -> AsyncIterator[ClientSession]:
    request.node.stash[SERVERS] = [measured]
    async with ClientSession(measured.url) as session:
        yield session


def grown(before: Scrape, after: Scrape, sample: str, **labels: str) -> float:
    return after.value(sample, **labels) - before.value(sample, **labels)


async def test_uploads_refusals_and_failures_are_counted_exactly(
    client: ClientSession, aside: str
) -> None:
    before = await scrape(client, aside)
    pictures = [jpeg(50 + number, 40) for number in range(4)]
    for picture in (*pictures, pictures[0]):  # the last one's result is there
        await upload(client, picture, options=SMALL)
    for content in (b"no picture", b"neither"):
        async with client.post("/upload", data=form(("a.txt", content))) as response:
            assert response.status == 415
    async with client.post("/upload", data=form(("large.jpg", jpeg(900, 900)))) as response:
        assert response.status == 413
    async with client.post("/upload", data=form(("damaged.jpg", DAMAGED))) as response:
        assert response.status == 422
    after = await scrape_where(  # what Redis counts is a second old at most
        client, aside, lambda now: grown(before, now, "safelight_dedup_hits_total") == 2
    )

    def more(sample: str, **labels: str) -> float:
        return grown(before, after, f"safelight_{sample}", **labels)

    on_upload = {"route": "/upload", "method": "POST"}
    assert more("http_requests_total", status="200", **on_upload) == 5
    assert more("http_requests_total", status="415", **on_upload) == 2
    assert more("http_requests_total", status="413", **on_upload) == 1
    assert more("http_requests_total", status="422", **on_upload) == 1
    assert more("http_request_duration_seconds_count", route="/upload") == 9
    assert more("http_response_bytes_total", route="/upload") > 1000
    assert more("http_problems_total", status="415", code="not_an_image") == 2
    assert more("rejected_total") == more("rejected_total", reason="too_large") == 1
    assert more("jobs_admitted_total", **{"class": "interactive"}, source="upload") == 6
    assert more("jobs_ended_total", state="completed", error="") == 5
    assert more("jobs_ended_total", state="failed", error="corrupt_image") == 1
    assert more("job_duration_seconds_count", **{"class": "interactive"}) == 4
    assert more("dedup_hits_total", level="result") == more("dedup_hits_total", level="bytes") == 1
    assert more("pictures_in_total", format="jpeg") == 6
    assert more("pictures_in_bytes_total", format="jpeg") == (
        sum(map(len, pictures)) + len(pictures[0]) + len(DAMAGED)
    )
    assert more("files_out_total", format="webp") == 4
    assert more("files_out_bytes_total", format="webp") > 100
    assert more("queue_admitted_total") == 6
    assert more("queue_ended_total", state="failed") == 1
    assert more("lane_tasks_total", kind="develop") == 5
    assert after.value("safelight_jobs_in_hand") == 0


async def test_the_stages_of_a_picture_add_up_to_its_time(
    client: ClientSession, aside: str
) -> None:
    # A turn of the loop that came late stands between the stages: not every time, if they are all.
    apart_s = [await _unaccounted_s(client, aside, jpeg(300, 201 + one)) for one in range(5)]

    assert min(apart_s, key=abs) == pytest.approx(0, abs=0.05)


async def _unaccounted_s(client: ClientSession, aside: str, picture: bytes) -> float:
    """What the time of a picture is more than that of its stages, each of which is there."""
    before = await scrape(client, aside)
    await upload(client, picture, options=SMALL)
    after = await scrape(client, aside)

    def more(sample: str, **labels: str) -> float:
        return grown(before, after, f"safelight_{sample}", **labels)

    on_the_way_in = {"receive", "fetch", "probe", "store_original", "admit"}
    stages = {
        one.labels["stage"]
        for one in after.families["safelight_job_stage_duration_seconds"].samples
    }
    counts = {one: more("job_stage_duration_seconds_count", stage=one) for one in stages}
    inside_s = sum(
        more("job_stage_duration_seconds_sum", stage=one) for one in stages - on_the_way_in
    )
    whole_s = more("job_duration_seconds_sum")

    assert counts == dict.fromkeys(stages, 1) | {"fetch": 0}
    # The clock of a job's creation has whole milliseconds, and its end is noted a moment later.
    return whole_s - inside_s


async def test_hot_pictures_are_counted_though_no_handler_sees_them(
    client: ClientSession, aside: str
) -> None:
    image_id = (await upload(client, jpeg(70, 30), options=SMALL))["imageId"]
    before = await scrape(client, aside)
    for _ in range(5):
        async with client.get(f"/image/{image_id}") as response:
            body = await response.read()
    async with client.get(f"/image/{image_id}", headers={"If-None-Match": "*"}) as response:
        assert response.status == 304
    after = await scrape(client, aside)

    route = {"route": "/image/{id}", "method": "GET"}
    assert grown(before, after, "safelight_http_requests_total", status="200", **route) == 5
    assert grown(before, after, "safelight_http_requests_total", status="304", **route) == 1
    assert grown(before, after, "safelight_http_response_bytes_total", route="/image/{id}") > (
        5 * len(body)
    )
    assert grown(before, after, "safelight_hot_misses_total") == 1
    assert grown(before, after, "safelight_hot_hits_total") >= 4
    assert after.value("safelight_hot_bytes") >= len(body)


async def test_webhooks_fetches_and_what_is_made_on_ask_are_counted(
    client: ClientSession, aside: str, receiver: Receiver
) -> None:
    taken, refused = receiver.at("/taken"), receiver.at("/refused", 500)
    picture, nothing = receiver.origin.bytes("/a.png", png(20, 20)), receiver.origin.url("/nothing")
    before = await scrape(client, aside)
    for target, content in ((taken, jpeg(31, 30)), (refused, jpeg(32, 30))):
        data = form(("a.jpg", content), callbackUrl=target)
        async with client.post("/upload", data=data) as response:
            assert response.status == 200
            image_id = (await response.json())["imageId"]
    for url in (picture, nothing):
        async with client.post("/process", json={"imageUrl": url}) as response:
            await end_of(client, (await response.json())["jobId"])
    for _ in range(2):
        async with client.get(f"/image/{image_id}/tiny") as response:
            assert response.status == 200
    after = await scrape_where(
        client,
        aside,
        lambda one: grown(before, one, "safelight_webhooks_total", outcome="given_up") == 1,
    )

    def more(sample: str, **labels: str) -> float:
        return grown(before, after, f"safelight_{sample}", **labels)

    assert more("webhooks_total", outcome="born") == 2
    assert more("webhooks_total", outcome="delivered") == 1
    assert more("webhook_attempt_duration_seconds_count", outcome="good") == 1
    assert more("webhook_attempt_duration_seconds_count", outcome="failed") == 2
    assert more("fetches_total", outcome="fetched") == 1
    assert more("fetches_total", outcome="fetch_failed") == 1
    assert more("jobs_admitted_total", **{"class": "fetch"}, source="url") == 2
    assert more("job_stage_duration_seconds_count", stage="fetch") == 1
    assert more("derived_asked_total", outcome="made") == 1
    assert more("derived_asked_total", outcome="there") == 1
    assert more("jobs_admitted_total", source="derived") == 1


async def test_watchers_and_what_they_are_sent_are_counted(
    client: ClientSession, aside: str
) -> None:
    before = await scrape(client, aside)
    job_id = (await upload(client, jpeg(33, 31)))["jobId"]
    async with client.ws_connect("/ws") as ws:
        await ws.send_json({"type": "subscribe", "jobId": job_id})
        await ws.receive_json(timeout=PATIENCE_S)
        while_open = await scrape(client, aside)
    async with client.get(f"/events/{job_id}") as response:
        assert b"completed" in await response.read()
    after = await scrape_where(
        client, aside, lambda one: one.value("safelight_live_watchers", kind="socket") == 0
    )

    assert while_open.value("safelight_live_watchers", kind="socket") == 1
    assert grown(before, after, "safelight_live_messages_sent_total", kind="socket") == 1
    assert grown(before, after, "safelight_live_messages_sent_total", kind="stream") == 1
    assert grown(before, after, "safelight_http_requests_total", route="/ws", status="101") == 1
    assert after.value("safelight_http_request_duration_seconds_count", route="/ws") == 0


async def test_records_storage_and_redis_are_counted(client: ClientSession, aside: str) -> None:
    async with client.get("/jobs") as response:  # which waits until all ends are written
        assert response.status == 200
    before = await scrape(client, aside)
    await upload(client, jpeg(34, 31))
    after = await scrape_where(
        client,
        aside,
        lambda one: grown(before, one, "safelight_records_total", outcome="written") == 1,
    )

    def more(sample: str, **labels: str) -> float:
        return grown(before, after, f"safelight_{sample}", **labels)

    assert more("storage_operation_duration_seconds_count", operation="put") == 2
    assert more("storage_operation_duration_seconds_count", operation="fetch") == 1
    for script in ("admit", "settle"):  # an idle lane's claim is a part of the admission
        assert more("redis_commands_total", command=script) == 1
        assert 0 < more("redis_commands_seconds_total", command=script) < 10
    assert more("redis_command_duration_seconds_count") == more("redis_commands_total")
    assert after.value("safelight_redis_errors_total") == 0
    assert after.value("safelight_redis_used_memory_bytes") > 100_000
    assert after.value("safelight_records_writable") == 1


async def test_no_label_is_made_by_who_asks(
    client: ClientSession, aside: str, measured: ServerProcess
) -> None:
    """However odd the requests: routes, methods and codes are the service's own words."""
    job_id = (await upload(client, jpeg(35, 31)))["jobId"]
    dice = random.Random(11)
    odd = ["/", "//", "/image/", f"/image/{job_id}", f"/status/{job_id}", "/metrics", "/web/../x"]
    odd += [f"/image/{dice.randbytes(9).hex()}/{dice.randbytes(4).hex()}" for _ in range(40)]
    odd += [f"/{dice.randbytes(6).hex()}" for _ in range(40)]
    odd += ["/%00", "/%ff%fe", "/image/%7Bid%7D", "/events/" + "x" * 500, "/job/a%0ab"]
    for path in odd:
        method = dice.choice(["GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS", "BREW"])
        async with client.request(method, measured.url + path) as response:
            await response.read()
    await exchange(measured.url, b"GARBAGE\x00\x01\r\n\r\n")
    await exchange(measured.url, b"GET / HTTP/9.9\r\nHost: a\r\n\r\n")
    after = await scrape(client, aside)

    samples = [one for family in after.families.values() for one in family.samples]
    words = {value for one in samples for name, value in one.labels.items() if name != "le"}
    routes = {one.labels["route"] for one in samples if "route" in one.labels}
    assert len(samples) < 2000
    assert not any(job_id in word or len(word) > 40 for word in words)
    assert routes <= patterns() | {"unknown"}
    assert after.value("safelight_http_requests_total", route="unknown", status="404") >= 30
    assert after.value("safelight_http_requests_total", method="other") >= 1
    assert after.value("safelight_http_requests_total", route="unknown", status="400") >= 1


def patterns() -> set[str]:
    """What stands in the table of routes."""
    source = Path(application.__code__.co_filename).read_text()
    paths = {line.split('"')[1] for line in source.splitlines() if "web." in line and '"/' in line}
    return {path.replace("{path:.+}", "{path}") for path in paths}


async def test_what_is_shown_is_what_is_documented(client: ClientSession, aside: str) -> None:
    after = await scrape(client, aside)
    told = {
        name: family for name, family in after.families.items() if name.startswith("safelight_")
    }
    rows = [
        [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
        for line in DOCS.read_text().splitlines()
        if line.startswith("| `safelight_")
    ]
    documented = {row[0].removesuffix("_total"): row for row in rows}

    assert set(documented) == set(told)
    for name, (title, kind, labels, _of, _meaning) in documented.items():
        assert kind == told[name].type, name
        assert title.endswith("_total") == (kind == "counter"), name
        shown = {label for one in told[name].samples for label in one.labels} - {"le"}
        assert shown <= {one.strip("`, ") for one in labels.split(",")} - {""}, name


async def test_both_texts_are_spoken(client: ClientSession, aside: str) -> None:
    async with client.get(f"{aside}/metrics") as response:
        plain = await response.text()
        kind = response.headers["Content-Type"]
    names = {family.name for family in text_string_to_metric_families(plain)}

    assert kind.startswith("text/plain; version=0.0.4")
    assert "safelight_build_info" in names and "process_resident_memory" in "".join(names)
    assert (await scrape(client, aside)).value("safelight_build_info", role="all") == 1


async def test_an_address_of_its_own_needs_no_key_and_leaves_the_public_one(
    client: ClientSession, aside: str
) -> None:
    async with client.get("/metrics") as response:
        assert response.status == 404
    for path in ("/livez", "/readyz"):
        async with client.get(aside + path) as response:
            assert response.status == 200
    async with client.get(f"{aside}/status/x") as response:
        assert response.status == 404


async def test_on_the_public_address_it_is_for_admins(start_server: StartServer) -> None:
    server = start_server(**gated.settings())

    async with ClientSession(server.url) as client:
        answers = {}
        for name in ("boss", "reader", "uploader"):
            async with client.get("/metrics", headers=gated.bearer(name)) as response:
                answers[name] = response.status
        async with client.get("/metrics") as response:
            answers["nobody"] = response.status

    assert answers == {"boss": 200, "reader": 403, "uploader": 403, "nobody": 401}


async def test_without_redis_it_tells_what_the_process_knows(start_server: StartServer) -> None:
    server = start_server(SAFELIGHT_REDIS__TIMEOUT_S="1")

    async with ClientSession(server.url) as client:
        await upload(client, jpeg())
        before = await scrape(client, server.url)
        with stopped(valkey_pid(server)):
            hung = await scrape_where(  # what it said a moment ago is good for a second
                client, server.url, lambda one: one.value("safelight_redis_up") == 0
            )
        os.kill(valkey_pid(server), signal.SIGKILL)
        again = await scrape_where(
            client, server.url, lambda one: one.value("safelight_redis_up") == 1
        )

    assert before.value("safelight_redis_up") == 1
    assert hung.value("safelight_redis_up") == 0
    assert hung.value("safelight_jobs_ended_total", state="completed") == 1
    assert hung.value("process_resident_memory_bytes") > 10_000_000
    assert not hung.has("safelight_queue_waiting_jobs")
    assert again.value("safelight_queue_ended_total", state="completed") == 1
    assert again.value("safelight_redis_errors_total") > 0
