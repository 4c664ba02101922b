"""What has changed in a stored log is named: the entry, the tile, or the edge."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.hashing import hash_leaf
from nodes.core.damage import Damage, check_all
from tests.nodes.neighbours import Log, LogReader, entries

LOG = "510000"
SIZES = (0, 1, 2, 255, 256, 257, 700)


@pytest.fixture(name="log", scope="module")
def make_log() -> Log:
    return Log(LOG, entries(700))


class Altered(LogReader):
    """A log in memory in which entries and tiles have been changed."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.log = log
        self.tiles_ = dict(log.tiles())
        self.entries_ = list(log.entries)

    def entries(self, _origin: str, start: int, end: int) -> list[bytes]:
        return self.entries_[start:end]

    def tiles(self, _origin: str, wanted: object) -> dict:
        return {place: self.tiles_[place] for place in wanted if place in self.tiles_}  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", SIZES)
def test_an_unchanged_store_passes(log: Log, size: int) -> None:
    made = Log(LOG, log.entries[:size])
    root = made.checkpoint().root
    assert list(check_all(log.origin, size, root, LogReader(made))) == []


@settings(max_examples=40)
@given(at=st.integers(0, 699), missing=st.booleans())
def test_the_check_names_exactly_the_changed_entry(log: Log, at: int, missing: object) -> None:
    changed = Altered(log)
    if missing:
        at = 699
        changed.entries_.pop()
    else:
        changed.entries_[at] += b"!"
    root = log.checkpoint().root
    assert list(check_all(log.origin, 700, root, changed)) == [Damage("entry", 0, at)]
    assert str(Damage("entry", 0, at)) == f"entry {at}"


@pytest.mark.parametrize("place", [(0, 0), (0, 1)])
def test_the_check_names_exactly_the_changed_tile(log: Log, place: tuple[int, int]) -> None:
    changed = Altered(log)
    changed.tiles_[place] = changed.tiles_[place][:-1] + b"!"
    found = list(check_all(log.origin, 700, log.checkpoint().root, changed))
    assert found == [Damage("tile", *place)]
    del changed.tiles_[place]
    assert list(check_all(log.origin, 700, log.checkpoint().root, changed)) == [
        Damage("tile", *place)
    ]


@pytest.mark.parametrize("place", [(0, 2), (1, 0)])
def test_a_changed_edge_is_named_as_such(log: Log, place: tuple[int, int]) -> None:
    changed = Altered(log)
    changed.tiles_[place] = b"!" + changed.tiles_[place][1:]
    found = list(check_all(log.origin, 700, log.checkpoint().root, changed))
    assert found == [Damage("edge", 0, 0)]


def test_an_entry_and_its_tile_changed_together_are_found(log: Log) -> None:
    changed = Altered(log)
    changed.entries_[3] = b"changed"
    tile = bytearray(changed.tiles_[0, 0])
    tile[3 * 32 : 4 * 32] = hash_leaf(b"changed")
    changed.tiles_[0, 0] = bytes(tile)
    assert Damage("tile", 0, 0) in list(check_all(log.origin, 700, log.checkpoint().root, changed))
