"""`safelight watch` against a real server."""

import io
import time
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from server.cli.following.page import page, sparks
from tests.cli.command import safelight
from tests.edge.gated import key_of
from tests.edge.pictures import jpeg
from tests.edge.traces import is_idle
from tests.server_process import ServerProcess


def sent(server: str, *files: Path) -> list[str]:
    """Ids of pictures that nobody waits for."""
    done = safelight("upload", *files, "--width", "20", "--no-wait", "--json", "-s", server)
    assert done.code == 0, done.err
    return [one["batchId"] or one["jobId"] for one in done.lines]


def test_jobs_and_batches_are_followed_to_their_ends(live_server: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for file in files:
        file.write_bytes(jpeg())
    [batch_id, _] = sent(live_server, *files[:2])
    [job_id] = sent(live_server, files[2])

    shown = safelight("watch", batch_id, job_id, "-o", tmp_path / "out", "-s", live_server)
    events = safelight("watch", batch_id, "--json", "-s", live_server)

    assert (shown.code, events.code) == (0, 0), shown.err + events.err
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "0.webp",
        "1.webp",
        "2.webp",
    ]
    assert f"{batch_id}\tcompleted\t2 completed of 2" in shown.out
    assert events.lines[-1]["counts"]["completed"] == 2


def test_a_failure_in_a_batch_is_told_and_seen_in_the_exit_code(
    live_server: str, tmp_path: Path
) -> None:
    whole = jpeg(900, 700)
    (tmp_path / "good.jpg").write_bytes(whole)
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    [batch_id, _] = sent(live_server, tmp_path / "good.jpg", tmp_path / "cut.jpg")

    done = safelight("watch", batch_id, "-o", tmp_path / "out", "-s", live_server)

    assert done.code == 1
    assert "cut.jpg\tfailed\tthe picture is damaged" in done.out
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["good.webp"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nobody",), "There is no job or batch 'nobody'"),
        ((), "expected ids of jobs or batches, or --system"),
        (("--system", "x"), "expected ids of jobs or batches, or --system"),
        (("x", "--once"), "--once goes with --system"),
    ],
)
def test_what_cannot_be_watched_is_said(
    live_server: str, arguments: tuple[str, ...], words: str
) -> None:
    done = safelight("watch", *arguments, "-s", live_server)

    assert done.code == 2
    assert words in done.err


def test_the_service_as_a_whole_is_shown_once(shared_server: ServerProcess) -> None:
    while not is_idle(shared_server):
        time.sleep(0.05)
    at = ("-s", shared_server.url)
    told = safelight("watch", "--system", "--once", "--json", *at)
    line = safelight("watch", "--system", "--once", *at)

    assert (told.code, line.code) == (0, 0), told.err + line.err
    assert orjson.loads(told.out)["queue"]["maxDepth"] == 1000
    assert "waiting 0\tprocessing 0" in line.out


def test_a_page_for_people_has_lanes_rates_and_errors(shared_server: ServerProcess) -> None:
    [told] = safelight("watch", "--system", "--once", "--json", "-s", shared_server.url).lines
    told["errors"] = {"corrupt_image": 7}
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(page(told, "http://here"))
    shown = console.export_text()

    lanes = [lane["name"] for node in told["nodes"] for lane in node["lanes"]]
    assert lanes
    assert all(lane in shown for lane in lanes)
    assert "corrupt_image 7" in shown
    assert "p50" in shown
    assert sparks([0, 1, 4, 8]) == " ▁▄█"
    assert sparks([0, 0]) == "··"


def test_who_may_not_watch_all_is_told_so(keyed: ServerProcess) -> None:
    refused = safelight("watch", "--system", "-s", keyed.url, SAFELIGHT_KEY=key_of("reader"))
    nobody = safelight("watch", "--system", "-s", keyed.url)

    assert (refused.code, nobody.code) == (2, 2)
    assert "scope 'admin'" in refused.err
    assert refused.out == nobody.out == ""


def test_keys_are_looked_at_before_anything_is_sent(keyed: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    (tmp_path / "key").write_text(f"{key_of('ci')}\n")
    upload = ("upload", tmp_path / "a.jpg", "--width", "20", "-s", keyed.url)

    nobody = safelight(*upload)
    wrong = safelight(*upload, SAFELIGHT_KEY="sl_wrong")
    blind = safelight(*upload, SAFELIGHT_KEY=key_of("uploader"))
    sends = safelight(*upload, "--no-wait", SAFELIGHT_KEY=key_of("uploader"))
    whole = safelight(*upload, "--private", "-o", tmp_path, "--key-file", tmp_path / "key")

    assert [one.code for one in (nobody, wrong, blind, sends, whole)] == [2, 2, 2, 0, 0]
    assert "SAFELIGHT_KEY" in nobody.err
    assert "--no-wait sends without it" in blind.err
    assert (tmp_path / "a.webp").stat().st_size > 0
