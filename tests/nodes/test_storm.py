"""A small storm over three nodes; `python -m bench nodes` is the large one."""

from pathlib import Path

from tests.nodes import evidence
from tests.nodes.fleet import Shared, fleet
from tests.nodes.storm import ENVIRONMENT, ROLES, Storm

UPLOADS = 200


async def test_a_kill_and_a_cut_cost_no_picture(shared: Shared, tmp_path: Path) -> None:
    with fleet(shared, tmp_path, ROLES, **ENVIRONMENT) as nodes:
        storm = Storm(nodes, uploads=UPLOADS, kills=1, cuts=1, seed=7)
        await storm.rage()
        found = await evidence.all_is_well(nodes, storm.accepted)

    assert found.by_node.keys() >= {"a", "b", "c"}  # and who sent again what was there already
    assert sum(found.by_node.values()) == len(storm.accepted) >= UPLOADS
