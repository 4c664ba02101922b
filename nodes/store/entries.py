"""Logs, their entries and their tiles."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from ledger.cut import Branch
from ledger.errors import ConflictError
from ledger.hashing import HASH_BYTES
from ledger.proofs import Reader as NodeReader
from ledger.proofs import root_at
from ledger.tiles import TILE_WIDTH, Tile, read_nodes
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert
from nodes.store.objects import ObjectIDs

_INSERT_ENTRIES: Final = Upsert(schema.entries, replaced=None)
_PUT_TILES: Final = Upsert(schema.tiles, replaced=("hashes",))
_TILE: Final = Prepared(
    select(schema.tiles.c.hashes).where(schema.tiles.c.key == bindparam("key")), ("key",)
)
_ENTRIES: Final = Prepared(
    select(schema.entries.c.entry)
    .where(schema.entries.c.key >= bindparam("low"), schema.entries.c.key < bindparam("high"))
    .order_by(schema.entries.c.key),
    ("low", "high"),
)
_LOG: Final = Prepared(
    select(schema.logs.c.log_id, schema.logs.c.size).where(
        schema.logs.c.origin == bindparam("origin")
    ),
    ("origin",),
)
_GROW: Final = Prepared(
    update(schema.logs)
    .where(schema.logs.c.log_id == bindparam("log"), schema.logs.c.size == bindparam("old"))
    .values(size=bindparam("new")),
    ("new", "log", "old"),
)

ENTRIES_MAX: Final = 1 << schema.ENTRY_BITS
TILES_MAX: Final = 1 << schema.TILE_BITS
TILE_LEVELS_MAX: Final = 1 << schema.TILE_LEVEL_BITS


class LogIDs:
    """Remembers the number that stands for each origin. Bounded by the roster's logs.

    Beside them those of objects, for whoever writes.
    """

    def __init__(self) -> None:
        self.objects = ObjectIDs()
        self._ids: dict[str, int] = {}
        self._origins: dict[int, str] = {}
        self._before: dict[int, tuple[int, int]] | None = None

    def forget(self) -> None:
        """Drop what was learnt, since the transaction it came from may not have happened."""
        self._ids.clear()
        self._origins.clear()
        self._before = None
        self.objects.forget()

    def find(self, connection: Connection, origin: str) -> int | None:
        """Return the log's number; None if we store nothing of it."""
        found = self._ids.get(origin)
        if found is None:
            row = _LOG.run(connection, (origin,)).fetchone()
            if row is None:
                return None
            found = self._learn(origin, row[0])
        return found

    def get(self, connection: Connection, origin: str) -> int:
        """Return the log's number, which it is given now if it has none."""
        found = self.find(connection, origin)
        if found is None:
            connection.execute(insert(schema.logs).values(origin=origin, size=0))
            found = self.find(connection, origin)
            assert found is not None
        return found

    def origin(self, connection: Connection, log_id: int) -> str:
        """Return the origin that a number stands for."""
        if log_id not in self._origins:
            self.every(connection)
        return self._origins[log_id]

    def every(self, connection: Connection) -> list[int]:
        """Return the numbers of all logs that are stored, ascending."""
        query = select(schema.logs.c.log_id, schema.logs.c.origin).order_by(schema.logs.c.log_id)
        return [self._learn(row[1], row[0]) for row in connection.execute(query)]

    def before(self, connection: Connection, log_id: int) -> tuple[int, int] | None:
        """Return the number of the closed log that a log goes on from, and its cut; None: none."""
        if self._before is None:
            rows = connection.execute(select(schema.closings))
            self._before = {heir: (old, size) for old, size, heir in rows if heir is not None}
        return self._before.get(log_id)

    def _learn(self, origin: str, log_id: int) -> int:
        self._ids[origin] = log_id
        self._origins[log_id] = origin
        return log_id


def stored_size(connection: Connection, origin: str) -> int:
    """Return how many entries of a log are stored."""
    row = _LOG.run(connection, (origin,)).fetchone()
    return 0 if row is None else int(row[1])


def load_sizes(connection: Connection) -> Mapping[str, int]:
    """Return how many entries of each log are stored."""
    query = select(schema.logs.c.origin, schema.logs.c.size).order_by(schema.logs.c.log_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def append(  # noqa: PLR0917 - a connection, and what is appended where
    connection: Connection,
    ids: LogIDs,
    origin: str,
    start: int,
    entries: Sequence[bytes],
    tiles: Mapping[Tile, bytes],
) -> None:
    """Append entries to a log, with every tile they change.

    The comparison is in the WHERE clause, so it holds whatever the isolation level and however many
    processes share the database.

    Raises:
        ConflictError: The log does not hold ``start`` entries.
    """
    log_id = ids.get(connection, origin)
    grown = _GROW.run(connection, (start + len(entries), log_id, start)).rowcount
    if grown != 1:
        raise ConflictError(known_size=stored_size(connection, origin))
    base = log_id << schema.ENTRY_BITS | start
    _INSERT_ENTRIES.run_many(connection, list(enumerate(entries, base)))
    rows = [(tile_key(log_id, level, index), hashes) for (level, index), hashes in tiles.items()]
    _PUT_TILES.run_many(connection, rows)


def load_entries(
    connection: Connection, ids: LogIDs, origin: str, start: int, end: int
) -> list[bytes]:
    """Return the entries [start, end) of a log; fewer where fewer are stored."""
    log_id = ids.find(connection, origin)
    if log_id is None:
        return []
    # Beyond its bits an index would reach into another log's rows.
    end = min(end, ENTRIES_MAX)
    if not 0 <= start < end:
        return []
    base = log_id << schema.ENTRY_BITS
    rows = _ENTRIES.run(connection, (base + start, base + end)).fetchall()
    return [row[0] for row in rows]


def nodes_of(connection: Connection, ids: LogIDs, origin: str) -> NodeReader:
    """Return the reader of a stored log's tree that roots and proofs are made with."""
    return read_nodes(lambda wanted: load_tiles(connection, ids, origin, wanted))


def stored_branch(connection: Connection, ids: LogIDs, origin: str) -> Branch:
    """Return the history of a log that is stored here."""
    read = nodes_of(connection, ids, origin)
    return Branch(load_sizes(connection).get(origin, 0), lambda size: root_at(size, read))


def load_tiles(
    connection: Connection, ids: LogIDs, origin: str, wanted: Sequence[Tile]
) -> dict[Tile, bytes]:
    """Return the hashes stored for each of these tiles; those not stored are left out."""
    log_id = ids.find(connection, origin)
    if log_id is None:
        return {}
    wanted = [
        (level, index)
        for level, index in wanted
        if 0 <= level < TILE_LEVELS_MAX and 0 <= index < TILES_MAX
    ]
    keys = [(tile_key(log_id, level, index),) for level, index in wanted]
    rows: list[tuple[Any, ...] | None] = _TILE.run_each(connection, keys)
    return {tile: row[0] for tile, row in zip(wanted, rows, strict=True) if row is not None}


def load_leaves(
    connection: Connection, ids: LogIDs, wanted: Sequence[tuple[str, int]]
) -> list[bytes | None]:
    """Return the leaf hash stored at each (origin, index), or None."""
    found: list[bytes | None] = []
    for origin, index in wanted:
        tile = (0, index // TILE_WIDTH)
        hashes = load_tiles(connection, ids, origin, [tile]).get(tile, b"")
        at = index % TILE_WIDTH * HASH_BYTES
        found.append(hashes[at : at + HASH_BYTES] or None)
    return found


def tile_key(log_id: int, level: int, index: int) -> int:
    """Return the key of a tile's row."""
    return (log_id << schema.TILE_LEVEL_BITS | level) << schema.TILE_BITS | index
