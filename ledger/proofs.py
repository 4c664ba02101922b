"""Proofs about a tree: that a leaf is in it, that it grew from another, that it holds a subtree.

Source: RFC 9162 sections 2.1.3 and 2.1.4; for subtrees, draft-ietf-plants-merkle-tree-certs section
4, of which the RFC's two proofs are the cases ``[index, index + 1)`` and ``[0, old_size)``.

The hashes that make a proof are roots over ranges of leaves. A range splits into perfect subtrees,
the *nodes* ``(level, index)``: the root over leaves ``[index * 2**level, (index + 1) * 2**level)``.
Nodes never change once their leaves are there, so they are what a store keeps.
"""

from collections.abc import Callable, Iterator, Sequence

from ledger.errors import MalformedError, UnverifiedError
from ledger.hashing import EMPTY_ROOT, HASH_BYTES, hash_children
from ledger.tree import Frontier, root_from_peaks

Node = tuple[int, int]
"""``(level, index)`` of a perfect subtree."""

Reader = Callable[[Sequence[Node]], Sequence[bytes]]
"""Gives the hashes of nodes, in the order asked for, in one call."""

Range = tuple[int, int]
"""Leaves from the first number up to, but not with, the second."""


def prove_inclusion(index: int, size: int, read: Reader) -> list[bytes]:
    """Make the proof that the leaf at ``index`` is in the tree of ``size`` leaves.

    Raises:
        MalformedError: There is no such leaf in that tree.
    """
    if not 0 <= index < size:
        raise MalformedError(f"a tree of size {size} has no leaf {index}")
    return _read_ranges(_proof_ranges(index, index + 1, size)[1:], read)


def prove_consistency(old_size: int, new_size: int, read: Reader) -> list[bytes]:
    """Make the proof that the tree of ``new_size`` leaves begins with that of ``old_size``.

    The empty tree is the beginning of every tree, and its proof is empty (C2SP tlog-witness).

    Raises:
        MalformedError: The old tree is larger than the new one, or a size is negative.
    """
    if not 0 <= old_size <= new_size:
        raise MalformedError(f"no tree of size {new_size} begins with one of size {old_size}")
    if old_size == 0:
        return []
    return prove_subtree_consistency(0, old_size, new_size, read)


def prove_subtree_consistency(start: int, end: int, size: int, read: Reader) -> list[bytes]:
    """Make the proof that leaves ``[start, end)`` of a tree have the root that they have alone.

    Raises:
        MalformedError: ``[start, end)`` is no subtree, or reaches beyond the tree.
    """
    if not is_subtree(start, end) or end > size:
        raise MalformedError(f"a tree of size {size} has no subtree [{start}, {end})")
    ranges = _proof_ranges(start, end, size)
    # The first range is the subtree itself where that is a node of the tree. Then whoever checks
    # has its hash already.
    return _read_ranges(ranges[1:] if ranges[0] == (start, end) else ranges, read)


def prove_roots(old_size: int, new_size: int, read: Reader) -> list[bytes]:
    """Make the hashes from which ``consistency_roots`` computes both roots.

    Raises:
        MalformedError: The old tree is empty or larger than the new one.
    """
    if not 0 < old_size <= new_size:
        raise MalformedError(f"no hashes lead from size {old_size} to size {new_size}")
    return _read_ranges(_proof_ranges(0, old_size, new_size), read)


def check_inclusion(
    index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf is at ``index`` in the tree of ``size`` leaves with this root.

    Raises:
        UnverifiedError: With code ``bad-proof``; it proves nothing.
    """
    if root_from_inclusion(index, size, leaf_hash, proof) != root:
        raise _bad_proof(f"the proof for leaf {index} of {size} leads to another root")


def root_from_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes]) -> bytes:
    """Return the root of the tree of ``size`` leaves that has this leaf at ``index``.

    Source: RFC 9162 section 2.1.3.2, whose step numbers stand at the lines.

    Raises:
        UnverifiedError: With code ``bad-proof``, if there can be no such tree.
    """
    if not 0 <= index < size:  # (1)
        raise _bad_proof(f"a tree of size {size} has no leaf {index}")
    if any(len(hash_) != HASH_BYTES for hash_ in (leaf_hash, *proof)):
        raise _bad_proof(f"a hash does not have {HASH_BYTES} bytes")
    at, last = index, size - 1  # (2)
    root = leaf_hash  # (3)
    for sibling in proof:  # (4)
        if last == 0:  # (4.1)
            raise _bad_proof(f"the proof for leaf {index} of {size} is too long")
        if at & 1 or at == last:  # (4.2)
            root = hash_children(sibling, root)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            root = hash_children(root, sibling)
        at >>= 1  # (4.3)
        last >>= 1
    if last:  # (5); the comparison of roots is the caller's
        raise _bad_proof(f"the proof for leaf {index} of {size} is too short")
    return root


def root_below(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes]) -> bytes:
    """Return the root of the tree in which a leaf is the last, from its proof in a larger one.

    What a proof has on the left of its leaf are just the perfect subtrees before it; what it has on
    the right came later.

    Args:
        index: Of the leaf.
        size: Of the larger tree.
        leaf_hash: Of the leaf.
        proof: Holds for the larger tree; the caller has seen to that.
    """
    at, last = index, size - 1
    root = leaf_hash
    for sibling in proof:
        if at & 1 or at == last:
            root = hash_children(sibling, root)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        at >>= 1
        last >>= 1
    return root


def check_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of ``new_size`` leaves begins with that of ``old_size``.

    Source: RFC 9162 section 2.1.4.2; the empty old tree as in C2SP tlog-witness.

    Raises:
        UnverifiedError: With code ``bad-proof``; it proves nothing, not even that the
            trees differ.
    """
    if not 0 <= old_size <= new_size:
        raise _bad_proof(f"no tree of size {new_size} begins with one of size {old_size}")
    if old_size == 0:
        if proof:
            raise _bad_proof("nothing is proved about the empty tree, so the proof is empty")
        _check_empty_root(old_root)
        if new_size == 0:
            _check_empty_root(new_root)
        return
    if old_size == new_size:
        if proof:
            raise _bad_proof("a tree begins with itself, so the proof is empty")
        if old_root != new_root:
            raise _bad_proof(f"two roots are given for size {new_size}")
        return
    # A perfect old tree is a node of the new tree, so its root is not repeated in the proof.
    hashes = proof if old_size & (old_size - 1) else [old_root, *proof]
    if consistency_roots(old_size, new_size, hashes) != (old_root, new_root):
        raise _bad_proof(f"the proof from {old_size} to {new_size} leads to other roots")


def consistency_roots(old_size: int, new_size: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of the old and of the new tree that hashes of the new tree lead to.

    These are the hashes of a consistency proof; but where the old tree is perfect, or the whole of
    the new one, and so left out of the proof, its root still comes first. If the second root is the
    one that a log signed for ``new_size``, then the first is what that log must have signed for
    ``old_size``: with a signed note of another root this convicts the log by its own bytes.

    Raises:
        UnverifiedError: With code ``bad-proof``, if these are not hashes of that number
            and length.
    """
    if not 0 < old_size <= new_size:
        raise _bad_proof(f"no hashes lead from size {old_size} to size {new_size}")
    roots = _subtree_roots(0, old_size, new_size, hashes)
    if roots is None:
        raise _bad_proof(f"these are not the hashes that lead from {old_size} to {new_size}")
    return roots


def check_subtree_consistency(  # noqa: PLR0917 - the order is that of the other checks
    start: int,
    end: int,
    size: int,
    subtree_root: bytes,
    proof: Sequence[bytes],
    root: bytes,
    before: Sequence[bytes] | None = None,
) -> None:
    """Check that leaves with this root are at ``[start, end)`` in the tree with this root.

    Args:
        start: Of the subtree.
        end: Of it.
        size: Of the tree.
        subtree_root: Over the leaves.
        proof: Of the subtree.
        root: Of the tree.
        before: The perfect subtrees that must stand before it, largest first; None: whatever does.

    Raises:
        UnverifiedError: With code ``bad-proof``; it proves nothing.
    """
    if not is_subtree(start, end) or end > size:
        raise _bad_proof(f"a tree of size {size} has no subtree [{start}, {end})")
    width = end - start
    is_node = end == size or not width & (width - 1)
    hashes = [subtree_root, *proof] if is_node else proof
    left: list[bytes] = []
    if _subtree_roots(start, end, size, hashes, left) != (subtree_root, root):
        raise _bad_proof(f"the proof for [{start}, {end}) of {size} leads to other roots")
    if before is not None and left[::-1] != list(before):
        raise _bad_proof(f"[{start}, {end}) of {size} stands beside other leaves")


def is_subtree(start: int, end: int) -> bool:
    """Say whether leaves ``[start, end)`` are what some larger tree may hold as a tree.

    They are if ``start`` is a multiple of the least power of two that is not below their number.
    """
    return 0 <= start < end and start % (1 << (end - start - 1).bit_length()) == 0


def subtree_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaves."""
    return Frontier.empty().extend(leaf_hashes).root()


def root_at(size: int, read: Reader) -> bytes:
    """Return the root that the tree had at ``size``.

    Raises:
        MalformedError: The size is negative.
    """
    return root_from_peaks(peaks_at(size, read))


def peaks_at(size: int, read: Reader) -> tuple[bytes, ...]:
    """Return the roots of the perfect subtrees that the tree had at ``size``, largest first.

    Raises:
        MalformedError: The size is negative.
    """
    if size < 0:
        raise MalformedError(f"a tree has no negative size {size}")
    return tuple(read(_nodes(0, size))) if size else ()


def _proof_ranges(start: int, end: int, size: int) -> list[Range]:
    """Return the ranges of a subtree proof, from the leaves up, the first one never left out.

    This is SUBTREE_SUBPROOF with its recursion unrolled from the root down: each step leaves one
    half of the tree in the proof and goes on in the other.
    """
    ranges: list[Range] = []
    low, high = 0, size
    while (low, high) != (start, end):
        middle = low + _split(high - low)
        if end <= middle:
            ranges.append((middle, high))
            high = middle
        elif start >= middle:
            ranges.append((low, middle))
            low = middle
        else:
            # The subtree begins with the whole left half, and goes on in the right one.
            ranges.append((low, middle))
            low = start = middle
    ranges.append((low, high))
    ranges.reverse()
    return ranges


def _split(width: int) -> int:
    """Return the largest power of two below ``width``: how many leaves go to the left."""
    return 1 << ((width - 1).bit_length() - 1)


def _nodes(start: int, end: int) -> list[Node]:
    """Return the perfect subtrees, left to right, that the range of a proof splits into.

    The range is a subtree in the sense of ``is_subtree``, so they shrink from left to right.
    """
    nodes: list[Node] = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def _read_ranges(ranges: Sequence[Range], read: Reader) -> list[bytes]:
    """Return the root over each range, all nodes read in one call."""
    if not ranges:
        return []
    split = [_nodes(start, end) for start, end in ranges]
    wanted = [node for nodes in split for node in nodes]
    hashes = read(wanted)
    assert len(hashes) == len(wanted)
    given: Iterator[bytes] = iter(hashes)
    return [root_from_peaks([next(given) for _ in nodes]) for nodes in split]


def _subtree_roots(
    start: int, end: int, size: int, hashes: Sequence[bytes], left: list[bytes] | None = None
) -> tuple[bytes, bytes] | None:
    """Return the roots of the subtree and of the tree; None if these cannot be their hashes.

    To ``left`` it adds what stands before the subtree, from there to the left.

    Source: draft-ietf-plants-merkle-tree-certs section 4.4.3, which is RFC 9162 section 2.1.4.2
    with a subtree that may start anywhere; its step numbers stand at the lines.
    """
    if not hashes or any(len(hash_) != HASH_BYTES for hash_ in hashes):
        return None
    first, at, last = start, end - 1, size - 1  # (2)
    if at == last:  # (3)
        while first != at:
            first, at, last = first >> 1, at >> 1, last >> 1
    else:  # (4)
        while first != at and at & 1:
            first, at, last = first >> 1, at >> 1, last >> 1
    subtree = tree = hashes[0]  # (5)
    for sibling in hashes[1:]:  # (6)
        if last == 0:  # (6.1)
            return None
        if at & 1 or at == last:  # (6.2)
            if first < at:
                subtree = hash_children(sibling, subtree)
            elif left is not None:
                left.append(sibling)
            tree = hash_children(sibling, tree)
            while not at & 1 and at:
                first, at, last = first >> 1, at >> 1, last >> 1
        else:  # (6.3)
            tree = hash_children(tree, sibling)
        first, at, last = first >> 1, at >> 1, last >> 1  # (6.4)
    if last:  # (7); the comparisons of roots are the caller's
        return None
    return subtree, tree


def _check_empty_root(root: bytes) -> None:
    if root != EMPTY_ROOT:
        raise _bad_proof("the empty tree has one root, and this is not it")


def _bad_proof(message: str) -> UnverifiedError:
    return UnverifiedError(message, code="bad-proof")
