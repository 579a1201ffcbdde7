"""Takes the shared libraries of this system along, all but those of the C library itself.

The C library stays the target's: its loader is named in every program, and it belongs to the kernel
and the settings of its machine. So a program runs where glibc is as new as its newest symbol asks.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

GLIBC = re.compile(
    r"^(?:ld-linux.*|linux-vdso|lib(?:c|m|dl|rt|pthread|util|resolv|anl|mvec|nss_.*))\.so"
)
FOUND = re.compile(r"^\s+(?P<name>\S+) => (?P<path>/\S+) \(0x", re.MULTILINE)
MISSING = re.compile(r"^\s+(\S+) => not found", re.MULTILINE)
SYMBOL = re.compile(r"\(GLIBC_(\d+)\.(\d+)(?:\.\d+)?\)")
ELF = b"\x7fELF"
PATCHELF = str(Path(sys.executable).with_name("patchelf"))


def take_along(top: Path) -> str:
    """Copy what the programs below `top` need into its lib/; the glibc they need, in words."""
    shelf = top / "lib"
    programs = [path for path in top.rglob("*") if _is_elf(path)]
    for path in programs:
        _strip(path)
        _take_for(path, top, shelf)
    newest = max(_newest_symbol(path) for path in [*programs, *shelf.glob("*.so*")])
    return f"glibc {newest[0]}.{newest[1]} or newer"


def _strip(path: Path) -> None:
    """Take off what only debuggers read. Wheels stay: strip breaks what patchelf has changed."""
    if "site-packages" not in path.parts:
        path.chmod(0o755)
        _told("strip", "--strip-debug", str(path))


def _take_for(path: Path, top: Path, shelf: Path) -> None:
    answer = _told("ldd", str(path))
    if missing := MISSING.findall(answer):
        raise SystemExit(f"{path.relative_to(top)} needs {missing}, which are not on this system")
    foreign = [
        (row["name"], Path(row["path"]))
        for row in FOUND.finditer(answer)
        if not GLIBC.match(row["name"]) and not Path(row["path"]).is_relative_to(top)
    ]
    for name, library in foreign:
        if not (shelf / name).exists():
            shutil.copy2(library.resolve(), shelf / name)
            _strip(shelf / name)
            _look_in(shelf / name, shelf)
    if foreign:
        _look_in(path, shelf)


def _look_in(path: Path, shelf: Path) -> None:
    """Have the loader look in the shelf, after where it would look by itself."""
    before = _told(PATCHELF, "--print-rpath", str(path)).strip()
    here = os.path.relpath(shelf, path.parent)
    ours = "$ORIGIN" if here == "." else f"$ORIGIN/{here}"
    kept = [one for one in before.split(":") if one.startswith("$ORIGIN")]
    if ours not in kept:
        path.chmod(0o755)
        _told(PATCHELF, "--set-rpath", ":".join([*kept, ours]), str(path))


def _newest_symbol(path: Path) -> tuple[int, int]:
    asked = SYMBOL.findall(_told("objdump", "-T", str(path)))
    return max(((int(major), int(minor)) for major, minor in asked), default=(0, 0))


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as content:
        return content.read(len(ELF)) == ELF


def _told(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
