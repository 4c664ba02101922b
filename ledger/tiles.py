"""The tree and the entries as files of 256, for anyone to fetch and keep.

Source: C2SP tlog-tiles. A tile at level ``n`` holds up to 256 hashes, each the root over 256 ** n
leaves; so the hash at ``index`` of that level is the node ``(8 * n, index)`` of the tree. A partial
tile is the beginning of the later, fuller ones of its name.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ledger.errors import MalformedError, NotFoundError
from ledger.hashing import HASH_BYTES, hash_pairs
from ledger.proofs import Node, Reader
from ledger.tree import Frontier, check_hashes

TILE_WIDTH: Final = 256
TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES
TILE_LEVELS: Final = 8  # of the tree, in one tile
TILE_LEVEL_MAX: Final = 63
TILE_INDEX_MAX: Final = 2**63 - 1
ENTRY_BYTES_MAX: Final = 0xFFFF

_PATH: Final = re.compile(
    r"tile/(?:(?P<level>0|[1-9][0-9]?)|entries)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)

Tile = tuple[int, int]
"""``(level, index)`` of a tile; the level is counted in tiles, not in nodes."""

TileEdge = tuple[bytes, ...]
"""The hashes of the partial tile at the right edge of each level, from the leaves up.

Invariant: one for each level that has any hashes; ``partial_width(level, size)`` hashes each.
"""


@dataclass(frozen=True, slots=True)
class TileID:
    """Which hashes: a tile, full or partial."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= TILE_LEVEL_MAX:
            raise MalformedError(f"tiles have no level {self.level}")
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """Where it is served, below a log's prefix."""
        return f"tile/{self.level}/{_place(self.index, self.width)}"


@dataclass(frozen=True, slots=True)
class EntryBundleID:
    """Which entries: a bundle, full or partial."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """Where it is served, below a log's prefix."""
        return f"tile/entries/{_place(self.index, self.width)}"


@dataclass(frozen=True, slots=True)
class TileUpdate:
    """What the growth of a tree changes in its tiles."""

    size: int
    """Entries in the tree that has grown."""
    tiles: Mapping[Tile, bytes]
    """All hashes now in each tile that has changed, level by level and left to right."""
    edge: TileEdge
    """The new right edge."""


def tile_path(level: int, index: int, width: int | None = None) -> str:
    """Return the path of a tile.

    Args:
        level: In tiles.
        index: In tiles, from the left.
        width: How many hashes; None means a full tile.
    """
    return TileID(level, index, TILE_WIDTH if width is None else width).path


def entries_path(index: int, width: int | None = None) -> str:
    """Return the path of an entry bundle; a width of None means a full one."""
    return EntryBundleID(index, TILE_WIDTH if width is None else width).path


def parse_tile_path(path: str) -> TileID | EntryBundleID:
    """Read the path of a tile or of an entry bundle, in its one spelling.

    Raises:
        MalformedError: It is not such a path.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise MalformedError("this is not the path of a tile or of an entry bundle")
    index = int(match["index"].replace("x", "").replace("/", ""))
    width = TILE_WIDTH if match["width"] is None else int(match["width"])
    tile: TileID | EntryBundleID
    if match["level"] is None:
        tile = EntryBundleID(index, width)
    else:
        tile = TileID(int(match["level"]), index, width)
    # Leading groups of zeros and a width of 256 get past the pattern. Both are other names for what
    # has a name already.
    if tile.path != path:
        raise MalformedError("the path of a tile is not in its one canonical form")
    return tile


def partial_width(level: int, size: int) -> int:
    """Return how many hashes the partial tile at the right edge has; 0 means there is none."""
    return (size >> (TILE_LEVELS * level)) % TILE_WIDTH


def encode_entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Write entries one after the other, each behind its length in two bytes, big-endian.

    Raises:
        MalformedError: There is none or more than a full bundle, or one is longer than its length
            can tell.
    """
    if not 0 < len(entries) <= TILE_WIDTH:
        raise MalformedError(f"a bundle has 1 to {TILE_WIDTH} entries, not {len(entries)}")
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise MalformedError(f"an entry has at most {ENTRY_BYTES_MAX} bytes, not {len(entry)}")
        parts += (len(entry).to_bytes(2), entry)
    return b"".join(parts)


def decode_entry_bundle(data: bytes, width: int) -> list[bytes]:
    """Read the entries of a bundle that must hold ``width`` of them and nothing else.

    Raises:
        MalformedError: It does not.
    """
    if not 0 < width <= TILE_WIDTH:
        raise MalformedError(f"a bundle has 1 to {TILE_WIDTH} entries, not {width}")
    entries: list[bytes] = []
    at, size = 0, len(data)
    for _ in range(width):
        start = at + 2
        if start > size:
            raise MalformedError(f"the bundle ends after {len(entries)} of {width} entries")
        at = start + int.from_bytes(data[at:start])
        if at > size:
            raise MalformedError(f"the bundle ends inside entry {len(entries)} of {width}")
        entries.append(data[start:at])
    if at != size:
        raise MalformedError(f"bytes follow the last of {width} entries, {size - at} of them")
    return entries


def extend_tiles(size: int, edge: Sequence[bytes], leaf_hashes: Sequence[bytes]) -> TileUpdate:
    """Return what changes when leaves are added to a tree of ``size``.

    The work is in proportion to the leaves and one tile, not to the tree.

    Raises:
        MalformedError: The edge is not that of a tree of this size, or a hash is too short or long.
    """
    _check_edge(size, edge)
    check_hashes(leaf_hashes)
    new_size = size + len(leaf_hashes)
    tiles: dict[Tile, bytes] = {}
    new_edge: list[bytes] = []
    added = b"".join(leaf_hashes)
    for level in range(_levels(new_size)):
        old = edge[level] if level < len(edge) else b""
        if not added:
            new_edge.append(old)
            continue
        hashes = old + added
        first = (size >> (TILE_LEVELS * level)) // TILE_WIDTH
        roots: list[bytes] = []
        full = len(hashes) - len(hashes) % TILE_BYTES
        for offset in range(0, full, TILE_BYTES):
            tile = hashes[offset : offset + TILE_BYTES]
            tiles[level, first + len(roots)] = tile
            roots.append(_root(tile))
        if len(hashes) > full:
            tiles[level, first + len(roots)] = hashes[full:]
        new_edge.append(hashes[full:])
        added = b"".join(roots)
    return TileUpdate(new_size, tiles, tuple(new_edge))


def frontier_from_edge(size: int, edge: Sequence[bytes]) -> Frontier:
    """Return the frontier of the tree whose right edge this is.

    Raises:
        MalformedError: The edge is not that of a tree of this size.
    """
    _check_edge(size, edge)
    peaks: list[bytes] = []
    for hashes in reversed(edge):
        peaks += Frontier.empty().extend(split_hashes(hashes)).peaks
    return Frontier(size, tuple(peaks))


def edge_tiles(size: int, edge: TileEdge) -> dict[Tile, bytes]:
    """Return the partial tiles at the right edge of a tree of ``size``, by their places."""
    return {
        (level, size >> (TILE_LEVELS * (level + 1))): hashes
        for level, hashes in enumerate(edge)
        if hashes
    }


def read_nodes(read_tiles: Callable[[Sequence[Tile]], Mapping[Tile, bytes]]) -> Reader:
    """Return a reader of nodes that reads tiles, each once, all in one call.

    Args:
        read_tiles: Gives the hashes now in each tile that is asked for. A partial tile may be
            fuller than it was in the tree that a proof is about.
    """

    def read(nodes: Sequence[Node]) -> list[bytes]:
        places = [_tile_of(level, index) for level, index in nodes]
        wanted = sorted({(level, index) for level, index, _, _ in places})
        tiles = read_tiles(wanted)
        return [
            _root_of_part(_slice(tiles, (level, index), start, end))
            for level, index, start, end in places
        ]

    return read


def _tile_of(level: int, index: int) -> tuple[int, int, int, int]:
    """Return the tile that a node is computed from, and the first and past-the-last byte in it."""
    tile_level, height = divmod(level, TILE_LEVELS)
    tile_index, offset = divmod(index << height, TILE_WIDTH)
    start = offset * HASH_BYTES
    return tile_level, tile_index, start, start + (HASH_BYTES << height)


def _slice(tiles: Mapping[Tile, bytes], tile: Tile, start: int, end: int) -> bytes:
    level, index = tile
    try:
        hashes = tiles[tile]
    except KeyError as error:
        raise NotFoundError(f"there is no tile {index} at level {level}") from error
    if len(hashes) < end:
        raise MalformedError(
            f"tile {index} at level {level} has {len(hashes)} bytes where {end} are needed"
        )
    return hashes[start:end]


@lru_cache(maxsize=2048)
def _root_of_part(hashes: bytes) -> bytes:
    """Return the root over part of a tile, remembered: proofs of neighbours share most nodes.

    The hashes are their own name, so nothing here can be out of date. The largest part is half a
    tile, 4 KiB, so this holds 8 MiB at the very worst.
    """
    return _root(hashes)


def _root(hashes: bytes) -> bytes:
    """Return the root over 1, 2, 4 … 256 hashes."""
    nodes = split_hashes(hashes)
    while len(nodes) > 1:
        nodes = hash_pairs(nodes)
    return nodes[0]


def split_hashes(hashes: bytes) -> list[bytes]:
    """Return the hashes that stand one after another in a tile."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def _levels(size: int) -> int:
    """Return how many levels of tiles a tree has."""
    return -(-size.bit_length() // TILE_LEVELS)


def _check_edge(size: int, edge: Sequence[bytes]) -> None:
    if size < 0:
        raise MalformedError(f"a tree has no negative size {size}")
    if len(edge) != _levels(size):
        raise MalformedError(f"a tree of size {size} has {_levels(size)} levels, not {len(edge)}")
    for level, hashes in enumerate(edge):
        width = partial_width(level, size)
        if len(hashes) != width * HASH_BYTES:
            raise MalformedError(
                f"the edge at level {level} has {len(hashes)} bytes, not {width * HASH_BYTES}"
            )


def _check_place(index: int, width: int) -> None:
    if not 0 <= index <= TILE_INDEX_MAX:
        raise MalformedError(f"there is no tile {index}")
    if not 0 < width <= TILE_WIDTH:
        raise MalformedError(f"a tile has 1 to {TILE_WIDTH} hashes, not {width}")


def _place(index: int, width: int) -> str:
    """Return index and width in groups of three digits, all but the last behind an x."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    path = "/".join(reversed(groups))
    return path if width == TILE_WIDTH else f"{path}.p/{width}"
