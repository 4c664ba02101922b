import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, UnverifiedError
from ledger.hashing import EMPTY_ROOT, hash_leaf
from ledger.proofs import (
    Node,
    Reader,
    check_consistency,
    check_inclusion,
    check_subtree_consistency,
    consistency_roots,
    is_subtree,
    peaks_at,
    prove_consistency,
    prove_inclusion,
    prove_roots,
    prove_subtree_consistency,
    root_at,
    root_from_inclusion,
    subtree_root,
)
from tests import rfc9162
from tests.strategies import flip, hashes, logs

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/tree/reference.json").read_text())
PUBLISHED = [bytes.fromhex(entry) for entry in VECTORS["entries"]]


def reader(entries: Sequence[bytes]) -> Reader:
    """Read nodes of a tree by the model, and only those that are there."""

    def read(nodes: Sequence[Node]) -> list[bytes]:
        found = []
        for level, index in nodes:
            leaves = entries[index << level : (index + 1) << level]
            assert len(leaves) == 1 << level
            found.append(rfc9162.root(leaves))
        return found

    return read


def published(case: dict[str, list[str]]) -> list[bytes]:
    return [bytes.fromhex(hash_) for hash_ in case["proof"]]


def root_of(size: int) -> bytes:
    return bytes.fromhex(VECTORS["roots"][size - 1])


@pytest.mark.parametrize("case", VECTORS["inclusion"])
def test_published_inclusion_proofs_are_made_and_hold(case: dict) -> None:
    index, size, proof = case["index"], case["size"], published(case)
    assert prove_inclusion(index, size, reader(PUBLISHED)) == proof
    check_inclusion(index, size, hash_leaf(PUBLISHED[index]), proof, root_of(size))


@pytest.mark.parametrize("case", VECTORS["consistency"])
def test_published_consistency_proofs_are_made_and_hold(case: dict) -> None:
    old, new, proof = case["old_size"], case["new_size"], published(case)
    assert prove_consistency(old, new, reader(PUBLISHED)) == proof
    check_consistency(old, new, root_of(old), root_of(new), proof)


def test_all_inclusion_proofs_of_small_trees_are_those_of_the_model_and_hold() -> None:
    for size in range(1, 20):
        entries = [b"entry %d" % at for at in range(size)]
        root = rfc9162.root(entries)
        for index, entry in enumerate(entries):
            proof = prove_inclusion(index, size, reader(entries))
            assert proof == rfc9162.inclusion(index, entries)
            assert root_from_inclusion(index, size, hash_leaf(entry), proof) == root
            check_inclusion(index, size, hash_leaf(entry), proof, root)


def test_all_consistency_proofs_of_small_trees_are_those_of_the_model_and_hold() -> None:
    for new in range(1, 20):
        entries = [b"entry %d" % at for at in range(new)]
        new_root = rfc9162.root(entries)
        for old in range(new + 1):
            old_root = rfc9162.root(entries[:old])
            proof = prove_consistency(old, new, reader(entries))
            assert proof == rfc9162.consistency(old, entries)
            check_consistency(old, new, old_root, new_root, proof)
            if old:
                roots = consistency_roots(old, new, prove_roots(old, new, reader(entries)))
                assert roots == (old_root, new_root)


def test_all_subtree_proofs_of_small_trees_are_those_of_the_model_and_hold() -> None:
    for size in range(1, 20):
        entries = [b"entry %d" % at for at in range(size)]
        root = rfc9162.root(entries)
        for start in range(size):
            for end in range(start + 1, size + 1):
                if not is_subtree(start, end):
                    continue
                alone = rfc9162.root(entries[start:end])
                proof = prove_subtree_consistency(start, end, size, reader(entries))
                assert proof == rfc9162.subtree(start, end, entries)
                check_subtree_consistency(start, end, size, alone, proof, root)
                before = peaks_at(start, reader(entries))
                check_subtree_consistency(start, end, size, alone, proof, root, before)
                for other in {(), before[1:], (*before, alone), before[::-1]} - {before}:
                    with pytest.raises(UnverifiedError):
                        check_subtree_consistency(start, end, size, alone, proof, root, other)


def test_subtrees_are_ranges_that_start_at_a_multiple_of_their_width_rounded_up() -> None:
    found = [(start, end) for start in range(9) for end in range(10) if is_subtree(start, end)]
    assert found == (
        [(0, end) for end in range(1, 10)]
        + [(1, 2), (2, 3), (2, 4), (3, 4)]
        + [(4, end) for end in range(5, 9)]
        + [(5, 6), (6, 7), (6, 8), (7, 8), (8, 9)]
    )
    assert not is_subtree(-2, 0)


def test_the_other_two_proofs_are_cases_of_the_subtree_proof() -> None:
    entries = [b"entry %d" % at for at in range(13)]
    read = reader(entries)
    for index in range(13):
        single = prove_subtree_consistency(index, index + 1, 13, read)
        assert single == prove_inclusion(index, 13, read)
        prefix = prove_subtree_consistency(0, index + 1, 13, read)
        assert prefix == prove_consistency(index + 1, 13, read)


def breaks(parts: list[bytes], data: st.DataObject) -> list[bytes]:
    """Turn one bit in one of the hashes."""
    at = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    return [*parts[:at], flip(parts[at], bit), *parts[at + 1 :]]


def resize(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    """Take one hash out of a proof, or put one in."""
    at = data.draw(st.integers(0, len(proof)))
    if at < len(proof) and data.draw(st.booleans()):
        return proof[:at] + proof[at + 1 :]
    return [*proof[:at], data.draw(hashes), *proof[at:]]


@given(entries=logs, data=st.data())
def test_inclusion_holds_for_the_leaf_and_for_nothing_else(
    entries: list[bytes], data: st.DataObject
) -> None:
    """A proof from the RFC's own recursion passes; any one flipped bit makes it fail."""
    size = len(entries)
    index = data.draw(st.integers(0, size - 1))
    proof, root = rfc9162.inclusion(index, entries), rfc9162.root(entries)
    leaf = hash_leaf(entries[index])
    check_inclusion(index, size, leaf, proof, root)

    bad_leaf, *bad_proof, bad_root = breaks([leaf, *proof, root], data)
    with pytest.raises(UnverifiedError):
        check_inclusion(index, size, bad_leaf, bad_proof, bad_root)
    with pytest.raises(UnverifiedError):
        check_inclusion(index, size, leaf, resize(proof, data), root)
    with pytest.raises(UnverifiedError):
        root_from_inclusion(index, size, leaf, resize(proof, data))
    elsewhere = data.draw(st.integers(-1, size + 1).filter(lambda at: at != index))
    with pytest.raises(UnverifiedError):
        check_inclusion(elsewhere, size, leaf, proof, root)


@given(entries=logs, data=st.data())
def test_consistency_holds_for_the_two_roots_and_for_nothing_else(
    entries: list[bytes], data: st.DataObject
) -> None:
    new = len(entries)
    old = data.draw(st.integers(1, new))
    proof = rfc9162.consistency(old, entries)
    old_root, new_root = rfc9162.root(entries[:old]), rfc9162.root(entries)
    check_consistency(old, new, old_root, new_root, proof)

    bad_old_root, *bad_proof, bad_new_root = breaks([old_root, *proof, new_root], data)
    with pytest.raises(UnverifiedError):
        check_consistency(old, new, bad_old_root, bad_new_root, bad_proof)
    with pytest.raises(UnverifiedError):
        check_consistency(old, new, old_root, new_root, resize(proof, data))


@given(entries=logs, data=st.data())
def test_subtree_consistency_holds_for_the_two_roots_and_for_nothing_else(
    entries: list[bytes], data: st.DataObject
) -> None:
    size = len(entries)
    level = data.draw(st.integers(0, (size - 1).bit_length()))
    start = data.draw(st.integers(0, (size - 1) >> level)) << level
    end = data.draw(st.integers(start + 1, min(size, start + (1 << level))))
    proof = rfc9162.subtree(start, end, entries)
    alone, root = rfc9162.root(entries[start:end]), rfc9162.root(entries)
    check_subtree_consistency(start, end, size, alone, proof, root)

    bad_alone, *bad_proof, bad_root = breaks([alone, *proof, root], data)
    with pytest.raises(UnverifiedError):
        check_subtree_consistency(start, end, size, bad_alone, bad_proof, bad_root)
    with pytest.raises(UnverifiedError):
        check_subtree_consistency(start, end, size, alone, resize(proof, data), root)


@given(entries=logs, data=st.data())
def test_hashes_that_lead_to_the_signed_root_tell_the_one_old_root(
    entries: list[bytes], data: st.DataObject
) -> None:
    """What convicts a log: no other hashes lead to the same newer root with another older one."""
    new = len(entries)
    old = data.draw(st.integers(1, new))
    given_hashes = prove_roots(old, new, reader(entries))
    old_root, new_root = consistency_roots(old, new, given_hashes)
    assert (old_root, new_root) == (rfc9162.root(entries[:old]), rfc9162.root(entries))
    _, other_new_root = consistency_roots(old, new, breaks(given_hashes, data))
    assert other_new_root != new_root
    with pytest.raises(UnverifiedError):
        consistency_roots(old, new, resize(given_hashes, data))


def test_proofs_work_at_sizes_that_no_one_will_ever_reach() -> None:
    """No step goes through the leaves; each node's hash is made from its name."""

    def read(nodes: Sequence[Node]) -> list[bytes]:
        return [made(level, index) for level, index in nodes]

    def made(level: int, index: int) -> bytes:
        return hash_leaf(b"%d of level %d" % (index, level))

    old, new = 2**61 + 12_345, 2**62 + 1
    given_hashes = prove_roots(old, new, read)
    assert len(given_hashes) <= 1 + 63
    roots = consistency_roots(old, new, given_hashes)
    check_consistency(old, new, *roots, prove_consistency(old, new, read))
    proof = prove_inclusion(2**62, new, read)
    assert root_from_inclusion(2**62, new, made(0, 2**62), proof) == root_at(new, read)


def test_an_entry_that_looks_like_a_node_is_not_taken_for_one() -> None:
    entries = [b"a", b"b"]
    left, right = (hash_leaf(entry) for entry in entries)
    with pytest.raises(UnverifiedError) as caught:
        check_inclusion(0, 1, hash_leaf(left + right), [], rfc9162.root(entries))
    assert caught.value.code == "bad-proof"


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (0, 0), (1, 1), (2, 1), (0, -1)])
def test_a_leaf_that_the_tree_does_not_have_is_neither_proved_nor_checked(
    index: int, size: int
) -> None:
    with pytest.raises(MalformedError):
        prove_inclusion(index, size, reader([b"one"]))
    with pytest.raises(UnverifiedError, match="has no leaf"):
        check_inclusion(index, size, bytes(32), [], bytes(32))


@pytest.mark.parametrize(("old", "new"), [(-1, 1), (2, 1), (0, -1)])
def test_a_tree_does_not_begin_with_a_larger_one_or_with_nothing_negative(
    old: int, new: int
) -> None:
    with pytest.raises(MalformedError):
        prove_consistency(old, new, reader([b"one", b"two"]))
    with pytest.raises(UnverifiedError, match="begins with"):
        check_consistency(old, new, EMPTY_ROOT, EMPTY_ROOT, [])
    with pytest.raises(MalformedError):
        prove_roots(old, new, reader([b"one", b"two"]))
    with pytest.raises(UnverifiedError, match="no hashes lead"):
        consistency_roots(old, new, [bytes(32)])


@pytest.mark.parametrize(
    ("start", "end", "size"), [(0, 0, 4), (1, 3, 4), (2, 1, 4), (0, 5, 4), (-1, 0, 4), (4, 8, 7)]
)
def test_a_range_that_is_no_subtree_is_neither_proved_nor_checked(
    start: int, end: int, size: int
) -> None:
    with pytest.raises(MalformedError):
        prove_subtree_consistency(start, end, size, reader([b"one"] * 8))
    with pytest.raises(UnverifiedError, match="has no subtree"):
        check_subtree_consistency(start, end, size, bytes(32), [bytes(32)], bytes(32))


def test_from_the_empty_tree_only_the_empty_proof_and_the_empty_root_pass() -> None:
    root = rfc9162.root([b"one"])
    check_consistency(0, 1, EMPTY_ROOT, root, [])
    check_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    with pytest.raises(UnverifiedError):
        check_consistency(0, 1, EMPTY_ROOT, root, [EMPTY_ROOT])
    with pytest.raises(UnverifiedError):
        check_consistency(0, 1, root, root, [])
    with pytest.raises(UnverifiedError):
        check_consistency(0, 0, EMPTY_ROOT, root, [])
    with pytest.raises(UnverifiedError):
        consistency_roots(0, 1, [EMPTY_ROOT])
    with pytest.raises(MalformedError):
        prove_roots(0, 1, reader([b"one"]))


def test_a_tree_that_has_not_grown_has_one_root_and_an_empty_proof() -> None:
    root = rfc9162.root([b"one"])
    check_consistency(1, 1, root, root, [])
    with pytest.raises(UnverifiedError):
        check_consistency(1, 1, root, EMPTY_ROOT, [])
    with pytest.raises(UnverifiedError):
        check_consistency(1, 1, root, root, [root])


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33)])
def test_hashes_of_another_length_prove_nothing(wrong: bytes) -> None:
    """Else bytes could move from one hash into its neighbour."""
    entries = [b"one", b"two", b"three"]
    root = rfc9162.root(entries)
    leaf, sibling, other = hash_leaf(b"one"), hash_leaf(b"two"), hash_leaf(b"three")
    check_inclusion(0, 3, leaf, [sibling, other], root)
    with pytest.raises(UnverifiedError, match="bytes"):
        check_inclusion(0, 3, leaf, [wrong, other], root)
    with pytest.raises(UnverifiedError, match="bytes"):
        root_from_inclusion(0, 3, wrong, [sibling, other])
    with pytest.raises(UnverifiedError):
        consistency_roots(2, 3, [rfc9162.root(entries[:2]), wrong])
    with pytest.raises(UnverifiedError):
        check_consistency(2, 3, rfc9162.root(entries[:2]), root, [wrong])


def test_bytes_do_not_move_between_the_hashes_of_a_proof() -> None:
    """The same bytes under SHA-256, cut in another place, are not a proof."""
    left, right = hash_leaf(b"one"), hash_leaf(b"two")
    root = rfc9162.root([b"one", b"two"])
    with pytest.raises(UnverifiedError):
        check_inclusion(0, 2, left + right[:1], [right[1:]], root)


def test_a_proof_is_read_in_one_call() -> None:
    entries = [b"entry %d" % at for at in range(77)]
    calls: list[int] = []

    def read(nodes: Sequence[Node]) -> Sequence[bytes]:
        calls.append(len(nodes))
        return reader(entries)(nodes)

    prove_inclusion(33, 77, read)
    prove_consistency(33, 77, read)
    prove_subtree_consistency(32, 45, 77, read)
    assert len(calls) == 3
    assert max(calls) <= 2 * (77).bit_length()


@given(entries=logs)
def test_any_size_has_its_root_at_hand(entries: list[bytes]) -> None:
    read = reader(entries)
    for size in range(len(entries) + 1):
        leaves = [hash_leaf(entry) for entry in entries[:size]]
        assert root_at(size, read) == rfc9162.root(entries[:size]) == subtree_root(leaves)


def test_a_negative_size_has_no_root() -> None:
    with pytest.raises(MalformedError):
        root_at(-1, reader([]))
