"""What to fetch of a log, in which order, and what tells whether it is right.

A plan is a generator: it yields what it needs, and is sent what came, checked. Everything is known
by its hash from the root down, so it does not matter who sends it, and nothing below is asked for
before what is above it is known.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from ledger.errors import UnverifiedError
from ledger.hashing import HASH_BYTES, hash_leaf
from ledger.proofs import subtree_root
from ledger.tiles import (
    TILE_BYTES,
    TILE_LEVELS,
    TILE_WIDTH,
    decode_entry_bundle,
    entries_path,
    frontier_from_edge,
    partial_width,
    split_hashes,
    tile_path,
)


@dataclass(frozen=True, slots=True)
class Need:
    """Files that must all come from one mirror, and what tells whether they are right.

    Args:
        paths: Below a mirrored log's prefix.
        check: Returns what the files hold; raises ``LedgerError`` if they are not what is needed.
    """

    paths: tuple[str, ...]
    check: Callable[[Sequence[bytes]], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Entries from ``start`` on, each of which hashes to its place below the root asked for."""

    start: int
    entries: tuple[bytes, ...]
    leaves: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """All hashes of a tile that leads to the root asked for."""

    level: int
    index: int
    hashes: bytes


Wanted = Callable[[int, int, bytes], bool]
"""Whether anything in or below the full tile at (level, index), which has this root, is missing."""


def fetch_tree(
    size: int, root: bytes, wanted: Wanted
) -> Generator[Need | Bundle | Tile, Sequence[bytes], None]:
    """Say what to fetch of a log, from the root down and from left to right.

    Each ``Need`` is answered, through ``send``, with what its ``check`` returned; so nothing below
    is asked for before what is above it is known to be right. Tiles and bundles come out as they
    are known, and are answered with anything.
    """
    edge = yield from _fetch_edge(size, root)
    for level in range(_levels(size) - 1, -1, -1):
        index = size >> (TILE_LEVELS * (level + 1))
        if (level, index) in edge:
            yield from _fetch_under(level, index, edge[level, index], wanted)


def fetch_path(
    size: int, root: bytes, position: int
) -> Generator[Need, Sequence[bytes], dict[tuple[int, int], bytes]]:
    """Say what to fetch of a log to know what its tree was at ``position``; return those tiles.

    They are the tiles at the right edge that the tree had then, and those at its edge now.
    """
    tiles = yield from _fetch_edge(size, root)
    # From the top, so that what is above a tile says what it must be.
    for level in range(_levels(size) - 1, -1, -1):
        index = position >> (TILE_LEVELS * (level + 1))
        if (level, index) in tiles or not partial_width(level, position):
            continue
        yield from _fetch_tile(level, index, tiles)
    return tiles


def fetch_shared(
    size: int, root: bytes, ours: Callable[[int, int], bytes]
) -> Generator[Need, Sequence[bytes], int]:
    """Say what to fetch of a log to know how many entries it begins with that we hold as well.

    Args:
        size: Of its tree.
        root: Of it.
        ours: Returns the tile at (level, index) of what we hold; empty where there is none.
    """
    tiles = yield from _fetch_edge(size, root)
    index = 0
    # From the top: below the first hash that differs, or that one of the two lacks, they part.
    for level in range(_levels(size) - 1, -1, -1):
        if index != size >> (TILE_LEVELS * (level + 1)):
            yield from _fetch_tile(level, index, tiles)
        both = zip(
            split_hashes(tiles.get((level, index), b"")),
            split_hashes(ours(level, index)),
            strict=False,
        )
        equal = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], both))
        # A tile of ours that is not what lies below it must not lead past the log's own edge.
        index = index * TILE_WIDTH + min(equal, TILE_WIDTH - 1)
    return index


def _levels(size: int) -> int:
    """Return how many levels of tiles a log has."""
    return -(-size.bit_length() // TILE_LEVELS)


def _fetch_edge(
    size: int, root: bytes
) -> Generator[Need, Sequence[bytes], dict[tuple[int, int], bytes]]:
    """Fetch the tiles at the right edge of a tree, as far as they are not whole."""
    widths = [partial_width(level, size) for level in range(_levels(size))]
    places = [(level, size >> (TILE_LEVELS * (level + 1))) for level in range(len(widths))]
    paths = tuple(tile_path(*places[level], width) for level, width in enumerate(widths) if width)
    if not paths:
        return {}  # the empty tree
    found = iter((yield Need(paths, _edge_check(size, root, widths))))
    return {place: next(found) for place, width in zip(places, widths, strict=True) if width}


def _fetch_tile(
    level: int, index: int, tiles: dict[tuple[int, int], bytes]
) -> Generator[Need, Sequence[bytes], None]:
    """Fetch a full tile, and those above it that are not there yet."""
    above, at = divmod(index, TILE_WIDTH)
    if (level + 1, above) not in tiles:
        yield from _fetch_tile(level + 1, above, tiles)
    root = tiles[level + 1, above][at * HASH_BYTES : (at + 1) * HASH_BYTES]
    (tiles[level, index],) = yield Need((tile_path(level, index),), _tile_check(level, index, root))


def _fetch_below(
    level: int, index: int, root: bytes, wanted: Wanted
) -> Generator[Need | Bundle | Tile, Sequence[bytes], None]:
    if not wanted(level, index, root):
        return
    (tile,) = yield Need((tile_path(level, index),), _tile_check(level, index, root))
    yield from _fetch_under(level, index, tile, wanted)


def _fetch_under(
    level: int, index: int, tile: bytes, wanted: Wanted
) -> Generator[Need | Bundle | Tile, Sequence[bytes], None]:
    """Hand out a tile that is right, and fetch what is wanted below it."""
    yield Tile(level, index, tile)
    if level == 0:
        yield from _fetch_bundle(index, tile)
        return
    for at, hash_ in enumerate(split_hashes(tile)):
        yield from _fetch_below(level - 1, index * TILE_WIDTH + at, hash_, wanted)


def _fetch_bundle(
    index: int, leaves: bytes
) -> Generator[Need | Bundle | Tile, Sequence[bytes], None]:
    width = len(leaves) // HASH_BYTES

    def check(files: Sequence[bytes]) -> Sequence[bytes]:
        (data,) = files
        entries = decode_entry_bundle(data, width)
        if b"".join(map(hash_leaf, entries)) != leaves:
            raise UnverifiedError(f"bundle {index} has other entries")
        return entries

    entries = yield Need((entries_path(index, width),), check)
    yield Bundle(index * TILE_WIDTH, tuple(entries), tuple(split_hashes(leaves)))


def is_tile_of(tile: bytes, root: bytes) -> bool:
    """Say whether these are all hashes of a full tile with this root."""
    return len(tile) == TILE_BYTES and subtree_root(split_hashes(tile)) == root


def _tile_check(
    level: int, index: int, root: bytes
) -> Callable[[Sequence[bytes]], Sequence[bytes]]:
    def check(files: Sequence[bytes]) -> Sequence[bytes]:
        (tile,) = files
        if not is_tile_of(tile, root):
            raise UnverifiedError(f"tile {index} at level {level} has another root")
        return files

    return check


def _edge_check(
    size: int, root: bytes, widths: Sequence[int]
) -> Callable[[Sequence[bytes]], Sequence[bytes]]:
    def check(files: Sequence[bytes]) -> Sequence[bytes]:
        found = iter(files)
        edge = [next(found) if width else b"" for width in widths]
        if frontier_from_edge(size, edge).root() != root:
            raise UnverifiedError(f"the right edge at {size} has another root")
        return files

    return check
