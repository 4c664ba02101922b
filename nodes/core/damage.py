"""Whether a stored log still is what was signed: everything hashed again, each bad place named."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ledger.errors import MalformedError
from ledger.hashing import HASH_BYTES, hash_leaf
from ledger.proofs import subtree_root
from ledger.tiles import (
    TILE_BYTES,
    TILE_LEVELS,
    TILE_WIDTH,
    frontier_from_edge,
    split_hashes,
)
from nodes.core.copies import LogReader, read_edge
from nodes.core.fetching import is_tile_of


@dataclass(frozen=True, slots=True)
class Damage:
    """A place in the store that does not hash to what is above it."""

    what: Literal["entry", "tile", "edge"]
    level: int
    """Of the tile; 0 for entries."""
    index: int
    """Of the entry, or of the tile."""

    def __str__(self) -> str:
        if self.what == "entry":
            return f"entry {self.index}"
        if self.what == "tile":
            return f"tile {self.index} at level {self.level}"
        return "the right edge of the tree"


def check_all(origin: str, size: int, root: bytes, reader: LogReader) -> Iterator[Damage]:
    """Hash everything again, from the root down, and yield what does not hash to what is above it.

    What stands below a damaged tile is checked by its own, lower tiles only if these are what the
    tile above should have said; so one altered row is named as itself.
    """
    try:
        edge = read_edge(origin, size, reader)
    except MalformedError:
        yield Damage("edge", 0, 0)
        return
    if frontier_from_edge(size, edge).root() != root:
        yield Damage("edge", 0, 0)
        return
    for level in range(len(edge) - 1, -1, -1):
        first = size >> (TILE_LEVELS * (level + 1)) << TILE_LEVELS
        if level == 0:
            if edge[0]:
                yield from _bad_entries(origin, first >> TILE_LEVELS, size, edge[0], reader)
            break
        for at, hash_ in enumerate(split_hashes(edge[level])):
            yield from _bad_below(origin, level - 1, first + at, hash_, size, reader)


def _bad_below(  # noqa: PLR0917 - a place and what it must be
    origin: str, level: int, index: int, root: bytes, size: int, reader: LogReader
) -> Iterator[Damage]:
    """Yield the damage in a full tile with this root, and below it."""
    tile = reader.tiles(origin, [(level, index)]).get((level, index), b"")[:TILE_BYTES]
    if not is_tile_of(tile, root):
        yield Damage("tile", level, index)
        derived = _derive(origin, level, index, size, reader)
        if derived is None or not is_tile_of(derived, root):
            return  # What is below cannot be told good from bad before the tile is mended.
        tile = derived
    if level == 0:
        yield from _bad_entries(origin, index, size, tile, reader)
        return
    for at, hash_ in enumerate(split_hashes(tile)):
        yield from _bad_below(origin, level - 1, index * TILE_WIDTH + at, hash_, size, reader)


def _derive(origin: str, level: int, index: int, size: int, reader: LogReader) -> bytes | None:
    """Return a full tile as what is stored below it gives it; None if something is missing."""
    if level == 0:
        first = index * TILE_WIDTH
        entries = reader.entries(origin, first, min(first + TILE_WIDTH, size))
        if len(entries) < TILE_WIDTH:
            return None
        return b"".join(map(hash_leaf, entries))
    places = [(level - 1, index * TILE_WIDTH + at) for at in range(TILE_WIDTH)]
    found = reader.tiles(origin, places)
    if any(len(found.get(place, b"")) < TILE_BYTES for place in places):
        return None
    return b"".join(subtree_root(split_hashes(found[place][:TILE_BYTES])) for place in places)


def _bad_entries(
    origin: str, bundle: int, size: int, leaves: bytes, reader: LogReader
) -> Iterator[Damage]:
    """Yield the entries of a bundle that do not hash to its leaves."""
    first = bundle * TILE_WIDTH
    end = min(first + TILE_WIDTH, size)
    entries = reader.entries(origin, first, end)
    for index in range(first, end):
        at = (index - first) * HASH_BYTES
        entry = entries[index - first] if index - first < len(entries) else None
        if entry is None or hash_leaf(entry) != leaves[at : at + HASH_BYTES]:
            yield Damage("entry", 0, index)
