"""An address beyond what a log can hold finds nothing: not another log's rows, and no failure."""

from ledger.hashing import hash_leaf
from ledger.tiles import extend_tiles
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs, append, load_entries, load_leaves, load_tiles


def test_no_address_of_one_log_reaches_into_another() -> None:
    engine = open_sqlite(None)
    create_schema(engine)
    with engine.begin() as connection:
        ids = LogIDs()
        for origin in ("a", "b", "c"):
            entries = [f"{origin}{index}".encode() for index in range(3)]
            tiles = extend_tiles(0, (), [hash_leaf(entry) for entry in entries]).tiles
            append(connection, ids, origin, 0, entries, tiles)
        first, second = ids.get(connection, "a"), ids.get(connection, "b")
        beyond = (first ^ second) << 40
        assert load_entries(connection, ids, "a", beyond, beyond + 3) == []
        assert load_entries(connection, ids, "a", 2**63 - 256, 2**63) == []
        for place in ((0, beyond << 4), (0, 2**55), (16 * (first ^ second), 0), (63, 2**58)):
            assert load_tiles(connection, ids, "a", [place]) == {}
        for index in (beyond << 12, 2**63 - 1):
            assert load_leaves(connection, ids, [("a", index)]) == [None]
