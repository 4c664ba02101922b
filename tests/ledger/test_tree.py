import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.hashing import EMPTY_ROOT, hash_leaf
from ledger.tree import Frontier
from tests import rfc9162
from tests.strategies import EDGE_SIZES

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/tree/reference.json").read_text())


def test_every_size_has_the_published_root() -> None:
    frontier = Frontier.empty()
    for entry, root in zip(VECTORS["entries"], VECTORS["roots"], strict=True):
        frontier = frontier.extend([hash_leaf(bytes.fromhex(entry))])
        assert frontier.root().hex() == root


def test_the_empty_tree_has_no_peaks_and_the_empty_root() -> None:
    assert Frontier.empty() == Frontier(0, ())
    assert Frontier.empty().root() == EMPTY_ROOT
    assert Frontier.empty().extend([]) == Frontier.empty()


@pytest.mark.parametrize("size", EDGE_SIZES)
def test_the_root_is_that_of_the_model(size: int) -> None:
    entries = [b"entry %d" % at for at in range(size)]
    frontier = Frontier.empty().extend([hash_leaf(entry) for entry in entries])
    assert frontier.size == size
    assert frontier.root() == rfc9162.root(entries)


@given(batches=st.lists(st.integers(0, 40), max_size=6))
def test_it_does_not_matter_in_which_batches_leaves_come(batches: list[int]) -> None:
    entries = [b"entry %d" % at for at in range(sum(batches))]
    frontier, at = Frontier.empty(), 0
    for batch in batches:
        frontier = frontier.extend([hash_leaf(entry) for entry in entries[at : at + batch]])
        at += batch
        assert frontier.root() == rfc9162.root(entries[:at])
    assert frontier == Frontier.empty().extend([hash_leaf(entry) for entry in entries])


def test_each_peak_is_the_root_of_its_own_leaves() -> None:
    entries = [b"entry %d" % at for at in range(13)]
    frontier = Frontier.empty().extend([hash_leaf(entry) for entry in entries])
    parts = (entries[:8], entries[8:12], entries[12:])
    assert frontier.peaks == tuple(rfc9162.root(part) for part in parts)


@pytest.mark.parametrize(
    ("size", "peaks"),
    [
        (-1, ()),
        (-1, (bytes(32),)),
        (0, (bytes(32),)),
        (1, ()),
        (3, (bytes(32),)),
        (4, (bytes(32), bytes(32))),
        (1, (bytes(31),)),
        (1, (bytes(33),)),
    ],
)
def test_a_frontier_whose_peaks_do_not_fit_its_size_is_refused(
    size: int, peaks: tuple[bytes, ...]
) -> None:
    with pytest.raises(MalformedError):
        Frontier(size, peaks)


def test_a_leaf_hash_of_the_wrong_length_is_refused_also_where_a_pair_would_swallow_it() -> None:
    with pytest.raises(MalformedError):
        Frontier.empty().extend([bytes(31)])
    with pytest.raises(MalformedError):
        Frontier.empty().extend([bytes(31), bytes(33)])
