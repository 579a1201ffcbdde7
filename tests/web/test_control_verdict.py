"""What the control room makes of what the service says of itself: every fault has its words."""

import copy
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.web.darkroom import OpenDarkroom

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LANE = {
    **{"name": "lane-0", "state": "idle", "jobId": None, "stage": None, "progress": None},
    **{"rssBytes": 1, "jobs": 1, "restarts": 0, "restartReasons": {}},
}
WELL: dict[str, Any] = {
    "type": "system",
    "at": "2026-11-30T03:00:00.000Z",
    "queue": {
        **dict.fromkeys(("interactive", "bulk", "ai", "fetch", "fetchBulk"), 0),
        **dict.fromkeys(("processing", "delayed", "quarantined"), 0),
        **{"maxDepth": 1000, "maxUrls": 2000, "oldestAgeS": None, "meanMs": 80.0},
    },
    "history": {"stepS": 10, "completed": [5] * 90, "failed": [0] * 90, "p95Ms": [100.0] * 90},
    **{"rejected": {}, "errors": {}, "sockets": 1},
    "nodes": [{"node": "abcd1234", "isGone": False, "lanes": [LANE]}],
    "storage": {"kind": "disk", "freeBytes": 10**11, "minFreeBytes": 10**8},
    "redis": {"usedBytes": 10**6, "maxBytes": 10**8, "latencyMs": 0.4},
    "records": {"waiting": 0, "isWritten": True, "limit": 50000},
    "webhooks": {"waiting": 0, "born": 0, "delivered": 0, "retried": 0, "givenUp": 0, "gone": 0},
}

# By dotted path what differs from a service that is well, and what is then found, worst first.
FAULTS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"redis.latencyMs": None}, ["redisSilent"]),
    ({"redis.usedBytes": 99_000_000}, ["redisFull"]),
    ({"redis.usedBytes": 85_000_000}, ["redisFilling"]),
    ({"redis.maxBytes": 0, "redis.usedBytes": 10**12}, []),
    ({"redis.latencyMs": 120.0}, ["redisSlow"]),
    ({"storage.freeBytes": 10**7}, ["diskFull"]),
    ({"storage.freeBytes": 15 * 10**7}, ["diskFilling"]),
    ({"storage.freeBytes": None}, []),
    ({"records.isWritten": False}, ["recordsAway"]),
    ({"records.waiting": 50000, "records.isWritten": False}, ["recordsFull"]),
    ({"records.limit": None}, []),
    ({"nodes.0.isGone": True}, ["nodeGone", "noLanes"]),
    ({"nodes.0.lanes.0.state": "starting"}, ["noLanes"]),
    ({"queue.bulk": 1000}, ["queueFull"]),
    ({"queue.interactive": 500, "queue.ai": 400}, ["queueFilling"]),
    ({"queue.fetchBulk": 2000}, ["urlsFull"]),
    ({"queue.interactive": 3, "queue.oldestAgeS": 90.0}, ["longWait"]),
    ({"queue.quarantined": 1}, ["quarantined"]),
    ({"history.failed": [1] * 90, "errors": {"worker_crashed": 9}}, ["failing"]),
    ({"queue.bulk": 1000, "redis.latencyMs": 80.0}, ["queueFull", "redisSlow"]),
]
# The same for what has changed from a message before.
CHANGES: list[tuple[dict[str, Any], list[str]]] = [
    ({"rejected": {"queue_full": 4}}, ["refusing"]),
    ({"nodes.0.lanes.0.restartReasons": {"signal 9": 3}}, ["restarts"]),
    ({"nodes.0.lanes.0.restartReasons": {"max tasks": 3}}, []),
    ({"webhooks.givenUp": 2}, ["webhooksGivenUp"]),
]
FIND = """async (messages) => {
  const [{ findingsOf }, { Lately }, { linesOf }] = await Promise.all(
    ["verdict", "lately", "wording"].map((name) => import(`/web/control/${name}.js`)));
  const lately = new Lately();
  for (const message of messages) lately.note(message);
  const found = findingsOf(messages.at(-1), lately);
  return [found.map(({ kind }) => kind), linesOf(found)];
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_darkroom: OpenDarkroom, live_server: str) -> Page:
    """Any page of the service will do: the model needs none."""
    return await open_darkroom(url=f"{live_server}/control")


def changed(differences: dict[str, Any]) -> dict[str, Any]:
    """A service that is well but for this."""
    system = copy.deepcopy(WELL)
    for path, value in differences.items():
        *way, last = (int(step) if step.isdecimal() else step for step in path.split("."))
        place: Any = system
        for step in way:
            place = place[step]
        place[last] = value
    return system


async def test_every_fault_is_found_and_said_in_words_with_what_helps(page: Page) -> None:
    cases = [([changed(one)], kinds) for one, kinds in FAULTS]
    cases += [([WELL, changed(one)], kinds) for one, kinds in CHANGES]
    for messages, kinds in cases:
        found, lines = await page.evaluate(FIND, messages)

        assert found == kinds
        assert len(lines) == max(1, len(kinds))
        for line in lines:
            assert line["state"] and line["help"]
            assert not any(mark in line["state"] + line["help"] for mark in ("{", "undefined"))
        assert lines[0]["level"] == "good" or kinds


async def test_a_million_messages_would_not_make_the_page_grow(page: Page) -> None:
    kept = await page.evaluate(
        """async (message) => {
          const { Lately } = await import("/web/control/lately.js");
          const lately = new Lately();
          for (let number = 0; number < 2000; number += 1) lately.note(message);
          return lately.waiting.length;
        }""",
        WELL,
    )

    assert kept == 300
