"""Real tasks through a lane, and what a child writes when one raises."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from pool.lane import Lane, LaneSettings, _belongs_to
from pool.recipe import parse_recipe
from pool.records import Header, Limits, Outcome, Output, ProbeTask, Progress, Stage, Task
from tests.pool import deeds

TOP = Path(__file__).parents[2]
LIMITS = Limits(10**8, 65_500, 10**8, 10, ("jpeg", "png", "webp"))
NOISE = (
    "import sys, pyvips;"
    "pyvips.Image.gaussnoise(900, 600, mean=128).cast('uchar').write_to_file(sys.argv[1])"
)


@pytest.fixture
def told() -> list[Progress]:
    return []


@pytest_asyncio.fixture
async def lane(tmp_path: Path, told: list[Progress]) -> AsyncIterator[Lane]:
    settings = LaneSettings(spool=str(tmp_path), read_only=(str(TOP),))
    lane = Lane("test", on_progress=told.append, settings=settings)
    await lane.start()
    yield lane
    await lane.close()


@pytest.fixture
def task(tmp_path: Path) -> Task:
    source, workdir = tmp_path / "source.jpg", tmp_path / "work"
    workdir.mkdir()
    subprocess.run([sys.executable, "-c", NOISE, str(source)], check=True)
    recipe = parse_recipe({"resize": {"width": 300}})
    return Task("job-1", 2, str(source), recipe, str(workdir), LIMITS, 20.0)


async def test_a_header_is_read_in_the_child(lane: Lane, task: Task) -> None:
    header = await lane.probe(ProbeTask(task.source, LIMITS))

    assert isinstance(header, Header)
    assert (header.format, header.width, header.height) == ("jpeg", 900, 600)


async def test_a_picture_is_developed_in_the_sandbox_and_its_progress_never_falls(
    lane: Lane, task: Task, told: list[Progress]
) -> None:
    [outcome] = await lane.develop([task])

    [output] = outcome.outputs
    assert (output.width, output.height) == (300, 200)
    assert output.path.startswith(task.workdir)
    assert outcome.fault is None
    assert {(news.job_id, news.attempt) for news in told} == {("job-1", 2)}
    assert [news.percent for news in told] == sorted(news.percent for news in told)
    assert told[-1].stage is Stage.ENCODING


async def test_a_source_out_of_reach_is_an_outcome_with_a_fault(lane: Lane, task: Task) -> None:
    [outcome] = await lane.develop([replace(task, source="/etc/passwd")])

    assert (outcome.job_id, outcome.attempt, outcome.outputs) == ("job-1", 2, ())
    assert outcome.fault is not None
    assert outcome.fault.code == "internal_error"


async def test_a_flood_of_news_slows_no_task_and_loses_none(lane: Lane) -> None:
    assert await lane.run(deeds.report_much, 50_000) == 50_000
    assert await lane.run(deeds.echo, "next") == "next"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/spool/job/../other/a.webp", "/spool/job/below/a.webp", "/spool/job"]
)
def test_an_output_beside_the_folder_of_the_task_is_not_believed(task: Task, path: str) -> None:
    task = replace(task, workdir="/spool/job")
    output = Output("default", "/spool/job/a.webp", "webp", 1, 1, 1, "0")
    honest = Outcome("job-1", 2, (output,), None, {}, 0)

    assert _belongs_to(task, honest)
    assert not _belongs_to(task, replace(honest, outputs=(output, replace(output, path=path))))
    assert not _belongs_to(task, replace(honest, job_id="job-2"))


LOGS = """
import asyncio
from pool.lane import Lane, LaneSettings
from pool.records import Limits, ProbeTask
from tests.pool import deeds

async def main() -> None:
    lane = Lane("test", on_progress=print, settings=LaneSettings())
    await lane.start()
    limits = Limits(1, 1, 1, 1, ())
    task = ProbeTask("x.jpg", limits, log_ids={"job_id": "j", "request_id": "r"})
    await lane.run(deeds.raise_what_cannot_travel, task)
    await lane.close()

asyncio.run(main())
"""


def test_what_raises_in_a_child_is_one_line_of_json_on_stderr() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOGS], cwd=TOP, capture_output=True, text=True, check=True
    )

    [line] = ran.stderr.splitlines()
    logged = json.loads(line)
    assert list(logged)[:4] == ["timestamp", "level", "event", "logger"]
    assert (logged["event"], logged["level"]) == ("task raised", "error")
    assert (logged["job_id"], logged["request_id"]) == ("j", "r")
    assert "OnlyHere: lost on the way" in logged["exception"]
    assert ran.stdout == ""
