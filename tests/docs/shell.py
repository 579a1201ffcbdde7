"""A shell in which the commands of a page run one after another, variables carried over."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.docs.blocks import Block, missing_in, paths_shown

# curl notes the status of each answer; otherwise it is curl as it is.
_CURL = """
curl() { command curl --max-time 90 -sS -w '%{stderr}\\n@status %{http_code}\\n' "$@"; }
"""
_MOST_S = 180


@dataclass
class Shell:
    """Runs blocks in a folder; `replaced` is all that is changed of what stands in the page."""

    folder: Path
    replaced: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, block: Block) -> None:
        """Run one block and compare; fails with what came."""
        commands = block.commands
        for shown, real in self.replaced.items():
            commands = commands.replace(shown, real)
        state = self.folder / ".state"
        state.touch()
        script = "\n".join(
            (_CURL, "set -euo pipefail", f". {state}", commands, f"{_KEEP} > {state} || true")
        )
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            timeout=_MOST_S,
            check=False,
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        story = f"{block}\n{commands}\n--- out\n{out[:3000]}\n--- err\n{err[:3000]}"
        assert done.returncode == 0, story
        _check_statuses(block, err, story)
        _check_shown(block, out, story)

    def _environment(self) -> dict[str, str]:
        own = {name: text for name, text in os.environ.items() if not name.startswith("SAFELIGHT_")}
        tools = str(Path(sys.executable).parent)  # where `safelight` is
        path = f"{tools}{os.pathsep}{own.get('PATH', '')}"
        return own | self.environment | self.variables | {"PATH": path}


# Variables that the blocks have set; not bash's own.
_KEEP = "declare -p | grep -E '^declare -[-x] [a-z]+=|^declare -[-x] (ID|KEY)='"


def need_programs() -> None:
    """Skip where a reader could not follow, either."""
    for program in ("bash", "curl", "jq"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: the commands of the docs need it")


def _check_statuses(block: Block, err: str, story: str) -> None:
    came = [int(line.split()[1]) for line in err.splitlines() if line.startswith("@status ")]
    wanted = block.statuses()
    assert len(came) == len(wanted), f"{len(wanted)} curls, {came} came\n{story}"
    for status, expected in zip(came, wanted, strict=True):
        is_right = status == expected if expected else 200 <= status < 300
        assert is_right, f"expected {expected or '2xx'}, got {status}\n{story}"


def _check_shown(block: Block, out: str, story: str) -> None:
    shown = block.shown.partition(" ")[2] if block.shown_status else block.shown
    if block.shown_kind == "json" or shown.lstrip().startswith("{"):
        answer = json.loads(out)
        assert not (missing := missing_in(answer, paths_shown(shown))), f"{missing}\n{story}"
    elif block.shown_kind in ("http", "text"):
        heads = [line.split(":")[0].strip() for line in shown.splitlines() if ":" in line]
        came = {line.split(":")[0].strip().lower() for line in out.splitlines()}
        assert [head for head in heads if head.lower() not in came] == [], story
