"""All hypothesis strategies."""

from typing import Any

from hypothesis import strategies as st

from ledger.encoding import INTEGER_MAX, INTEGER_MIN

# The sizes at which tiles and perfect subtrees begin and end.
EDGE_SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 255, 256, 257, 511, 512, 513)
LARGE_EDGE_SIZES = (65_535, 65_536, 65_537)

logs = st.integers(1, 80).map(lambda size: [b"entry %d" % at for at in range(size)])
"""The entries of a small log; what they say does not matter to the tree."""

hashes = st.binary(min_size=32, max_size=32)

integers = st.one_of(
    st.integers(-300, 300),
    st.integers(INTEGER_MIN, INTEGER_MAX),
    st.sampled_from(
        [sign * 2**bits + offset for sign in (1, -1) for bits in (8, 16, 32) for offset in (-1, 0)]
    ),
)
texts = st.one_of(st.text(max_size=30), st.text("授信a", min_size=250, max_size=260))
keys = st.one_of(integers, st.text(max_size=8))
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, texts, st.binary(max_size=300)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=30), st.dictionaries(keys, inner, max_size=30)
    ),
    max_leaves=25,
).filter(lambda value: depth(value) <= 16)
"""Everything that a record may hold."""


def depth(value: Any) -> int:
    """How many arrays and maps stand within each other."""
    match value:
        case list():
            return 1 + max(map(depth, value), default=0)
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case _:
            return 0


def flip(data: bytes, bit: int) -> bytes:
    """Return ``data`` with one bit turned, counted from the first byte's highest."""
    at, shift = divmod(bit, 8)
    return data[:at] + bytes((data[at] ^ (0x80 >> shift),)) + data[at + 1 :]
