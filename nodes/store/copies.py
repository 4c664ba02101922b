"""Copies of logs that turn out to be of another tree than the one that stands.

What they hold beyond what the two trees share is laid aside: this node's keys have signed for it,
and an auditor may ask. It is stored, followed and judged no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, delete, func, insert, literal, select, update

from ledger.encoding import decode, encode
from ledger.errors import LedgerError
from ledger.hashing import HASH_BYTES
from ledger.proofs import peaks_at, root_at
from ledger.tiles import TILE_LEVELS, TILE_WIDTH
from nodes.store import schema
from nodes.store.entries import LogIDs, load_tiles, nodes_of, stored_size, tile_key
from nodes.store.peers import load_row

_PROJECTED: Final[tuple[Table, ...]] = (
    schema.facts,
    schema.mentions,
    schema.voids,
    schema.ties,
    schema.maps,
    schema.map_nodes,
    schema.map_history,
    schema.findings,
    schema.uses,
    schema.evidence,
    schema.lent,
    schema.lent_covers,
    schema.tallies,
    schema.projections,
)


@dataclass(frozen=True, slots=True)
class Aside:
    """A copy of a log whose entries from ``kept_size`` on were laid aside.

    Args:
        root: Of all its entries; empty where its tiles could not be read any more.
        peaks: Of the first ``kept_size`` entries: from them and the entries laid aside, the root is
            made again. Empty where they could not be read.
        notes: The log's notes that this node's keys have signed, and held to.
    """

    number: int
    size: int
    root: bytes
    kept_size: int
    peaks: tuple[bytes, ...]
    notes: tuple[bytes, ...]


def unproject(connection: Connection, log_id: int) -> None:
    """Take out what was projected of a log, to be judged again."""
    for table in _PROJECTED:
        connection.execute(delete(table).where(table.c.log_id == log_id))


def lay_aside(connection: Connection, ids: LogIDs, origin: str, kept_size: int) -> None:
    """Keep the beginning of our copy of a log, and lay the rest aside; nothing where none is."""
    log_id, size = ids.get(connection, origin), stored_size(connection, origin)
    if size <= kept_size:
        return
    of_log = schema.asides.c.log_id == log_id
    number = connection.execute(
        select(func.count()).select_from(schema.asides).where(of_log)
    ).scalar_one()
    root, peaks = _hashes(connection, ids, origin, size, kept_size)
    row = load_row(connection, origin)
    held = [] if row is None else dict.fromkeys(it for it in (row.mirrored, row.pending) if it)
    connection.execute(
        insert(schema.asides).values(
            log_id=log_id,
            number=number,
            size=size,
            root=root,
            kept_size=kept_size,
            peaks=encode(list(peaks)),
            notes=encode(list(held)),
        )
    )
    base, entries = log_id << schema.ENTRY_BITS, schema.entries
    rest = (entries.c.key >= base + kept_size) & (entries.c.key < base + size)
    connection.execute(
        insert(schema.aside_entries).from_select(
            ["log_id", "number", "index", "entry"],
            select(literal(log_id), literal(number), entries.c.key - base, entries.c.entry).where(
                rest
            ),
        )
    )
    connection.execute(delete(entries).where(rest))
    _cut_tiles(connection, ids, origin, size, kept_size)
    connection.execute(
        update(schema.logs).where(schema.logs.c.log_id == log_id).values(size=kept_size)
    )


def load_asides(connection: Connection, ids: LogIDs, origin: str) -> list[Aside]:
    """Return the copies of a log that were laid aside, the oldest first."""
    log_id = ids.find(connection, origin)
    rows = connection.execute(
        select(schema.asides)
        .where(schema.asides.c.log_id == log_id)
        .order_by(schema.asides.c.number)
    )
    return [
        Aside(
            row.number,
            row.size,
            row.root,
            row.kept_size,
            tuple(decode(row.peaks)),
            tuple(decode(row.notes)),
        )
        for row in rows
    ]


def load_aside_entries(  # noqa: PLR0917 - a connection, and a range
    connection: Connection, ids: LogIDs, origin: str, number: int, start: int, end: int
) -> Sequence[bytes]:
    """Return entries [start, end) of what was laid aside of a copy; as many as there are."""
    rows = connection.execute(
        select(schema.aside_entries.c.entry)
        .where(
            schema.aside_entries.c.log_id == ids.find(connection, origin),
            schema.aside_entries.c.number == number,
            schema.aside_entries.c.index >= start,
            schema.aside_entries.c.index < end,
        )
        .order_by(schema.aside_entries.c.index)
    )
    return list(rows.scalars())


def _hashes(
    connection: Connection, ids: LogIDs, origin: str, size: int, kept_size: int
) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the root of a copy, and the peaks of its beginning."""
    read = nodes_of(connection, ids, origin)
    try:
        return root_at(size, read), peaks_at(kept_size, read)
    except LedgerError:
        return b"", ()  # altered; its entries are kept all the same


def _cut_tiles(connection: Connection, ids: LogIDs, origin: str, size: int, kept_size: int) -> None:
    """Take out the tiles beyond a size; those at its edge become as long as they were then."""
    log_id, tiles = ids.get(connection, origin), schema.tiles
    level = 0
    while size >> (TILE_LEVELS * level):
        index, width = divmod(kept_size >> (TILE_LEVELS * level), TILE_WIDTH)
        edge = load_tiles(connection, ids, origin, [(level, index)]).get((level, index), b"")
        low, high = tile_key(log_id, level, index), tile_key(log_id, level + 1, 0)
        if level + 1 == 1 << schema.TILE_LEVEL_BITS:
            high = tile_key(log_id + 1, 0, 0)
        first = low + 1 if width else low
        connection.execute(delete(tiles).where(tiles.c.key >= first, tiles.c.key < high))
        if width:
            connection.execute(
                update(tiles).where(tiles.c.key == low).values(hashes=edge[: width * HASH_BYTES])
            )
        level += 1
