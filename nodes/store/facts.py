"""What entries left objects as, and which traces they belong to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, select, union

from ledger import encoding
from ledger.kind import Fact
from nodes.core.ready import PutFacts
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert
from nodes.store.entries import LogIDs
from nodes.store.lent import put_lent

_facts = schema.facts.c

# Rows never change, and few are asked for often.
_decode = lru_cache(maxsize=8_192)(encoding.decode_own)

_INSERT: Final = Upsert(schema.facts, replaced=None)
_INSERT_MENTIONS: Final = Upsert(schema.mentions, replaced=())
_INSERT_VOIDS: Final = Upsert(schema.voids, replaced=())
_NEWEST: Final = Prepared(
    select(_facts.index, _facts.leaf, _facts.state)
    .where(
        _facts.object == bindparam("object"),
        _facts.log_id == bindparam("log"),
        _facts.index < bindparam("below"),
    )
    .order_by(_facts.index.desc())
    .limit(1),
    ("object", "log", "below"),
)
_LEAF: Final = Prepared(
    select(_facts.index).where(
        _facts.object == bindparam("object"),
        _facts.log_id == bindparam("log"),
        _facts.leaf == bindparam("leaf"),
    ),
    ("object", "log", "leaf"),
)
_voids = schema.voids.c
_VOIDS: Final = Prepared(
    select(_voids.index)
    .where(_voids.object == bindparam("object"), _voids.log_id == bindparam("log"))
    .order_by(_voids.index)
    .limit(bindparam("rows")),
    ("object", "log", "rows"),
)
_BETWEEN: Final = Prepared(
    select(_facts.index, _facts.leaf, _facts.state)
    .where(
        _facts.object == bindparam("object"),
        _facts.log_id == bindparam("log"),
        _facts.index >= bindparam("low"),
        _facts.index < bindparam("high"),
    )
    .order_by(_facts.index),
    ("object", "log", "low", "high"),
)


def _places(*tables: Table) -> Prepared:
    """Return the query for the places of the rows that tables have of an object, by key."""
    found = [
        select(table.c.log_id, table.c.index).where(table.c.object == bindparam("object"))
        for table in tables
    ]
    every = found[0] if len(found) == 1 else union(*found)
    return Prepared(every.order_by("log_id", "index"), ("object",))


_CHANGES: Final = _places(schema.facts)
_MENTIONS: Final = _places(schema.mentions)
_TRACE: Final = _places(schema.facts, schema.mentions)
_ALL_VOIDS: Final = _places(schema.voids)

_entries = schema.entries.c
_HISTORIES: Final = Prepared(
    select(_facts.object, _facts.log_id, _facts.index, _facts.leaf, _facts.state, _entries.entry)
    .outerjoin(
        schema.entries, _entries.key == _facts.log_id * (1 << schema.ENTRY_BITS) + _facts.index
    )
    .where(_facts.object >= bindparam("first"), _facts.object <= bindparam("last"))
    .order_by(_facts.object, _facts.log_id, _facts.index),
    ("first", "last"),
)

_NEXT_LOG: Final = Prepared(
    select(_facts.log_id)
    .where(_facts.object == bindparam("object"), _facts.log_id > bindparam("after"))
    .order_by(_facts.log_id)
    .limit(1),
    ("object", "after"),
)


def insert_facts(connection: Connection, ids: LogIDs, write: PutFacts) -> None:
    """Add rows of objects."""
    rows = write.facts
    logs = {origin: ids.get(connection, origin) for origin in dict.fromkeys(r.origin for r in rows)}
    _INSERT.run_many(
        connection,
        [
            (row.object, logs[row.origin], row.index, row.leaf, state)
            for row, state in zip(rows, write.states, strict=True)
        ],
    )
    put_lent(connection, [(logs[row.origin], row) for row in rows if "/grant/" in row.object])


def insert_mentions(
    connection: Connection, ids: LogIDs, rows: Iterable[tuple[str, str, int]]
) -> None:
    """Add (origin, object, index) where an entry belongs to a trace of an object."""
    _INSERT_MENTIONS.run_many(
        connection,
        [(object_, ids.get(connection, origin), index) for origin, object_, index in rows],
    )


def insert_voids(connection: Connection, ids: LogIDs, rows: Iterable[tuple[str, str, int]]) -> None:
    """Add (origin, object, index) where an entry names an object and is void."""
    _INSERT_VOIDS.run_many(
        connection,
        [(object_, ids.get(connection, origin), index) for origin, object_, index in rows],
    )


def newest(
    connection: Connection, ids: LogIDs, wanted: Sequence[tuple[str, str, int]]
) -> list[Fact | None]:
    """Return for each (origin, object, below) the newest row with a smaller index, or None.

    Where a log has none, the one that it goes on from is looked into, below its cut; the row says
    which log it is of. Where no server is asked, one prepared look-up each is as fast as one query
    with all the values.
    """
    find = ids.find
    keys = [(object_, find(connection, origin) or 0, below) for origin, object_, below in wanted]
    found: list[Fact | None] = []
    for row, key, it in zip(_NEWEST.run_each(connection, keys), keys, wanted, strict=True):
        if row is None:
            found.append(_before(connection, ids, key[0], key[1]))
        else:
            found.append(Fact(it[0], it[1], row[0], row[1], _decode(row[2])))
    return found


def _before(connection: Connection, ids: LogIDs, object_: str, log_id: int) -> Fact | None:
    """Return the newest row of an object in the logs that a log goes on from, or None."""
    found = ids.before(connection, log_id)
    while found is not None:
        old, cut = found
        row = _NEWEST.run(connection, (object_, old, cut)).fetchone()
        if row is not None:
            return _fact(ids.origin(connection, old), object_, row)
        found = ids.before(connection, old)
    return None


def load_holders(
    connection: Connection, ids: LogIDs, objects: Iterable[str]
) -> Mapping[str, Sequence[str]]:
    """Return, by log, which of some objects it has rows of.

    A look-up for each that there is, and one for each object, however many rows there are.
    """
    found: dict[str, list[str]] = {}
    after = dict.fromkeys(objects, 0)
    while after:
        rows = _NEXT_LOG.run_each(connection, list(after.items()))
        after = {
            object_: row[0] for object_, row in zip(after, rows, strict=True) if row is not None
        }
        for object_, log_id in after.items():
            found.setdefault(ids.origin(connection, log_id), []).append(object_)
    return found


def between(  # noqa: PLR0917 - a connection, and a range
    connection: Connection, ids: LogIDs, origin: str, object_: str, low: int, high: int
) -> list[Fact]:
    """Return the rows of an object with low <= index < high, ascending."""
    log_id = ids.find(connection, origin)
    rows = _BETWEEN.run(connection, (object_, log_id or 0, low, high)).fetchall()
    return [_fact(origin, object_, row) for row in rows]


def load_histories(
    connection: Connection, ids: LogIDs, first: str, last: str
) -> Iterator[tuple[Fact, bytes]]:
    """Give every row of the objects from ``first`` to ``last``, and the entry that made it.

    By object and log, ascending; for a page of objects that is one query.
    """
    for object_, log_id, *row, entry in _HISTORIES.run(connection, (first, last)).fetchall():
        yield _fact(ids.origin(connection, log_id), object_, row), entry


def load_type(connection: Connection, ids: LogIDs, region: str, type_: str) -> Iterator[Fact]:
    """Give every row of a region's objects of a type, by object and log, ascending."""
    query = (
        select(_facts.object, _facts.log_id, _facts.index, _facts.leaf, _facts.state)
        .where(_facts.object > f"{region}/{type_}/", _facts.object < f"{region}/{type_}0")
        .order_by(_facts.object, _facts.log_id, _facts.index)
    )
    for object_, log_id, *row in connection.execute(query):
        yield _fact(ids.origin(connection, log_id), object_, row)


def find_leaf(
    connection: Connection, ids: LogIDs, origin: str, object_: str, leaf: bytes
) -> int | None:
    """Return the index of the entry about ``object_`` that has this leaf hash, or None."""
    log_id = ids.find(connection, origin)
    row = _LEAF.run(connection, (object_, log_id or 0, leaf)).fetchone()
    return None if row is None else int(row[0])


def load_trace(connection: Connection, ids: LogIDs, object_: str) -> list[tuple[str, int]]:
    """Return (origin, index) of every entry that changed an object or mentions it, by key."""
    return _load(connection, ids, _TRACE, object_)


def load_changes(connection: Connection, ids: LogIDs, object_: str) -> list[tuple[str, int]]:
    """Return (origin, index) of every entry that changed an object, by key."""
    return _load(connection, ids, _CHANGES, object_)


def load_mentions(connection: Connection, ids: LogIDs, object_: str) -> list[tuple[str, int]]:
    """Return (origin, index) of every entry that mentions an object, by key."""
    return _load(connection, ids, _MENTIONS, object_)


def load_voids(connection: Connection, ids: LogIDs, object_: str) -> list[tuple[str, int]]:
    """Return (origin, index) of every void entry that names an object, by key."""
    return _load(connection, ids, _ALL_VOIDS, object_)


def load_some_voids(
    connection: Connection, ids: LogIDs, object_: str, rows_max: int
) -> list[tuple[str, int]]:
    """Return (origin, index) of void entries that name an object: of each log the first ones.

    So a log that is full of them hides nothing of another.
    """
    return [
        (ids.origin(connection, log_id), row[0])
        for log_id in ids.every(connection)
        for row in _VOIDS.run(connection, (object_, log_id, rows_max)).fetchall()
    ]


def load_names(connection: Connection, prefix: str) -> list[str]:
    """Return the objects whose names begin with ``<region>/<type>/``, by name."""
    query = (
        select(_facts.object)
        .where(_facts.object > prefix, _facts.object < f"{prefix[:-1]}0")
        .distinct()
        .order_by(_facts.object)
    )
    return [str(name) for name in connection.execute(query).scalars()]


def _load(
    connection: Connection, ids: LogIDs, query: Prepared, object_: str
) -> list[tuple[str, int]]:
    found = query.run(connection, (object_,)).fetchall()
    return [(ids.origin(connection, log_id), index) for log_id, index in found]


def _fact(origin: str, object_: str, row: Sequence[Any]) -> Fact:
    return Fact(origin, object_, row[0], row[1], _decode(row[2]))
