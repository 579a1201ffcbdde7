"""Which engine does a step, and what is said where there is no network."""

from dataclasses import replace
from pathlib import Path

import pytest

from pool import Header, Limits, Recipe, announce, parse_recipe, refusal
from pool.ai.costs import network_bytes, pixels_given, seconds
from pool.ai.engines import (
    DIGESTS,
    NO_AI,
    OWN,
    SHIPPED,
    Engines,
    Model,
    damaged,
    needs_network,
)
from pool.cost import group_kind, memory_bytes
from pool.plan import plan_outputs
from tests.pool.pictures import LIMITS

THERE = Engines(models=tuple(OWN.values()), why_not="")
HEADER = Header("jpeg", 4000, 3000, 3, 1, False, False, 8, 1)


def limits(engines: Engines) -> Limits:
    return Limits(10**8, 65_500, 10**8, 10, ("jpeg",), engines)


def recipe(**steps: object) -> Recipe:
    return parse_recipe(steps)


@pytest.mark.parametrize("step", [{"enhance": {}}, {"upscale": {"factor": 2}}])
def test_auto_takes_the_network_where_there_is_one(step: dict[str, object]) -> None:
    assert needs_network(recipe(**step), THERE)
    assert not needs_network(recipe(**step), NO_AI)
    assert refusal(HEADER, recipe(**step), limits(NO_AI)) is None


def test_classic_never_takes_a_network() -> None:
    assert not needs_network(recipe(enhance={"engine": "classic"}), THERE)


def test_ai_without_networks_is_refused_with_the_reason() -> None:
    engines = Engines(why_not="the extra is not installed")

    fault = refusal(HEADER, recipe(enhance={"engine": "ai"}), limits(engines))

    assert fault is not None
    assert fault.code == "ai_unavailable"
    assert "enhance.engine" in fault.detail
    assert "the extra is not installed" in fault.detail


def test_a_model_that_is_not_there_is_refused_by_its_name() -> None:
    fault = refusal(HEADER, recipe(enhance={"model": "house"}), limits(THERE))

    assert fault is not None
    assert fault.detail == "enhance.model: expected one of enhance, upscale; got house"


def test_a_model_of_the_wrong_scale_is_refused() -> None:
    fault = refusal(HEADER, recipe(enhance={"model": "upscale"}), limits(THERE))

    assert fault is not None
    assert "2 times as large" in fault.detail


def test_upscale_announces_its_size_and_resize_takes_it_from_there() -> None:
    [twice] = announce(HEADER, recipe(upscale={"factor": 2}))
    [resized] = announce(HEADER, recipe(upscale={"factor": 2}, resize={"width": 6000}))

    assert (twice.width, twice.height) == (8000, 6000)
    assert (resized.width, resized.height) == (6000, 4500)


def test_more_pixels_than_may_be_made_are_refused_though_resize_makes_them_few() -> None:
    asked = recipe(upscale={"factor": 4}, resize={"width": 100})

    fault = refusal(HEADER, asked, limits(THERE))

    assert fault is not None
    assert (fault.code, fault.actual) == ("output_too_large", 16000 * 12000)


def test_seconds_count_every_pass_and_every_output() -> None:
    measured = replace(THERE, seconds_per_mp={"enhance": 1.0, "upscale": 2.0})
    small = Header("jpeg", 1000, 1000, 3, 1, False, False, 8, 1)
    variants = [{"name": "a"}, {"name": "b", "resize": {"width": 500}}]

    assert seconds(small, recipe(upscale={"factor": 4}), measured) == 2.0 + 8.0
    assert seconds(small, recipe(enhance={}, variants=variants), measured) == 1.25
    assert seconds(small, recipe(enhance={}), NO_AI) == 0.0
    assert seconds(small, recipe(enhance={}), THERE) == OWN["enhance"].usual_s_per_mp


def test_what_does_not_work_is_not_chosen_and_refused_with_the_reason() -> None:
    broken = THERE.without("enhance", "its file is damaged")

    auto, asked = recipe(enhance={}), recipe(enhance={"engine": "ai"})
    fault = refusal(HEADER, asked, limits(broken))

    assert not needs_network(auto, broken)
    assert needs_network(recipe(upscale={"factor": 2}), broken)
    assert fault is not None
    assert fault.code == "ai_unavailable"
    assert "the network enhance does not work here: its file is damaged" in fault.detail
    assert THERE.unfit == {}


def test_the_files_of_our_networks_are_those_that_were_shipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert damaged() == {}

    other = tmp_path / "upscale.onnx"
    other.write_bytes(b"something else")
    (tmp_path / DIGESTS).write_bytes((SHIPPED / DIGESTS).read_bytes())
    monkeypatch.setitem(OWN, "upscale", replace(OWN["upscale"], path=str(other)))
    gone = replace(OWN["enhance"], path=str(tmp_path / "enhance.onnx"))
    monkeypatch.setitem(OWN, "enhance", gone)

    assert damaged() == {
        "enhance": "its file cannot be read (No such file or directory); install the package again",
        "upscale": "its file is not the one that was shipped; install the package again",
    }


def test_a_larger_model_needs_fewer_passes() -> None:
    four = Engines(models=(Model("upscale", "x.onnx", scale=4),), why_not="")
    plans = plan_outputs(HEADER, recipe(upscale={"factor": 4}))

    assert pixels_given(plans, four) == 12_000_000
    assert pixels_given(plans, THERE) == 12_000_000 * 5


def test_what_networks_do_is_never_grouped_and_costs_memory() -> None:
    small = Header("jpeg", 300, 300, 3, 1, False, False, 8, 1)
    plain, asked = recipe(resize={"width": 100}), recipe(resize={"width": 100}, enhance={})
    classic = recipe(resize={"width": 100}, enhance={"engine": "classic"})

    assert group_kind(small, plain) != ""
    assert group_kind(small, asked) == ""
    assert group_kind(small, classic) != ""
    assert memory_bytes(small, asked) - memory_bytes(small, plain) >= 128 << 20
    assert network_bytes(plan_outputs(small, plain), 3) == 0


def test_the_limits_of_the_other_tests_have_no_network() -> None:
    assert LIMITS.engines is NO_AI
