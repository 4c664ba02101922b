"""What this node has witnessed and mirrored for other logs, and every line it gave."""

from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from ledger.cosignature import Line
from ledger.errors import ConflictError
from nodes.core.network import NetworkState
from nodes.core.ready import IssueLine, PeerRow
from nodes.store.engine import Prepared, Upsert
from nodes.store.entries import LogIDs, load_sizes
from nodes.store.notes import load_cosigned, load_finished, load_memory
from nodes.store.peer_schema import lines, peer_rows
from nodes.store.second_notes import load_given, load_own

LINES_ROWS_MAX: Final = 1_000

_COLUMNS: Final = tuple(field.name for field in fields(PeerRow))
_INSERT: Final = Prepared(insert(peer_rows), _COLUMNS)
_values: Final = attrgetter(*_COLUMNS)
_CHANGED: Final = tuple(name for name in _COLUMNS if name != "origin")
_ADVANCE: Final = Prepared(
    update(peer_rows)
    .where(
        and_(
            peer_rows.c.origin == bindparam("at_origin"),
            *(peer_rows.c[name] == bindparam(f"old_{name}") for name in _CHANGED),
        )
    )
    .values({name: bindparam(f"new_{name}") for name in _CHANGED}),
    (
        *(f"new_{name}" for name in _CHANGED),
        "at_origin",
        *(f"old_{name}" for name in _CHANGED),
    ),
)
_ISSUE: Final = Upsert(lines, replaced=())
_GIVEN: Final = (
    select(lines.c.size, lines.c.root, lines.c.line, lines.c.time_s, lines.c.key_id)
    .where(lines.c.origin == bindparam("origin"), lines.c.role == bindparam("role"))
    .order_by(lines.c.time_s, lines.c.size, lines.c.key_id)
)
_LAST: Final = Prepared(
    select(lines.c.size, lines.c.line)
    .where(lines.c.origin == bindparam("origin"), lines.c.role == bindparam("role"))
    .order_by(lines.c.time_s.desc(), lines.c.size.desc())
    .limit(1),
    ("origin", "role"),
)
_PAGE: Final = Prepared(
    _GIVEN.where(
        lines.c.time_s >= bindparam("since"),
        or_(lines.c.time_s > bindparam("since"), lines.c.size > bindparam("after")),
    ).limit(bindparam("rows")),
    ("origin", "role", "since", "after", "rows"),
)
_REST: Final = Prepared(
    _GIVEN.where(
        lines.c.time_s == bindparam("time"),
        lines.c.size == bindparam("size"),
        lines.c.key_id > bindparam("key"),
    ),
    ("origin", "role", "time", "size", "key"),
)


class GivenLine(NamedTuple):
    """A line that this node gave."""

    role: str
    origin: str
    size: int
    root: bytes
    line: bytes


def advance(connection: Connection, old: PeerRow | None, new: PeerRow) -> None:
    """Move an origin's row from ``old`` to ``new``, or put the first one there.

    The comparison is in the WHERE clause, so it holds whatever the isolation level and however many
    processes share the database.

    Raises:
        ConflictError: The stored row is not ``old``; it carries the witnessed size that is stored.
    """
    values = _values(new)
    if old is None:
        stored = load_row(connection, new.origin)
        if stored is not None:
            raise ConflictError(known_size=stored.witnessed_size)
        _INSERT.run(connection, values)
        return
    before = _values(old)
    changed = _ADVANCE.run(connection, (*values[1:], new.origin, *before[1:])).rowcount
    if changed != 1 or old.origin != new.origin:
        stored = load_row(connection, new.origin)
        raise ConflictError(known_size=0 if stored is None else stored.witnessed_size)


def issue(connection: Connection, write: IssueLine) -> None:
    """Keep a line that is about to be given."""
    line = Line.decode(write.line)
    _ISSUE.run_many(
        connection,
        [
            (
                write.origin,
                write.role,
                line.time_s,
                write.size,
                line.key_id,
                write.root,
                write.line,
            )
        ],
    )


def load_row(connection: Connection, origin: str) -> PeerRow | None:
    """Return the row of an origin; None before it was first heard of."""
    found = connection.execute(select(peer_rows).where(peer_rows.c.origin == origin)).first()
    return None if found is None else _row(found)


def load_rows(connection: Connection) -> Mapping[str, PeerRow]:
    """Return every row, by origin."""
    query = select(peer_rows).order_by(peer_rows.c.origin)
    return {found.origin: _row(found) for found in connection.execute(query)}


def load_last_lines(connection: Connection) -> Mapping[tuple[str, str], tuple[int, bytes]]:
    """Return size and bytes of the last line given, by role and origin."""
    keys = [(origin, role) for origin in load_rows(connection) for role in ("witness", "mirror")]
    found = zip(keys, _LAST.run_each(connection, keys), strict=True)
    return {(role, origin): (row[0], row[1]) for (origin, role), row in found if row is not None}


def load_lines(
    connection: Connection,
    origin: str,
    role: str,
    *,
    since_s: int = 0,
    after_size: int | None = None,
    rows_max: int = LINES_ROWS_MAX,
) -> list[GivenLine]:
    """Return the lines that this node gave for a log, in the order of time, then of size.

    Args:
        connection: Open.
        origin: Of the log.
        role: Of the key, witness or mirror.
        since_s: Lines dated from then on.
        after_size: Of the lines dated ``since_s`` itself, only those on larger trees; None for all.
        rows_max: At most so many.
    """
    after = -1 if after_size is None else after_size
    page = _PAGE.run(connection, (origin, role, since_s, after, rows_max)).fetchall()
    if page and len(page) == rows_max:
        # While a key is being replaced two sign at once; the next page begins after both.
        size, _, _, time_s, key_id = page[-1]
        page += _REST.run(connection, (origin, role, time_s, size, key_id)).fetchall()
    return [GivenLine(role, origin, size, root, line) for size, root, line, _, _ in page]


def _row(found: Any) -> PeerRow:  # noqa: ANN401 - a row of SQLAlchemy
    return PeerRow(**{name: getattr(found, name) for name in _COLUMNS})


def load_state(connection: Connection, ids: LogIDs, own: str) -> NetworkState:
    """Return all that the side of the node which faces other nodes starts from.

    Args:
        connection: In the transaction that the node starts with.
        ids: Of the logs.
        own: Origin of our own log.
    """
    sizes = load_sizes(connection)
    return NetworkState(
        rows=load_rows(connection),
        sizes={origin: size for origin, size in sizes.items() if origin != own},
        lines=load_last_lines(connection),
        own_notes=load_cosigned(connection, ids, own),
        other_notes=load_finished(connection, ids, [origin for origin in sizes if origin != own]),
        memory=load_memory(connection),
        second_own=load_own(connection, own),
        second_given=load_given(connection),
    )
