"""deploy/prometheus and deploy/grafana beside a real server and a real Prometheus."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any
from urllib.request import Request, urlopen

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from tests import server_process
from tests.conftest import SERVERS
from tests.deploy.prometheus_process import FOLDER, Prometheus, program, promtool
from tests.edge.forms import form, upload
from tests.edge.pictures import jpeg
from tests.patience import PATIENCE_S
from tests.ports import free_port
from tests.server_process import PROJECT, ServerProcess

DASHBOARD = PROJECT / "deploy" / "grafana" / "safelight.json"
DOCS = PROJECT / "docs" / "metrics.md"
ROWS = [
    *("Now", "Requests", "Jobs & stages", "Queue", "Lanes & memory", "Storage & Redis"),
    *("Webhooks & fetches", "Live sockets", "AI"),
]
VARIABLES = {"$__rate_interval": "30s", "$job": "safelight", "$node": ".*", "$role": ".*"}
LABEL = re.compile(r"{{\s*(\w+)\s*}}")
DAMAGED = jpeg(640, 480)[:4000]
# What is shown of things that did not happen to the server of these tests.
SILENT = {
    "Workers replaced",
    "Time of a picture with networks",
    "Receivers, p95",
}

pytestmark = pytest.mark.skipif(
    program("prometheus") is None or program("promtool") is None,
    reason="Prometheus is not installed (Debian: prometheus)",
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    """A server, and where its metrics are."""
    port = free_port()
    server = server_process.start(
        tmp_path_factory.mktemp("measured") / "data",
        environment={
            **server_process.WITH_NETWORKS,
            "SAFELIGHT_METRICS__PORT": str(port),
            "SAFELIGHT_UPLOAD__MAX_UPLOAD_BYTES": "100000",
        },
    )
    yield server, f"127.0.0.1:{port}"
    server.close()


@pytest.fixture(scope="module")
def prometheus(
    measured: tuple[ServerProcess, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Scrapes that server, and one that is not there."""
    targets = {"safelight": measured[1], "gone": f"127.0.0.1:{free_port()}"}
    one = Prometheus(tmp_path_factory.mktemp("prometheus"), free_port(), targets)
    one.start()
    try:
        one.wait_for('safelight_build_info{job="safelight"}')
        yield one
    finally:
        one.stop()


@pytest_asyncio.fixture
async def busy(
    measured: tuple[ServerProcess, str], prometheus: Prometheus, request: pytest.FixtureRequest
) -> Prometheus:
    """A Prometheus that has seen the server before, while and after it did a little of all."""
    server = measured[0]
    request.node.stash[SERVERS] = [server]
    async with ClientSession(server.url) as client:
        for number in range(3):
            image = await upload(client, jpeg(60 + number, 40))
        for _ in range(2):
            async with client.get(f"/image/{image['imageId']}") as response:
                assert response.status == 200
        async with client.post("/upload", data=form(("d.jpg", DAMAGED))) as response:
            assert response.status in (200, 422)
        async with client.post("/upload", data=form(("l.jpg", jpeg(900, 900)))) as response:
            assert response.status == 413
        await upload(client, jpeg(60, 40))
    # Rates need two scrapes of a series that has just begun.
    for series in (
        'safelight_rejected_total{reason="too_large"}',
        'safelight_jobs_ended_total{error="corrupt_image"}',
    ):
        prometheus.wait_for(f"rate({series}[30s])")
    prometheus.wait_for('increase(safelight_jobs_ended_total{state="completed"}[30s]) > 0')
    return prometheus


def test_rules_alerts_and_config_are_valid() -> None:
    for name in ("rules.yml", "alerts.yml"):
        assert "SUCCESS" in promtool("check", "rules", str(FOLDER / name))
    assert "SUCCESS" in promtool("check", "config", str(FOLDER / "prometheus.yml"))


def test_alerts_fire_when_they_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(FOLDER / "alerts.test.yml"))


def test_every_alert_says_what_to_do_and_is_tested_to_fire(prometheus: Prometheus) -> None:
    tests = (FOLDER / "alerts.test.yml").read_text()
    headings = set(re.findall(r"^### (\w+)$", DOCS.read_text(), re.MULTILINE))
    alerts = rules(prometheus, "alerting")

    assert len(alerts) > 20
    assert {one["name"] for one in alerts} <= headings
    for one in alerts:
        said = one["annotations"]
        assert one["labels"]["severity"] in ("info", "warning", "critical")
        assert said["summary"] and len(said["description"]) > 60
        assert said["runbook_url"] == f"docs/metrics.md#{one['name'].lower()}"
        assert re.search(rf"{{ labels: 'ALERTS\{{alertname=\"{one['name']}\"", tests), one["name"]


def test_the_live_metrics_are_as_prometheus_likes_them(measured: tuple[ServerProcess, str]) -> None:
    assert promtool("check", "metrics", given=live_text(measured[1])) == ""


async def test_every_expression_of_dashboard_and_rules_is_understood(busy: Prometheus) -> None:
    known = names_of(live_text(busy.targets["safelight"])) | {"up", "ALERTS"}
    recorded = {one["name"] for one in rules(busy, "recording")}
    asked = {one["query"] for kind in ("recording", "alerting") for one in rules(busy, kind)}
    asked |= {expression for _, expression in panels_expressions()}
    asked |= {one["expr"] for one in dashboard()["annotations"]["list"] if "expr" in one}

    for expression in asked:
        filled = fill(expression)
        busy.ask("query", query=filled)
        metrics = {name for name in metric_names(filled) if name not in known | recorded}
        assert not metrics, f"{metrics} of {expression}"
    assert len(asked) > 100
    assert {one["health"] for kind in ("recording", "alerting") for one in rules(busy, kind)} == {
        "ok"
    }


async def test_every_panel_shows_something(busy: Prometheus) -> None:
    shown: dict[str, int] = {}
    for title, expression in panels_expressions():
        shown[title] = shown.get(title, 0) + len(busy.values(fill(expression)))

    assert {title for title, series in shown.items() if not series} <= SILENT


async def test_legends_tell_the_series_of_a_panel_apart(busy: Prometheus) -> None:
    faults = []
    for panel in dashboard()["panels"]:
        told: Counter[str] = Counter()
        for target in panel.get("targets", ()):
            legend = target.get("legendFormat", "")
            for one in busy.ask("query", query=fill(target["expr"]))["result"]:
                if missing := set(LABEL.findall(legend)) - set(one["metric"]):
                    faults.append((panel["title"], legend, missing))
                labels = {name: one["metric"].get(name, "") for name in LABEL.findall(legend)}
                told[LABEL.sub("{\\1}", legend).format(**labels)] += 1
        faults += [(panel["title"], words, count) for words, count in told.items() if count > 1]

    assert faults == []


async def test_variables_offer_what_there_is(busy: Prometheus) -> None:
    queries = [one for one in dashboard()["templating"]["list"] if one["type"] == "query"]
    offered = {}
    for one in queries:
        [(series, label)] = re.findall(r"^label_values\((.+), (\w+)\)$", one["query"]["query"])
        offered[one["name"]] = busy.ask(f"label/{label}/values", **{"match[]": fill(series)})

    target = busy.targets["safelight"]
    assert offered == {"job": ["safelight"], "role": ["all"], "node": [target]}


async def test_a_dashboard_shows_what_was_done(busy: Prometheus) -> None:
    ended = 'max_over_time(safelight_jobs_ended_total{state="%s"}[5m])'

    assert max(busy.values(ended % "completed")) >= 4
    assert max(busy.values(ended % "failed")) >= 1
    assert busy.values('up{job="gone"}') == [0]
    busy.wait_for("job:safelight_http_requests:rate5m")  # a rule needs two scrapes


def test_the_dashboard_is_whole() -> None:
    found = dashboard()
    panels = found["panels"]
    shown = [one for one in panels if one["type"] != "row"]
    variables = {one["name"]: one for one in found["templating"]["list"]}

    assert [one["title"] for one in panels if one["type"] == "row"] == ROWS
    assert list(variables) == ["datasource", "job", "role", "node"]
    assert variables["datasource"]["type"] == "datasource"
    assert len({one["id"] for one in panels}) == len(panels)
    assert found["schemaVersion"] >= 41 and found["uid"] == "safelight"
    for one in shown:
        assert one["title"] and len(one["description"]) > 20, one["title"]
        assert one["fieldConfig"]["defaults"].get("unit") or one["type"] == "heatmap", one["title"]
        for target in one["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
    for first, second in combinations(panels, 2):
        assert not overlap(first["gridPos"], second["gridPos"]), (first["title"], second["title"])
    assert all(a["gridPos"]["y"] <= b["gridPos"]["y"] for a, b in pairwise(panels))


def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    return not (beside or above)


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panels_expressions() -> list[tuple[str, str]]:
    return [
        (panel["title"], target["expr"])
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    ]


def rules(prometheus: Prometheus, kind: str) -> list[dict[str, Any]]:
    groups = prometheus.ask("rules")["groups"]
    return [one for group in groups for one in group["rules"] if one["type"] == kind]


def fill(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def metric_names(expression: str) -> set[str]:
    """What is asked for by name; labels and functions have other beginnings."""
    bare = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"\b(?:\w+:)?(?:safelight|process)_\w+(?::\w+)?|\bup\b|\bALERTS\b", bare))


def live_text(target: str) -> str:
    with urlopen(Request(f"http://{target}/metrics"), timeout=PATIENCE_S) as response:
        text: str = response.read().decode()
    return text


def names_of(text: str) -> set[str]:
    """Every name that a series of the live server can have, also where it has none yet."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    return {
        family.name + suffix
        for family in text_string_to_metric_families(text)
        for suffix in suffixes.get(family.type, ("",))
    }
