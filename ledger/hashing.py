"""The two hashes of the tree, and the root of the tree that has nothing in it.

Source: RFC 9162 section 2.1.1, with SHA-256.
"""

from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def hash_leaf(entry: bytes) -> bytes:
    """Return the leaf hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node over two nodes."""
    return sha256(b"\x01" + left + right).digest()


def hash_pairs(nodes: list[bytes]) -> list[bytes]:
    """Return the nodes over each two neighbours, one level up; an odd one at the end is left out.

    This is ``hash_children`` for a whole level at once, without a Python call a node.
    """
    pairs = zip(nodes[::2], nodes[1::2], strict=False)
    return [sha256(b"\x01" + left + right).digest() for left, right in pairs]
