"""The right edge of a tree: all that is needed to add leaves and to know the root.

Source: RFC 9162 section 2.1.1 and, for growing it, section 2.1.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ledger.errors import MalformedError
from ledger.hashing import EMPTY_ROOT, HASH_BYTES, hash_children, hash_pairs


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree, known by the roots of the perfect subtrees it splits into.

    Invariant: there is one peak for each one bit of ``size``, the largest subtree first; the peak
    for the bit at ``level`` is the root over ``2 ** level`` leaves.
    """

    size: int
    peaks: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if self.size < 0:
            raise MalformedError(f"a tree has no negative size {self.size}")
        if len(self.peaks) != self.size.bit_count():
            raise MalformedError(
                f"a tree of size {self.size} has {self.size.bit_count()} peaks, "
                f"not {len(self.peaks)}"
            )
        check_hashes(self.peaks)

    @classmethod
    def empty(cls) -> Self:
        """Return the tree without leaves."""
        return cls(0, ())

    def root(self) -> bytes:
        """Return the root hash."""
        return root_from_peaks(self.peaks)

    def extend(self, leaf_hashes: Sequence[bytes]) -> Self:
        """Return the tree with leaves added at the right.

        Raises:
            MalformedError: A leaf hash has not ``HASH_BYTES`` bytes.
        """
        check_hashes(leaf_hashes)
        peaks = list(self.peaks)
        lower: list[bytes] = []  # peaks of the new tree, smallest first
        nodes = list(leaf_hashes)
        size = self.size
        # One level at a time: what stands at the right edge joins from the left, neighbours pair
        # up, and an odd one stays behind as the new peak of this level.
        while nodes:
            if size & 1:
                nodes.insert(0, peaks.pop())
            if len(nodes) & 1:
                lower.append(nodes[-1])
            nodes = hash_pairs(nodes)
            size >>= 1
        return type(self)(self.size + len(leaf_hashes), (*peaks, *reversed(lower)))


def check_hashes(hashes: Sequence[bytes]) -> None:
    """Check that all hashes are as long as hashes are.

    Raises:
        MalformedError: One is not.
    """
    if set(map(len, hashes)) - {HASH_BYTES}:
        raise MalformedError(f"a hash has {HASH_BYTES} bytes")


def root_from_peaks(peaks: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees that shrink from left to right."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in peaks[-2::-1]:
        root = hash_children(peak, root)
    return root
