from tests.nodes.neighbours import Neighbours


def test_one_act_is_witnessed_and_replicated_by_all() -> None:
    world = Neighbours()
    world.append("510000", b"genesis", b"one")
    host = world.hosts["510000"]
    assert host.network.witnessed_size == host.network.replicated_size == 2
    for region, other in world.hosts.items():
        if region != "510000":
            row = other.network.rows[host.origin]
            assert (row.witnessed_size, row.mirrored_size) == (2, 2)
            known = other.network.known[host.origin]
            assert (known.size, known.root) == (2, host.log.checkpoint().root)
