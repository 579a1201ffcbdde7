"""What these tests share: one network with a Valkey, a bucket and a PostgreSQL in it."""

from collections.abc import Iterator

import pytest

from tests.nodes import fleet as fleets
from tests.nodes import lan
from tests.nodes.fleet import Shared
from tests.records import postgres


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Skips where there is no right to make a network, or no PostgreSQL."""
    if reason := lan.why_not():
        pytest.skip(f"nodes in a network of their own: {reason}")
    binaries = postgres.programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: this test needs initdb and postgres")
    with fleets.shared(tmp_path_factory.mktemp("shared"), binaries) as made:
        yield made
