"""The tree as RFC 9162 section 2.1 defines it: a recursion over the entries, slow and obvious.

Nothing here is shared with ``ledger``. Subtrees follow draft-ietf-plants-merkle-tree-certs section
4.4.1.
"""

from collections.abc import Sequence
from hashlib import sha256

Entries = Sequence[bytes]


def root(entries: Entries) -> bytes:
    """MTH, section 2.1.1."""
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return sha256(b"\x01" + root(entries[:k]) + root(entries[k:])).digest()


def inclusion(index: int, entries: Entries) -> list[bytes]:
    """PATH, section 2.1.3.1."""
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if index < k:
        return [*inclusion(index, entries[:k]), root(entries[k:])]
    return [*inclusion(index - k, entries[k:]), root(entries[:k])]


def consistency(old_size: int, entries: Entries) -> list[bytes]:
    """PROOF, section 2.1.4.1; and, as in C2SP, nothing for the empty tree."""
    return subproof(old_size, entries, known=True) if old_size else []


def subproof(old_size: int, entries: Entries, *, known: bool) -> list[bytes]:
    """SUBPROOF, section 2.1.4.1."""
    if old_size == len(entries):
        return [] if known else [root(entries)]
    k = split(len(entries))
    if old_size <= k:
        return [*subproof(old_size, entries[:k], known=known), root(entries[k:])]
    return [*subproof(old_size - k, entries[k:], known=False), root(entries[:k])]


def subtree(start: int, end: int, entries: Entries, *, known: bool = True) -> list[bytes]:
    """SUBTREE_SUBPROOF, section 4.4.1 of the draft."""
    if (start, end) == (0, len(entries)):
        return [] if known else [root(entries)]
    k = split(len(entries))
    if end <= k:
        return [*subtree(start, end, entries[:k], known=known), root(entries[k:])]
    if k <= start:
        return [*subtree(start - k, end - k, entries[k:], known=known), root(entries[:k])]
    return [*subtree(0, end - k, entries[k:], known=False), root(entries[:k])]


def split(size: int) -> int:
    """The largest power of two below ``size``."""
    k = 1
    while 2 * k < size:
        k *= 2
    return k
