"""Counts of the last while: right, forgotten in time, and bounded."""

import random

import pytest

from server.jobs.counts.histogram import LAST_BUCKET, bucket_of, percentile_ms
from server.jobs.counts.tally import COMPLETED, RATE_S, STEP_S, STEPS, Tally, Window


class Clock:
    """Time that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99, 1.0])
def test_percentiles_of_buckets_are_close_to_those_of_the_durations(share: float) -> None:
    chance = random.Random(7)
    durations = sorted(chance.lognormvariate(6, 1.5) for _ in range(20_000))
    buckets: dict[int, int] = {}
    for one in durations:
        buckets[bucket_of(one)] = buckets.get(bucket_of(one), 0) + 1
    true = durations[max(0, int(len(durations) * share) - 1)]

    assert percentile_ms(buckets, share) == pytest.approx(true, rel=0.05)


def test_durations_of_any_length_have_a_bucket() -> None:
    assert bucket_of(0) == bucket_of(0.9) == 0
    assert bucket_of(1) == 1
    assert bucket_of(1e30) == LAST_BUCKET
    assert percentile_ms({}, 0.5) is None
    assert percentile_ms({0: 5}, 0.99) == 0


def test_what_is_older_than_the_window_is_forgotten() -> None:
    clock = Clock()
    window: Window[str] = Window(1, 10, clock)
    window.add("a", 5)
    clock.now += 9
    window.add("a", 1)
    both = window.total()["a"]
    clock.now += 3
    later = window.total()["a"]
    clock.now += 100

    assert (both, later, window.total()["a"]) == (6, 1, 0)


def test_a_second_that_is_not_over_is_left_out_of_a_rate() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.reused(RATE_S)
    meanwhile = tally.recent().moved.get(COMPLETED, 0)
    clock.now += 1

    assert (meanwhile, tally.recent().moved[COMPLETED]) == (0, RATE_S)


def test_the_history_has_the_steps_that_are_over() -> None:
    clock = Clock()
    tally = Tally(clock, clock)
    tally.reused(3)
    clock.now += 20
    tally.reused(4)
    meanwhile = tally.recent().history
    clock.now += 10

    assert meanwhile == [(100, 3, 0, 0.0)]
    assert tally.recent().history == [(100, 3, 0, 0.0), (102, 4, 0, 0.0)]
    clock.now += STEP_S * STEPS
    assert tally.recent().history == []


def test_a_window_does_not_grow_with_what_is_counted() -> None:
    clock = Clock()
    window: Window[str] = Window(1, 5, clock)
    for number in range(10_000):
        window.add(f"code-{number}")
        clock.now += 0.01

    assert len(window.total()) <= 6 * 300
