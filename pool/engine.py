"""What makes the files besides picture and recipe: equal engines write equal pictures."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

# Grows when the same recipe means other pixels or bytes than before: what was made earlier is then
# not taken for the same any more.
OUTPUT = 1


@cache
def engine_version() -> str:
    """Ours, and libvips' as installed (it is not loaded for that), e.g. "1/8.18.0"."""
    for package in ("pyvips-binary", "pyvips"):
        try:
            return f"{OUTPUT}/{version(package)}"
        except PackageNotFoundError:
            continue
    return f"{OUTPUT}/unknown"
