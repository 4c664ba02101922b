"""The object map of each log: its nodes as they are, and as they were where a proof may want them.

A proof is against a map root in a block record, and that record must lie below a note with quorums,
so the map that can be proven is a little older than the newest. Three states can be read: the
newest; the newest that was proven when the map last changed (``proven``); and one that was passed
since (``awaited``), which takes its place once a note covers it. A node that changes is kept for
them beside the table, and let go when they have moved on: at most two rows for each node.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select

from ledger.map_tree import Child, Node, decode_root, encode_root
from nodes.core.ready import PutMap
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert
from nodes.store.entries import LogIDs

_nodes = schema.map_nodes.c
_history = schema.map_history.c
_notes = schema.notes.c

_PUT_HEAD: Final = Upsert(
    schema.maps,
    replaced=("size", "root", "proven_size", "proven_root", "awaited_size", "awaited_root"),
)
_PUT_NODES: Final = Upsert(schema.map_nodes, replaced=("low", "node"))
_HEAD: Final = Prepared(
    select(*list(schema.maps.c)[1:]).where(schema.maps.c.log_id == bindparam("log")), ("log",)
)
_NODE: Final = Prepared(
    select(_nodes.node, _nodes.low).where(
        _nodes.log_id == bindparam("log"), _nodes.prefix == bindparam("prefix")
    ),
    ("log", "prefix"),
)
_FORMER: Final = Prepared(
    select(_history.node)
    .where(
        _history.log_id == bindparam("log"),
        _history.prefix == bindparam("prefix"),
        _history.high > bindparam("size"),
        _history.low <= bindparam("size"),
    )
    .order_by(_history.high)
    .limit(1),
    ("log", "prefix", "size"),
)
_KEEP: Final = Prepared(
    insert(schema.map_history).from_select(
        ["log_id", "prefix", "high", "low", "node"],
        select(
            _nodes.log_id, _nodes.prefix, bindparam("high", type_=_history.high.type), _nodes.low,
            _nodes.node,
        ).where(
            _nodes.log_id == bindparam("log"),
            _nodes.prefix == bindparam("prefix"),
            _nodes.low <= bindparam("kept"),
        ),
    ),
    ("high", "log", "prefix", "kept"),
)  # fmt: skip
_LET_GO: Final = Prepared(
    delete(schema.map_history).where(
        _history.log_id == bindparam("log"), _history.high <= bindparam("size")
    ),
    ("log", "size"),
)
_FINISHED: Final = Prepared(
    select(_notes.size)
    .where(_notes.log_id == bindparam("log"), _notes.finished)
    .order_by(_notes.size.desc())
    .limit(1),
    ("log",),
)


@dataclass(frozen=True, slots=True)
class State:
    """Where a map begins that covers ``size`` entries of its log."""

    size: int
    root: Child | None


@dataclass(frozen=True, slots=True)
class _Head:
    newest: State
    proven: State
    awaited: State


def put(connection: Connection, ids: LogIDs, write: PutMap) -> None:
    """Store what a block changed, and keep what it replaces for as long as a proof may need it."""
    log_id = ids.get(connection, write.origin)
    grown = write.grown
    head = _load(connection, log_id)
    proven, awaited = head.proven, head.awaited
    finished = _FINISHED.run(connection, (log_id,)).fetchone()
    finished_size = 0 if finished is None else int(finished[0])
    # The record of a map at some size is the entry at that index.
    if proven.size < head.newest.size < finished_size:
        proven, awaited = head.newest, _NONE
    elif proven.size < awaited.size < finished_size:
        proven, awaited = awaited, _NONE
    if not awaited.size and head.newest.size > proven.size:
        awaited = head.newest
    if proven.size > head.proven.size:
        _LET_GO.run(connection, (log_id, proven.size))
    kept = max(proven.size, awaited.size)
    # What was not read from the store is new, or as old as the newest state.
    replaced = grown.nodes if kept >= head.newest.size else grown.loaded
    _KEEP.run_many(connection, [(grown.size, log_id, prefix.decode(), kept) for prefix in replaced])
    _PUT_NODES.run_many(
        connection,
        [(log_id, prefix.decode(), grown.size, node) for prefix, node in grown.nodes.items()],
    )
    states = (State(grown.size, grown.root), proven, awaited)
    row = [log_id, *(it for state in states for it in (state.size, encode_root(state.root)))]
    _PUT_HEAD.run_many(connection, [row])


def load_newest(connection: Connection, ids: LogIDs, origin: str) -> State:
    """Return where the newest map of a log begins."""
    return _load(connection, ids.find(connection, origin) or 0).newest


def load_states(connection: Connection, ids: LogIDs, origin: str) -> list[State]:
    """Return the states of a log's map that can be read, the newest first."""
    head = _load(connection, ids.find(connection, origin) or 0)
    return [state for state in (head.newest, head.awaited, head.proven) if state.size]


def load_node(connection: Connection, ids: LogIDs, origin: str, prefix: bytes) -> bytes | None:
    """Return a node of the newest map of a log; None where there is none."""
    row = _node(connection, ids, origin, prefix)
    return None if row is None else row[0]


def load_node_at(
    connection: Connection, ids: LogIDs, origin: str, prefix: bytes, size: int
) -> Node | None:
    """Return a node of a log's map as it was in a state that can be read; None: there was none."""
    row = _node(connection, ids, origin, prefix)
    if row is None or row[1] > size:
        log_id = ids.find(connection, origin) or 0
        row = _FORMER.run(connection, (log_id, prefix.decode(), size)).fetchone()
    return None if row is None else Node.decode(prefix, row[0])


def drop(connection: Connection, ids: LogIDs, origin: str) -> None:
    """Forget the map of a log; the node makes it again when it starts."""
    log_id = ids.find(connection, origin) or 0
    for table in (schema.maps, schema.map_nodes, schema.map_history):
        connection.execute(delete(table).where(table.c.log_id == log_id))


_NONE: Final = State(0, None)


def _load(connection: Connection, log_id: int) -> _Head:
    row = _HEAD.run(connection, (log_id,)).fetchone()
    if row is None:
        return _Head(_NONE, _NONE, _NONE)
    states = [State(row[at], decode_root(row[at + 1])) for at in (0, 2, 4)]
    return _Head(*states)


def _node(connection: Connection, ids: LogIDs, origin: str, prefix: bytes) -> Sequence[Any] | None:
    log_id = ids.find(connection, origin) or 0
    row: Sequence[Any] | None = _NODE.run(connection, (log_id, prefix.decode())).fetchone()
    return row
