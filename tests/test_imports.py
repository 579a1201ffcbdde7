"""The rules of the tree, read from the imports: who may know whom."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

# Higher may import lower; beside each other they do not know each other.
LAYERS = (
    {"server.__main__"},
    {"server.cli"},
    {"server.service"},
    {"server.routes"},
    {"server.app"},
    {"server.wiring"},
    {"server.edge"},
    {"server.live", "server.intake", "server.ops"},
    {"server.jobs"},
    {"server.storage", "server.records"},
    {"server.signing"},
)
LEAF = len(LAYERS)  # every other file directly in server/: config, refusals ...
NEVER_IN_POOL = {"server", "aiohttp", "redis"}
MAY_USE_AIOHTTP = (
    *("server.service", "server.routes", "server.edge", "server.live"),
    # The HTTP client, which fetches pictures.
    *("server.intake.fetch.download", "server.intake.fetch.body"),
    *("server.intake.fetch.faults", "server.intake.fetch.session"),
    # The client of the command line.
    "server.cli.client.session",
)
NAMES = "server.jobs.names"


def test_every_import_keeps_the_rules() -> None:
    broken = [
        f"{module}: {complaint}"
        for module, path in modules("server", "pool")
        for complaint in complaints(module, path.read_text())
    ]

    assert broken == []


def test_redis_names_are_spelled_in_one_file() -> None:
    prefixes = redis_prefixes()
    spelled = [
        f"{module}: {text!r}"
        for module, path in modules("server")
        if module != NAMES
        for text in strings(path.read_text())
        if text.startswith(prefixes)
    ]

    assert spelled == []


def test_scripts_take_redis_names_from_the_same_file() -> None:
    literal = re.compile("['\"](" + "|".join(map(re.escape, redis_prefixes())) + ")")
    spelled = [
        f"{script.name}:{number}: {line.strip()}"
        for script in sorted((PROJECT / "server" / "jobs").rglob("*.lua"))
        for number, line in enumerate(script.read_text().splitlines(), start=1)
        if literal.search(line.partition("--")[0])
    ]

    assert spelled == []


def test_the_server_process_never_loads_libvips() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", "import sys, server.service; print('pyvips' in sys.modules)"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )

    assert (answer.stdout.strip(), answer.stderr) == ("False", "")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pool.open", "import server.config"),
        ("pool.open", "from aiohttp import web"),
        ("pool.steps.blur", "def run():\n    from redis.asyncio import Redis"),
        ("server.jobs.running.carry", "from pool.records import Task"),
        ("server.jobs.running.carry", "import pool.lane"),
        ("server.intake.upload", "from aiohttp import BodyPartReader"),
        ("server.intake.fetch.fetcher", "from aiohttp import ClientSession"),
        ("server.jobs.queue", "from server.live.feed import Feed"),
        ("server.jobs.queue", "from server import app"),
        ("server.live.feed", "from server.intake import upload"),
        ("server.storage.disk", "from server.ops.lock import data_dir_lock"),
        ("server.config", "from server.jobs import names"),
        ("server.edge.page", "from . import upload"),
    ],
)
def test_a_broken_rule_is_seen(module: str, source: str) -> None:
    assert len(list(complaints(module, source))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("server.routes", "from aiohttp import web\nfrom server.edge import page"),
        ("server.intake.fetch.download", "from aiohttp import ClientSession"),
        ("server.edge.incoming.upload", "from server.intake.upload import Intake"),
        (
            "server.jobs.running.carry",
            "from pool import Task\nfrom server.storage.disk import DiskStorage",
        ),
        (
            "server.jobs.running.carry",
            "from server.jobs import names\nfrom server.config import Settings",
        ),
        ("server.ops.valkey", "from server.ops import tether"),
        ("pool.lane", "from pool.records import Task"),
    ],
)
def test_what_the_rules_allow_is_left_alone(module: str, source: str) -> None:
    assert list(complaints(module, source)) == []


def test_redis_prefixes_are_known() -> None:
    assert {"job:", "queue:", "events:"} <= set(redis_prefixes())
    assert [*strings("name = f'job:{job_id}'")] == ["job:"]


def modules(*packages: str) -> Iterator[tuple[str, Path]]:
    """Every module of these packages by its dotted name."""
    for package in packages:
        for path in sorted((PROJECT / package).rglob("*.py")):
            parts = path.relative_to(PROJECT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def complaints(module: str, source: str) -> Iterator[str]:
    """One sentence for each import that breaks a rule."""
    for target in imported(source):
        package = target.partition(".")[0]
        if target.startswith("."):
            yield f"imports {target} relatively; whole names can be found by grep"
        elif module.startswith("pool"):
            if package in NEVER_IN_POOL:
                yield f"pool imports {target}"
        elif package == "pool" and target != "pool":
            yield f"imports {target}; server knows only the face of pool"
        elif package == "aiohttp" and not is_in(module, MAY_USE_AIOHTTP):
            yield f"imports {target}; aiohttp stays in {', '.join(MAY_USE_AIOHTTP)}"
        elif package == "server" and not points_down(module, target):
            yield f"imports {target}, which is not below it"


def imported(source: str) -> Iterator[str]:
    """The modules imported anywhere in the file; `from server import app` is server.app."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            if name == "server":
                yield from (f"server.{alias.name}" for alias in node.names)
            else:
                yield name


def points_down(module: str, target: str) -> bool:
    """Whether the target lies in the same folder or in a lower layer."""
    if part_of(module) == part_of(target):
        return True
    return layer(target) > layer(module)


def part_of(module: str) -> str:
    """The folder or file directly below server."""
    return ".".join(module.split(".")[:2])


def layer(module: str) -> int:
    """The place from above; the package itself imports nothing and is a leaf."""
    found = (number for number, parts in enumerate(LAYERS) if part_of(module) in parts)
    return next(found, LEAF)


def is_in(module: str, parts: tuple[str, ...]) -> bool:
    """Whether the module is one of these or lies in one of them."""
    return part_of(module) in parts or module in parts


def strings(source: str) -> Iterator[str]:
    """Every text in the code, those between the braces of an f-string included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def redis_prefixes() -> tuple[str, ...]:
    """How key and channel names begin: the constants of the names file that end in a colon."""
    path = PROJECT.joinpath(*NAMES.split(".")).with_suffix(".py")
    values = (text for text in strings(path.read_text()) if re.fullmatch(r"[a-z]+:", text))
    return tuple(sorted(set(values)))
