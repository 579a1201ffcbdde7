"""Figures and their budgets."""

import json
from pathlib import Path

from bench.report import Report, at_least, at_most, percentiles_ms, spread, write


def test_a_budget_is_kept_up_to_its_very_end() -> None:
    kept = (at_most("ratio", 1.06, 1.06), at_least("rate", 0.92, 0.92))
    broken = (at_most("ratio", 1.07, 1.06), at_least("rate", 0.91, 0.92))

    assert [row.is_kept for row in (*kept, *broken)] == [True, True, False, False]


def test_percentiles_lie_between_the_measured_times() -> None:
    times_s = [number / 1000 for number in range(1, 102)]

    assert percentiles_ms(times_s) == {"p50": 51.0, "p95": 96.0, "p99": 100.0}
    assert percentiles_ms([0.005]) == {"p50": 5.0, "p95": 5.0, "p99": 5.0}
    assert spread([3.0, 1.0, 2.0]) == "2.000 (1.000 to 3.000)"


def test_the_file_holds_the_figures_and_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "new" / "run.json"

    write(Report("throughput", (), {"ratios": {"cpu": [1.0]}}), file)

    written = json.loads(file.read_text())
    assert written["ratios"] == {"cpu": [1.0]}
    assert written["machine"]["cores"] >= 1
