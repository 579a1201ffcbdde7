"""Long lists and long runs: small ones, to their end; beside the Node services where they are."""

from bench import peer
from bench.scenarios.bulk import bulk
from bench.scenarios.bulk_report import Options as BulkOptions
from bench.scenarios.soak import soak
from bench.scenarios.soak_report import Options as SoakOptions
from bench.scenarios.soak_report import Sample, slope_kib_per_1000
from bench.services import OURS

# Installing them takes longer than any test may; each bench with --peers does.
HAS_PEERS = peer.missing() is None and (peer.FOLDER / "node_modules").exists()
SERVICES = {OURS, *peer.PROGRAMS} if HAS_PEERS else {OURS}


def test_every_service_takes_a_list_stops_it_and_develops_another() -> None:
    figures = bulk(BulkOptions(urls=600, developed=30, peers=HAS_PEERS)).figures["served"]

    assert set(figures) == SERVICES
    for found in figures.values():
        assert (found["completed"], found["failed"]) == (30, 0)
        assert found["redis_bytes_a_job"] > 100
        assert found["cpu_ms"]["workers"] + found["cpu_ms"]["server"] > 0
        assert 0 < found["waited_to"] < len(found["samples"])


def test_what_a_long_run_has_brought_is_counted_and_gone_in_the_end() -> None:
    found = soak(SoakOptions(jobs=30, rate=30, keep_s=1)).figures["served"][OURS]

    assert (found["completed"], found["failed"], found["refused"]) == (30, [], 0)
    assert found["end"]["pictures"] == 0
    assert found["end"]["redis_keys"] <= found["start"]["redis_keys"]
    assert found["end"]["completed"] == 30


def test_a_slope_is_that_of_the_time_after_warming_up() -> None:
    def sample(completed: int, all_mib: float) -> Sample:
        return Sample(completed / 10, completed, all_mib, 0, 0, 0, 0, 0, 0)

    warming = [sample(completed, completed) for completed in range(0, 200, 10)]
    steady = [sample(completed, 200 + completed / 1024) for completed in range(200, 1000, 10)]

    assert round(slope_kib_per_1000(warming + steady)) == 1000
    assert slope_kib_per_1000(warming[:1]) == 0
