"""Reads inside one transaction, as core steps and API handlers ask for them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from ledger.kind import Fact
from ledger.map_tree import Child
from ledger.tiles import Tile
from nodes.ports import LateAnswer, UseRow
from nodes.store import answers, entries, facts, findings, maps, peers
from nodes.store.entries import LogIDs


class StoreReader:
    """The port ``nodes.ports.Reader`` over a connection that has begun.

    All its answers are of one moment. A handler in another thread makes its own, with its own
    connection and ``LogIDs``.
    """

    __slots__ = ("connection", "ids")

    def __init__(self, connection: Connection, ids: LogIDs | None = None) -> None:
        self.connection = connection
        self.ids = LogIDs() if ids is None else ids

    def facts(self, wanted: Sequence[tuple[str, str, int]]) -> Sequence[Fact | None]:
        """For each (origin, object, below): the newest row with index < below, or None."""
        return facts.newest(self.connection, self.ids, wanted)

    def facts_between(self, origin: str, object_: str, low: int, high: int) -> Sequence[Fact]:
        """Return the rows of an object with low <= index < high, ascending."""
        return facts.between(self.connection, self.ids, origin, object_, low, high)

    def leaves(self, wanted: Sequence[tuple[str, int]]) -> Sequence[bytes | None]:
        """For each (origin, index): the leaf hash stored there, or None."""
        return entries.load_leaves(self.connection, self.ids, wanted)

    def entries(self, origin: str, start: int, end: int) -> Sequence[bytes]:
        """Return the entries [start, end) of a log; shorter where fewer are stored."""
        return entries.load_entries(self.connection, self.ids, origin, start, end)

    def tiles(self, origin: str, wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        """For each (level, tile index): the hashes stored for it so far."""
        return entries.load_tiles(self.connection, self.ids, origin, wanted)

    def given(
        self, origin: str, role: str, since_s: int, after: int, rows_max: int
    ) -> Sequence[tuple[int, bytes, bytes]]:
        """Return size, root and line of what our key gave for a log, in the order of time."""
        rows = peers.load_lines(
            self.connection, origin, role, since_s=since_s, after_size=after, rows_max=rows_max
        )
        return [(row.size, row.root, row.line) for row in rows]

    def find(self, origin: str, wanted: Sequence[tuple[str, bytes]]) -> Sequence[int | None]:
        """For each (subject, leaf hash): the index of that entry, or None."""
        return [
            facts.find_leaf(self.connection, self.ids, origin, subject, leaf)
            for subject, leaf in wanted
        ]

    def seen_by(self, origin: str, index: int) -> tuple[int, int] | None:
        """Return the ``seen_by`` of an entry and the block record that fixed it, or None."""
        return findings.seen_by(self.connection, self.ids, origin, index)

    def unsettled(
        self,
        *,
        origin: str | None = None,
        fact_origin: str | None = None,
        low: int = 0,
        high: int | None = None,
        rows_max: int | None = None,
    ) -> Sequence[UseRow]:
        """Return uses that are open or unproven, ascending by log and index."""
        return findings.load_unsettled(
            self.connection,
            self.ids,
            origin=origin,
            fact_origin=fact_origin,
            low=low,
            high=high,
            rows_max=rows_max,
        )

    def map_head(self, origin: str) -> tuple[int, Child | None]:
        """Return how many entries the stored object map of a log covers, and where it begins."""
        state = maps.load_newest(self.connection, self.ids, origin)
        return state.size, state.root

    def map_node(self, origin: str, prefix: bytes) -> bytes | None:
        """Return the stored node of a log's object map with this prefix, or None."""
        return maps.load_node(self.connection, self.ids, origin, prefix)

    def late_answers(self, origin: str, before_s: int, rows_max: int) -> Sequence[LateAnswer]:
        """Return answers to a log's offers, due before a time, that an entry seen later shows."""
        return answers.late(self.connection, self.ids, origin, before_s, rows_max)
