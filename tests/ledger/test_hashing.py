import json
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from ledger.hashing import EMPTY_ROOT, HASH_BYTES, hash_children, hash_leaf, hash_pairs

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/tree/reference.json").read_text())


def test_the_empty_tree_has_the_published_root() -> None:
    assert EMPTY_ROOT.hex() == VECTORS["empty_root"]
    assert len(EMPTY_ROOT) == HASH_BYTES


def test_one_and_two_leaves_have_the_published_roots() -> None:
    first, second = (hash_leaf(bytes.fromhex(entry)) for entry in VECTORS["entries"][:2])
    assert first.hex() == VECTORS["roots"][0]
    assert hash_children(first, second).hex() == VECTORS["roots"][1]


def test_a_leaf_is_never_hashed_as_a_node() -> None:
    left, right = hash_leaf(b"left"), hash_leaf(b"right")
    assert hash_children(left, right) == sha256(b"\x01" + left + right).digest()
    assert hash_leaf(left + right) == sha256(b"\x00" + left + right).digest()


def test_a_level_of_pairs_is_hashed_as_each_pair_is() -> None:
    nodes = [hash_leaf(b"%d" % at) for at in range(7)]
    pairs = [hash_children(*pair) for pair in list(pairwise(nodes))[::2]]
    assert hash_pairs(nodes) == pairs
    assert hash_pairs(nodes[:6]) == pairs
    assert hash_pairs(nodes[:1]) == []
