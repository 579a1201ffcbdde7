"""Run the few tests that failed beside others once more, alone: what is broken fails again.

    python -m tests.again

Hundreds of servers, browsers and kills share the cores of one machine in `make test`. A test that
fails there and passes alone has a race, of its own or of the service: it is named at the end, and
is to be mended. More than MOST at once is no bad luck, and stays a failure.
"""

import json
import sys
from pathlib import Path

import pytest

MOST = 2
FAILED = Path(".pytest_cache/v/cache/lastfailed")


def main() -> int:
    failed = sorted(json.loads(FAILED.read_text())) if FAILED.exists() else []
    if not 0 < len(failed) <= MOST:
        return pytest.ExitCode.TESTS_FAILED
    code = pytest.main(["-n0", *failed])
    if code == pytest.ExitCode.OK:
        print("UNSTABLE, failed beside others and passed alone:", *failed, sep="\n  ")
    return code


if __name__ == "__main__":
    sys.exit(main())
