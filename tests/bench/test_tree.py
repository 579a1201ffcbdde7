"""Accounting of a tree of processes, against a tree whose work is known."""

import os
import subprocess
import sys

from bench import tree

# A child that burns and is reaped, then one that burns and stays.
BURNING = """
import os, subprocess, sys, time
burn = "import time\\nwhile time.process_time() < 0.4: pass\\nprint(1, flush=True); input()"
ended = subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=-1)
ended.stdout.readline(); ended.communicate(b"\\n")
stays = subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=-1)
stays.stdout.readline()
print("burned", flush=True)
input()
stays.communicate(b"\\n")
"""


def test_children_count_as_workers_whether_they_live_or_have_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BURNING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as root:
        assert root.stdout is not None
        assert root.stdout.readline() == b"burned\n"
        cpu = tree.cpu_of_service(root.pid)
        family = tree.family(root.pid)
        parts = [tree.part_of(pid, root.pid) for pid in family]
        root.communicate(b"\n")

    assert parts == ["server", "workers"]
    # Twice 0.4 s, counted in whole ticks, and the start of two interpreters.
    assert 0.7 < cpu.workers < 2
    assert cpu.server < 0.4
    assert cpu.redis == 0


def test_time_of_a_process_that_has_gone_is_nothing() -> None:
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()

    assert tree.cpu_s_of([gone.pid]) == 0
    assert tree.cpu_s_of([os.getpid()]) > 0
