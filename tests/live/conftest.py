"""The servers and clients of the tests of the HTTP side serve here, too."""

from tests.edge.conftest import (
    client,
    keyed,
    keyed_server,
    lane,
    lane_server,
    small,
    small_server,
)

__all__ = ["client", "keyed", "keyed_server", "lane", "lane_server", "small", "small_server"]
