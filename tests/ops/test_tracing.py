"""One trace from an upload to its webhook, as a real collector gets it over OTLP."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from server.config import SettingsError
from server.config.observing import TracingSettings
from server.jobs.trail.context import Traced, parent_of
from server.ops import tracing
from tests import server_process
from tests.chaos.parts import lane_pids
from tests.conftest import SERVERS
from tests.edge.forms import AT_ONCE, end_of, form
from tests.edge.pictures import jpeg
from tests.edge.traces import eventually
from tests.ops.collector import Collector, Told, collector_in_thread, tree
from tests.ops.test_logs import WORKING, until
from tests.server_process import PROJECT, ServerProcess
from tests.webhooks.conftest import LOOPBACK
from tests.webhooks.receiver import Receiver, receiver_in_thread

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
# About a second of work for one lane.
A_WHILE = {"resize": {"width": 1400, "enlarge": True}, "format": "avif", "quality": 70}
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100", "SAFELIGHT_TRACING__ENABLED": "true"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collector_in_thread() as one:
        yield one


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiver_in_thread() as one:
        yield one


@pytest.fixture(scope="module")
def traced_server(
    tmp_path_factory: pytest.TempPathFactory, collector: Collector, receiver: Receiver
) -> Iterator[ServerProcess]:
    """Sends traces to the collector, and tells an endpoint of each completed job."""
    crm = {"url": receiver.at("/crm"), "events": ["job.completed"]}
    server = server_process.start(
        tmp_path_factory.mktemp("traced-server") / "data",
        environment={
            **LOOPBACK,
            **SOON,
            "SAFELIGHT_TRACING__ENDPOINT": collector.listen().removesuffix("/v1/traces"),
            "SAFELIGHT_TRACING__HEADERS": '{"x-tenant": "darkroom"}',
            "SAFELIGHT_WEBHOOKS__ENDPOINTS": json.dumps({"crm": crm}),
            "SAFELIGHT_POOL__MAX_LANES": "1",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        },
    )
    yield server
    server.close()


@pytest_asyncio.fixture
async def client(
    traced_server: ServerProcess, request: pytest.FixtureRequest
) -> AsyncIterator[ClientSession]:
    request.node.stash[SERVERS] = [traced_server]
    async with ClientSession(traced_server.url) as session:
        yield session


def named(spans: list[Told], name: str) -> Told:
    [found] = [one for one in spans if one.name == name]
    return found


async def test_one_trace_leads_from_the_upload_through_the_worker_to_the_webhook(
    client: ClientSession, collector: Collector, receiver: Receiver
) -> None:
    url = receiver.at("/told")
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", **AT_ONCE, "X-Request-Id": "mine-1"}
    data = form(("cat.jpg", jpeg(640, 480)), callbackUrl=url, options='{"resize": {"width": 100}}')
    async with client.post("/upload", data=data, headers=headers) as response:
        job_id = (await response.json())["jobId"]
    await end_of(client, job_id)

    def webhooks() -> list[Told]:
        return [one for one in collector.of_trace(TRACE) if one.name == "POST webhook"]

    await eventually(lambda: len(webhooks()) == 2)
    spans = collector.of_trace(TRACE)
    print(tree(spans))

    request, work = named(spans, "POST /upload"), named(spans, "process queue:interactive")
    posts = [one for one in spans if one.name == "POST webhook"]
    assert (request.parent_id, request.kind) == (CALLER, "server")
    assert request.about["http.response.status_code"] == 202
    assert request.about["http.route"] == "/upload"
    assert request.about["safelight.request_id"] == "mine-1"
    for name in ("receive", "spool", "probe", "send queue:interactive"):
        assert named(spans, name).parent_id == request.span_id
    # Stored while the header was read, the original may take no time of its own.
    stored = [one.parent_id for one in spans if one.name == "store original"]
    assert stored in ([], [request.span_id])
    assert named(spans, "wait queue:interactive").parent_id == request.span_id
    assert (work.parent_id, work.kind) == (request.span_id, "consumer")
    assert work.about["messaging.message.id"] == job_id
    for name in ("prepare", "hand over", "decoding", "processing", "save", "store results"):
        stage = named(spans, name)
        assert stage.parent_id == work.span_id
        assert work.start_ms <= stage.start_ms <= stage.end_ms <= work.end_ms
    assert [one.parent_id for one in posts] == [work.span_id, work.span_id]
    assert all(one.start_ms <= one.end_ms for one in spans)
    assert max(one.end_ms for one in spans) - request.start_ms < 60_000
    assert not any(one.is_error for one in spans)
    assert len({one.span_id for one in spans}) == len(spans)
    assert {one.resource["service.name"] for one in spans} == {"safelight"}
    assert spans[0].resource["deployment.environment.name"] == "test"
    assert collector.headers[-1]["x-tenant"] == "darkroom"
    sent = {receiver.messages[path][-1].headers["traceparent"] for path in ("/told", "/crm")}
    assert sent == {f"00-{TRACE}-{one.span_id}-01" for one in posts}


async def test_a_stranger_s_receiver_is_not_told_of_a_trace_that_is_ours(
    client: ClientSession, collector: Collector, receiver: Receiver
) -> None:
    data = form(("dog.jpg", jpeg(320, 240)), callbackUrl=receiver.at("/stranger"))
    async with client.post("/upload", data=data) as response:
        assert response.status == 200
    await eventually(receiver.has("/stranger"))
    await eventually(receiver.has("/crm"))

    assert "traceparent" not in receiver.messages["/stranger"][0].headers
    assert "traceparent" in receiver.messages["/crm"][-1].headers


async def test_an_unsampled_caller_is_not_recorded(
    client: ClientSession, collector: Collector
) -> None:
    other, kept = "a" * 32, "b" * 32
    for trace_id, flags in ((other, "00"), (kept, "01")):
        headers = {"traceparent": f"00-{trace_id}-{CALLER}-{flags}"}
        async with client.get("/presets", headers=headers) as response:
            assert response.status == 200
    await eventually(lambda: bool(collector.of_trace(kept)))

    assert collector.of_trace(other) == []


async def test_a_worker_that_dies_leaves_a_failed_attempt_in_the_trace(
    client: ClientSession, collector: Collector
) -> None:
    trace_id = "c" * 32
    headers = {"traceparent": f"00-{trace_id}-{CALLER}-01", **AT_ONCE}
    data = form(("slow.jpg", jpeg(800, 600)), options=json.dumps(A_WHILE))
    [worker] = await lane_pids(client)
    async with client.post("/upload", data=data, headers=headers) as response:
        job_id = (await response.json())["jobId"]
    await until(client, job_id, "stage", *WORKING)
    os.kill(worker, signal.SIGKILL)
    await until(client, job_id, "status", "completed")

    def attempts() -> list[Told]:
        return [one for one in collector.of_trace(trace_id) if one.kind == "consumer"]

    await eventually(lambda: len(attempts()) == 2)
    first, second = attempts()
    assert (first.is_error, first.about["error.type"]) == (True, "signal 9")
    assert (second.is_error, second.parent_id) == (False, first.parent_id)
    assert first.end_ms <= second.start_ms


async def test_a_collector_that_is_away_disturbs_nobody_and_is_told_of_once(
    start_server: server_process.ServerProcess,
) -> None:
    server = start_server(  # type: ignore[operator]
        **SOON,
        SAFELIGHT_TRACING__ENDPOINT="http://127.0.0.1:9/v1/traces",
        OTEL_BSP_MAX_QUEUE_SIZE="8",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
    )
    async with ClientSession(server.url) as client:
        for _ in range(30):
            async with client.get("/presets") as response:
                assert response.status == 200
        told = "traces cannot be sent"
        await eventually(lambda: told in server.log.read_text())
        state = "ok"
        while state == "ok":  # a look is shared for half a second
            async with client.get("/health") as response:
                state = (await response.json())["parts"]["tracing"]["state"]

    assert state == "degraded"
    assert server.stop() == 0
    log = server.log.read_text()
    assert log.count(told) == 1
    assert "opentelemetry.exporter" not in log


def test_tracing_that_is_off_loads_nothing_of_it() -> None:
    # redis-py loads a part of the SDK by itself where it finds it installed.
    ours = "server.ops.otel", "opentelemetry.exporter", "opentelemetry.sdk.trace.export", "google"
    code = f"import sys, server.service; print([m for m in sys.modules if m.startswith({ours})])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )

    assert loaded.stdout == "[]\n"


async def test_a_missing_extra_is_told_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import AsyncExitStack

    monkeypatch.setattr(tracing, "_NEEDED", ("opentelemetry_that_nobody_has.sdk",))

    with pytest.raises(SettingsError, match=r"safelight\[otel\]"):
        await tracing.open_tracing(
            TracingSettings(enabled=True), node="n", closing=AsyncExitStack()
        )


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00-" + "0" * 32 + f"-{CALLER}-01",
        f"00-{TRACE}-" + "0" * 16 + "-01",
        f"ff-{TRACE}-{CALLER}-01",
        f"00-{TRACE.upper()}-{CALLER}-01",
        f"00-{TRACE}-{CALLER}-1",
        f"00-{TRACE}-{CALLER}",
        f"00-{TRACE}-{CALLER}-01 ",
    ],
)
def test_a_wrong_traceparent_is_no_parent(header: str) -> None:
    assert parent_of(header) is None


def test_a_later_version_of_traceparent_is_read_as_far_as_it_is_known() -> None:
    parent = parent_of(f"42-{TRACE}-{CALLER}-03-what-comes-later")

    assert parent is not None
    assert (parent.trace_id, parent.is_sampled) == (TRACE, True)


def test_what_a_job_keeps_of_its_trace_reads_back() -> None:
    for traced in (Traced(TRACE, CALLER), Traced(TRACE, CALLER, is_of_caller=True)):
        assert Traced.from_text(traced.text) == traced
