"""What the pages point at is there: other pages, their headings, pictures, files of the tree."""

import re
from pathlib import Path

from tests.server_process import PROJECT

README = PROJECT / "README.md"
PAGES = [README, *sorted((PROJECT / "docs").glob("*.md"))]
_TREE = re.compile(
    r"`((?:server|pool|web|tests|bench|deploy|tools|docs|requirements)/[\w./-]*\w/?)`"
)
# Made by a command that the page names, or by whoever follows it.
MADE = ("bench/results", "pool/steps/sepia", "tests/pool/test_sepia")


def test_every_page_and_picture_that_is_linked_is_there() -> None:
    missing = [
        f"{page.name}: {link}"
        for page in PAGES
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in link and not (page.parent / link).exists()
    ]

    assert missing == []


def test_every_anchor_that_is_linked_is_there() -> None:
    missing = [
        f"{page.name}: {link}#{anchor}"
        for page in PAGES
        for link, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text())
        if "://" not in link
        and (target := page.parent / link if link else page).suffix == ".md"
        and target.exists()
        and anchor not in _anchors(target)
    ]

    assert missing == []


def _anchors(page: Path) -> set[str]:
    """Slugs of headings as GitHub makes them, and those written by hand."""
    text = page.read_text()
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


def test_every_file_and_folder_that_is_named_is_there() -> None:
    missing = [
        f"{page.name}: {path}"
        for page in PAGES
        for path in _TREE.findall(page.read_text())
        if not (PROJECT / path).exists() and not path.startswith(MADE)
    ]

    assert missing == []


def test_every_program_of_ours_that_is_named_is_there() -> None:
    missing = [
        f"{page.name}: {module}"
        for page in PAGES
        for module in re.findall(
            r"python -m ((?:bench|tests|tools|server)[\w.]*)", page.read_text()
        )
        if not _is_program(module)
    ]

    assert missing == []


def _is_program(module: str) -> bool:
    path = PROJECT / module.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
