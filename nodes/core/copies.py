"""Copies of logs: what the store answers about one, and what growing it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from ledger.errors import MalformedError
from ledger.hashing import HASH_BYTES
from ledger.proofs import Reader as NodeReader
from ledger.tiles import TILE_LEVELS, TILE_WIDTH, TileEdge, frontier_from_edge, read_nodes
from ledger.tree import Frontier


class LogReader(Protocol):
    """Entries and tiles, inside the current transaction: all that this side of the node reads."""

    def entries(self, origin: str, start: int, end: int) -> Sequence[bytes]:
        """Return the entries [start, end) of a log; shorter where fewer are stored."""

    def tiles(
        self, origin: str, wanted: Sequence[tuple[int, int]]
    ) -> Mapping[tuple[int, int], bytes]:
        """For each (level, tile index): the hashes stored for it so far."""

    def given(
        self, origin: str, role: str, since_s: int, after: int, rows_max: int
    ) -> Sequence[tuple[int, bytes, bytes]]:
        """Return size, root and line of what our key gave for a log, in the order of time."""


@dataclass(slots=True)
class Copy:
    """Our copy of a log, as far as growing it needs: its size, and the tree's right edge."""

    size: int = 0
    edge: TileEdge = ()
    frontier: Frontier = field(default_factory=Frontier.empty)

    @classmethod
    def load(cls, origin: str, size: int, reader: LogReader) -> Self:
        """Read the right edge of the ``size`` entries that are stored.

        Raises:
            MalformedError: The tiles do not reach that far.
        """
        edge = read_edge(origin, size, reader)
        return cls(size, edge, frontier_from_edge(size, edge))


def read_edge(origin: str, size: int, reader: LogReader) -> TileEdge:
    """Read the partial tiles at the right edge of a tree of ``size``.

    Raises:
        MalformedError: A tile is shorter than the tree asks for.
    """
    levels = -(-size.bit_length() // TILE_LEVELS)
    widths = [(size >> (TILE_LEVELS * level)) % TILE_WIDTH for level in range(levels)]
    wanted = [
        (level, size >> (TILE_LEVELS * (level + 1))) for level in range(levels) if widths[level]
    ]
    found = reader.tiles(origin, wanted) if wanted else {}
    edge: list[bytes] = []
    for level, width in enumerate(widths):
        tile = found.get((level, size >> (TILE_LEVELS * (level + 1))), b"")
        if len(tile) < width * HASH_BYTES:
            raise MalformedError(
                f"the tile at the edge of level {level} is shorter than a tree of {size} asks for",
                code="altered",
            )
        edge.append(tile[: width * HASH_BYTES])
    return tuple(edge)


def node_reader(reader: LogReader, origin: str) -> NodeReader:
    """Return a reader of one log's tree nodes."""
    return read_nodes(lambda wanted: reader.tiles(origin, wanted))
