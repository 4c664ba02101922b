"""A region whose node writes another object map into its block records."""

from typing import Any

import pytest

from nodes.store.reader import StoreReader
from tests.nodes.town import Town

A, B, C, D = "500000", "510000", "520000", "530000"
BASIS = {"title": "依据", "document": "1号", "valid_from": 0, "valid_until": 2**33}


def test_a_false_map_is_found_by_every_other_node_and_its_record_proves_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town = Town(A, B, C, D)
    town.start()
    town.act(A, "basis.publish", f"{A}/basis/1", BASIS)
    town.rounds()
    ground = town.node(A)._projection.ground
    honest = ground.map_root

    def false(*given: Any) -> bytes:
        honest(*given)
        return bytes(31) + b"\x01"

    with monkeypatch.context() as patch:
        patch.setattr(ground, "map_root", false)
        index = town.act(A, "basis.publish", f"{A}/basis/2", BASIS)
    town.act(A, "basis.publish", f"{A}/basis/3", BASIS)
    town.rounds()
    for region in (B, C, D):
        assert (town.origin(A), index - 1, "bad-map") in town.findings(region)
        with town.houses[region].engine.connect() as connection:
            reader = StoreReader(connection)
            assert reader.seen_by(town.origin(A), index) is None
