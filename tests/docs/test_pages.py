"""Every command that a page of the docs shows is run, and what it shows beside it has to come."""

from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks_of, missing_in, paths_shown
from tests.docs.shell import Shell
from tests.edge import gated
from tests.server_process import PROJECT, ServerProcess

DOCS = PROJECT / "docs"
# What is about keys is tried where there are keys.
KEYED = {"Keys", "Signing: private pictures", "Quotas", "CORS"}
# Blocks that no test can run, each with its reason in the page.
NOT_RUN = {"api.md": 1, "webhooks.md": 0, "operations.md": 1}
FEWEST = {"api.md": 36, "webhooks.md": 2, "operations.md": 4}
# Run by a test of their own: test_backup.py.
ELSEWHERE = ("# backup", "# restore")


def _runs(page: str, *, keyed: bool) -> list[Block]:
    found = [
        one
        for one in blocks_of(DOCS / page)
        if one.why_not is None and not one.commands.startswith(ELSEWHERE)
    ]
    return [one for one in found if (one.section in KEYED) is keyed]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", ["api.md", "webhooks.md", "operations.md"])
def test_what_a_page_shows_is_what_comes(
    page: str, open_docs_server: ServerProcess, elsewhere: str, pictures: Path
) -> None:
    shell = _shell(open_docs_server, pictures)
    shell.replaced |= {
        "https://www.gstatic.com/webp/gallery": elsewhere,
        "https://pictures.example": elsewhere,
        "https://shop.example/hooks": f"{elsewhere}/hooks",
        "seq 1 100000": "seq 1 20",
    }
    for block in _runs(page, keyed=False):
        shell.run(block)


def test_what_is_shown_of_keys_is_what_comes(
    keyed_docs_server: ServerProcess, pictures: Path
) -> None:
    shell = _shell(keyed_docs_server, pictures)
    shell.variables["KEY"] = gated.key_of("ci")
    for block in _runs("api.md", keyed=True):
        shell.run(block)


@pytest.mark.parametrize("page", NOT_RUN)
def test_few_blocks_are_not_run_and_say_why(page: str) -> None:
    blocks = blocks_of(DOCS / page)

    assert len([one for one in blocks if one.why_not]) == NOT_RUN[page]
    assert len(blocks) >= FEWEST[page]


def test_an_answer_that_lacks_what_is_shown_is_noticed() -> None:
    shown = paths_shown('{"jobs":[{"jobId":"…","error":{"code":"x",…}},…],"next":{},"left":[],…}')

    assert shown == {"jobs", "jobs[].jobId", "jobs[].error", "jobs[].error.code", "next", "left"}
    assert missing_in({"jobs": [{"error": {}}], "next": 1}, shown) == {"jobs[].jobId", "left"}
    assert missing_in({"jobs": [], "next": None, "left": []}, shown) == set()


def _shell(server: ServerProcess, pictures: Path) -> Shell:
    place = server.url.removeprefix("http://")
    return Shell(
        pictures,
        {"localhost:8080": place, "127.0.0.1:8080": place},
        environment={"SAFELIGHT_URL": server.url},
    )
