"""The times of a job as short texts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool import Lap
from server.jobs.trail.way import Arriving, Turn, Working

AT_MS = 1_763_000_000_000.0
TURN = Turn("lane-3", AT_MS, AT_MS + 2, AT_MS + 100)
moments = st.lists(st.integers(0, 10**7), min_size=7, max_size=7).map(
    lambda tenths: [AT_MS + tenth / 10 for tenth in sorted(tenths)]
)


@given(moments)
def test_times_of_an_arrival_come_back_to_the_tenth(times: list[float]) -> None:
    came = Arriving(*times)

    back = Arriving.from_text(came.text())

    assert back is not None
    assert [back.asked_ms, back.stored_ms] == pytest.approx([times[0], times[-1]], abs=0.051)
    assert len(came.text()) < 80


def test_an_attempt_comes_back_with_its_laps() -> None:
    laps = [Lap("open", (AT_MS + 5) / 1000), Lap("save page", (AT_MS + 90) / 1000)]
    work = Working.of(TURN, (AT_MS + 3) / 1000, laps, AT_MS + 104)

    back = Working.from_text(work.text())

    assert back is not None
    assert back.turn == TURN
    assert [name for name, _ in back.laps] == ["open", "save page"]
    assert [at - AT_MS for _, at in back.laps] == pytest.approx([5, 90], abs=0.06)
    assert back.stored_ms - AT_MS == pytest.approx(104)


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60),
)
def test_what_a_worker_claims_stays_between_what_its_parent_saw(
    began_s: float, ends_s: list[float]
) -> None:
    laps = [Lap("a;b,c" * 20, end_s) for end_s in ends_s]

    work = Working.of(TURN, began_s, laps, AT_MS + 100)
    back = Working.from_text(work.text())

    assert back is not None
    times = [TURN.handed_ms, back.began_ms, *(at for _, at in back.laps), TURN.answered_ms]
    assert times == sorted(times)
    assert not any(map(math.isnan, times))
    assert len(work.text()) < 1500


@pytest.mark.parametrize("text", ["", "1,2", "a,b,c,d,e,f,g", "1,2,3,4,5,6,7,8", ";;", "lane;1;x"])
def test_what_another_version_wrote_is_left_out(text: str) -> None:
    assert Arriving.from_text(text) is None
    assert Working.from_text(text) is None
