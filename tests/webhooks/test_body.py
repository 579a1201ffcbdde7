"""What a webhook says: made of a snapshot, bounded, the same whenever it is made."""

from dataclasses import replace

import orjson

from server.jobs.delivery import Delivery
from server.jobs.job import Job
from server.jobs.links import Links
from server.jobs.picture import job_picture
from server.live.webhooks.body import body_of
from server.signing import Signer

AT_MS = 1_793_340_000_123
SIGNER = Signer(["k" * 40])


def links_at(at_s: float) -> Links:
    return Links(
        SIGNER, url_s=1000, public_images=True, base="https://a.example", clock=lambda: at_s
    )


def variant(number: int) -> dict[str, object]:
    sizes = {"width": number, "height": 1, "bytes": 1, "digest": "d"}
    return {"name": f"w{number}-webp", "key": f"results/{number}", "format": "webp", **sizes}


def delivery(variants: int) -> Delivery:
    """Of a private job that has ended with so many variants."""
    snapshot = {
        **{"id": "abc", "status": "completed", "revision": "7", "name": "a.jpg", "client": "me"},
        **{"class": "interactive", "original_key": "", "created": "1", "private": "1"},
        "variants": orjson.dumps([variant(number) for number in range(1, variants + 1)]).decode(),
    }
    return Delivery.from_fields(
        {
            **{"id": "msg_abc_7", "type": "job.completed", "at": str(AT_MS), "subject": "abc"},
            **{"client": "me", "target": "a.example", "url": "https://a.example/", "token": "1"},
            **{"state": "waiting", "attempts": "1", "snapshot": orjson.dumps(snapshot).decode()},
        }
    )


def test_it_is_the_picture_of_the_job_with_links_from_the_event_on() -> None:
    one = delivery(2)
    said = orjson.loads(body_of(one, links_at, max_bytes=100_000))

    assert (said["type"], said["timestamp"]) == ("job.completed", "2026-10-30T06:00:00.123Z")
    assert said["data"] == job_picture(Job.from_json(one.snapshot), links_at(AT_MS / 1000))
    assert f"expires={AT_MS // 1000 + 1000}" in said["data"]["url"]
    assert said["data"]["html"].count("https://a.example/image/abc/w1-webp?expires=") >= 1


def test_it_is_the_same_whenever_it_is_made() -> None:
    assert len({body_of(delivery(3), links_at, max_bytes=100_000) for _ in range(3)}) == 1


def test_what_would_be_too_long_goes_without_the_files() -> None:
    whole = body_of(delivery(100), links_at, max_bytes=100_000)
    short = body_of(delivery(100), links_at, max_bytes=4096)

    said = orjson.loads(short)["data"]
    assert len(whole) > 4096 > len(short)
    assert said["shortened"] is True
    assert (said["jobId"], said["status"]) == ("abc", "completed")
    assert not {"variants", "html", "placeholder"} & said.keys()


def test_a_ping_tells_of_nothing() -> None:
    one = replace(delivery(0), subject_id="", event="webhook.ping", snapshot="{}")

    assert orjson.loads(body_of(one, links_at, max_bytes=4096))["data"] == {}
