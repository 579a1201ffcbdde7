"""How the queue stands before Redis has told anything."""

from server.jobs import names
from server.jobs.counts.overview import Overview


def test_where_nothing_is_known_yet_nothing_waits_in_any_class() -> None:
    """The page adds them up; what is missing would be no number."""
    assert Overview().waiting == dict.fromkeys((*names.LANE_CLASSES, *names.FETCH_CLASSES), 0)
