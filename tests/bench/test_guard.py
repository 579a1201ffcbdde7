"""Ratios that must not grow unseen; the margins are wide, as other work may share the machine."""

from statistics import median

from bench.scenarios.throughput import Options, throughput
from bench.scenarios.throughput_report import report_of
from bench.services import OURS

# Measured on a quiet machine: 1.5 of the CPU, 6.9 commands.
MOST_CPU_OVER_BARE = 2.3
MOST_COMMANDS = 10


def test_small_pictures_cost_little_more_than_bare_libvips() -> None:
    options = Options(folder=None, kind="small", count=24, rounds=2, window=8)

    figures = report_of(options, throughput(options)).figures

    assert median(figures["served"][OURS]["cpu_over_bare"]) < MOST_CPU_OVER_BARE
    assert figures["redis_by_sender"]["client"] < MOST_COMMANDS
    assert figures["served"][OURS]["refused"] == 0
