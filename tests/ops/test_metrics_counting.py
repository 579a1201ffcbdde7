"""What parts count with, and how it becomes rows: bounded, exact, each server for itself."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.registry import DuplicateTimeseries

from server.counting import OTHER, Counts, Durations
from server.edge.metrics.rows import AnyRow, Table, counter, gauge, histogram
from server.jobs.counts.ever import STAGES, Ever
from server.jobs.trail.way import Turn, Working


def value(rows: list[AnyRow], sample: str, **labels: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(Table(rows))
    return registry.get_sample_value(sample, labels)


def test_words_beyond_the_bound_are_counted_together() -> None:
    counts = Counts("code", most=3, known=("a",))
    for code in ("a", "b", "c", "d", "e", "d", "b"):
        counts.add(code)

    assert dict(counts.all()) == {("a",): 1, ("b",): 2, ("c",): 1, (OTHER,): 3}


def test_durations_beyond_the_bound_are_counted_together() -> None:
    durations = Durations("route", bounds=(1.0,), most=2)
    for number in range(50):
        durations.add(0.5, f"/{number}")

    assert {words for words, _, _ in durations.all()} == {("/0",), ("/1",), (OTHER,)}
    assert durations.count(OTHER) == 48


def test_a_bound_belongs_to_its_bucket_and_what_is_longer_to_the_last() -> None:
    durations = Durations(bounds=(0.1, 0.5))
    for seconds in (0.0, 0.1, 0.100001, 0.5, 7.0):
        durations.add(seconds)
    [(words, sums, seconds)] = durations.all()

    assert (words, sums) == ((), [2, 4, 5])
    assert seconds == pytest.approx(7.700001)


def test_what_fails_counts_in_the_time_it_took() -> None:
    durations = Durations("operation", bounds=(10.0,))
    with pytest.raises(OSError), durations.timed("put"):
        raise OSError("broken")

    assert durations.count("put") == 1


def test_known_words_are_told_before_they_happen() -> None:
    rows: list[AnyRow] = [counter("a", "A.", Counts("kind", known=("x",)))]

    assert value(rows, "safelight_a_total", kind="x") == 0


def test_rows_are_told_with_their_labels() -> None:
    durations = Durations("stage", bounds=(0.25, 1.0))
    durations.add(0.25, "encode")
    rows = [
        gauge("b", "B.", lambda: {("x", "y"): 2.0}, "one", "two"),
        gauge("c", "C.", lambda: {"x": 3.0}, "one"),
        gauge("d", "D.", lambda: None),
        histogram("e_seconds", "E.", durations),
    ]

    assert value(rows, "safelight_b", one="x", two="y") == 2
    assert value(rows, "safelight_c", one="x") == 3
    assert value(rows, "safelight_d") is None
    assert value(rows, "safelight_e_seconds_bucket", stage="encode", le="0.25") == 1
    assert value(rows, "safelight_e_seconds_count", stage="encode") == 1


def test_a_name_can_be_given_once() -> None:
    registry = CollectorRegistry()
    registry.register(Table([gauge("f", "F.", lambda: 1.0)]))

    with pytest.raises(DuplicateTimeseries):
        registry.register(Table([gauge("f", "Another.", lambda: 2.0)]))


def test_two_servers_of_one_process_count_for_themselves() -> None:
    first, second = Ever(), Ever()
    first.problems.add("413", "too_large")

    assert second.problems["413", "too_large"] == 0
    assert first.problems["413", "too_large"] == 1


def test_the_laps_of_a_worker_become_stages_and_odd_ones_none() -> None:
    ever = Ever()
    turn = Turn("lane-0", 1000.0, 1010.0, 1500.0)
    laps = (("open", 1030.0), ("odd", 1100.0), ("decoding", 1200.0))
    saved = (("save a", 1300.0), ("save b", 1450.0))
    ever.worked(Working(turn, 1020.0, (*laps, *saved), 1600.0, 1601.0), 400.0, 1700.0)
    taken = {words[0]: seconds for words, sums, seconds in ever.stages.all() if sums[-1]}

    assert taken == pytest.approx(
        {
            **{"wait": 0.6, "prepare": 0.01, "hand_over": 0.01, "open": 0.01, "decode": 0.1},
            **{"encode": 0.25, "answer": 0.05, "store_result": 0.1, "settle": 0.1},
        }
    )
    assert set(taken) < set(STAGES)
