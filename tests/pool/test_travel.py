"""Records come out of their journey between processes as they went in, frozen and equal."""

import pickle
from dataclasses import FrozenInstanceError

import pytest

from pool import Fault, Header, Lap, Limits, Look, Outcome, Output, ProbeTask, Task, parse_recipe
from pool.ai.engines import OWN, Engines, Used
from pool.answers import read_answer

LIMITS = Limits(1, 2, 3, 4, ("jpeg",), Engines((OWN["enhance"],), "", {"upscale": "gone"}))
RECORDS = [
    LIMITS,
    Header("jpeg", 640, 480, 3, 1, True, False, 8, 6, True),
    ProbeTask("/spool/a", LIMITS, 2, {"job_id": "a"}),
    Task("a", 1, "/spool/a", parse_recipe({"blur": {"sigma": 2}}), "/w", LIMITS, 60.0, 2, {}, {}),
]
ANSWERS = [
    Outcome(
        "a",
        2,
        (Output("default", "/w/default.webp", "webp", 8, 6, 99, "e" * 64, 1, 80, 93.5),),
        None,
        {"decoding": 1.5},
        4096,
        Look("hash", "#aabbcc", 8, 6, "0f" * 8),
        (Used("enhance", "ai", "enhance", 0.5, 1.2),),
        1.25,
        (Lap("open", 1.5), Lap("decoding", 2.0)),
    ),
    Outcome("a", 2, (), Fault("corrupt_image", "It ends too soon."), {}, 4096),
]


@pytest.mark.parametrize("record", RECORDS + ANSWERS, ids=lambda record: type(record).__name__)
def test_a_record_arrives_as_it_was(record: object) -> None:
    arrived = pickle.loads(pickle.dumps(record, pickle.HIGHEST_PROTOCOL))

    assert arrived == record
    assert repr(arrived) == repr(record)  # what is left out of comparisons, too
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        arrived.job_id = "another"


@pytest.mark.parametrize("answer", ANSWERS, ids=("done", "fault"))
def test_an_answer_is_read_by_who_trusts_no_child(answer: Outcome) -> None:
    assert read_answer(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)) == answer
