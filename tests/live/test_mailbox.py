"""A mailbox keeps the newest of each thing and nothing more."""

import asyncio

import orjson
import pytest

from server.jobs.job import Batch, Job
from server.live.mailbox import Event, Mailbox


def event(watched_id: str = "a", revision: int = 1, payload: bytes = b"") -> Event:
    """An event whose subject does not matter."""
    subject = Batch(watched_id, revision, 0, {}, 0)
    return Event(watched_id, revision, subject, payload)


async def test_the_newest_of_each_is_kept() -> None:
    mailbox = Mailbox()
    for revision in (1, 2, 3):
        mailbox.put(event("a", revision))
        mailbox.put(event("b", revision * 10))

    assert [(one.watched_id, one.revision) for one in await mailbox.take()] == [("a", 3), ("b", 30)]


async def test_what_is_older_than_what_was_given_out_is_dropped() -> None:
    mailbox = Mailbox()
    mailbox.put(event(revision=5))
    await mailbox.take()
    mailbox.put(event(revision=4))
    mailbox.put(event("b"))

    assert [one.watched_id for one in await mailbox.take()] == ["b"]


async def test_the_same_revision_may_tell_a_new_place_in_the_queue() -> None:
    mailbox = Mailbox()
    mailbox.put(event(payload=b"place 2"))
    await mailbox.take()
    mailbox.put(event(payload=b"place 1"))

    assert [one.payload for one in await mailbox.take()] == [b"place 1"]


async def test_a_reader_waits_until_something_comes() -> None:
    mailbox = Mailbox()
    reading = asyncio.create_task(mailbox.take())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await asyncio.shield(reading)
    mailbox.put(event())

    assert len(await reading) == 1


async def test_what_is_forgotten_is_not_given_out_and_may_begin_anew() -> None:
    mailbox = Mailbox()
    mailbox.put(event("a", 9))
    mailbox.put(event("b"))
    mailbox.forget("a")
    assert [one.watched_id for one in await mailbox.take()] == ["b"]
    mailbox.put(event("a", 1))

    assert [one.revision for one in await mailbox.take()] == [1]


async def test_a_reader_that_never_reads_costs_one_event_a_watched_thing() -> None:
    mailbox = Mailbox()
    for revision in range(10_000):
        mailbox.put(event(f"job-{revision % 3}", revision))

    assert len(await mailbox.take()) == 3


def test_an_event_is_the_public_picture_encoded_once() -> None:
    fields = {
        **{"id": "x", "status": "queued", "revision": "7", "name": "a.jpg", "client": "127.0.0.1"},
        **{"class": "interactive", "original_key": "k", "original_bytes": "1", "cost": "1"},
        **{"original_format": "jpeg", "width": "1", "height": "1", "digest": "d", "created": "0"},
        **{"group": ""},
    }
    told = Event.of(Job.from_fields(fields))

    picture = orjson.loads(told.payload)
    assert (told.watched_id, told.revision) == (picture["jobId"], picture["revision"]) == ("x", 7)
    assert "client" not in picture
