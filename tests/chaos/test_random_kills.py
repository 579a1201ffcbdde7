"""kill -9 of workers, server and Valkey at random while pictures are uploaded.

CHAOS_SEED=number repeats the order of the kills of an earlier run; `make chaos` runs far longer.
"""

import os
import secrets
from pathlib import Path

from tests.chaos import evidence
from tests.chaos.storm import Storm

UPLOADS, KILLS = 150, 15


async def test_every_accepted_upload_completes_exactly_once_whatever_is_killed(
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(10**6))
    print(f"CHAOS_SEED={seed}")
    storm = Storm(tmp_path / "data", uploads=UPLOADS, kills=KILLS, seed=seed)

    server = await storm.rage()

    print(f"answers {dict(storm.answers)}, killed {dict(storm.killed)}")
    try:
        await evidence.all_is_well(storm.data_dir, storm.accepted, server.url)
        assert server.stop() == 0
    finally:
        server.close()
    assert len(storm.accepted) >= UPLOADS
    assert min(storm.killed.values()) >= 3
