"""Second notes: checkpoints with ML-DSA-44 lines, which stay apart from those that count.

They are large (3.3 kB a line) and prove nothing to our own rules, so that losing one loses a
service to others and nothing else.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, select

from nodes.core.ready import PutSecondNote
from nodes.store import schema
from nodes.store.engine import Upsert
from nodes.store.entries import LogIDs
from nodes.store.notes import merge_lines
from nodes.store.peer_schema import second_notes

LOG: Final = "log"

_columns = second_notes.c
_PUT: Final = Upsert(second_notes, replaced=("note",))


def put(connection: Connection, ids: LogIDs, write: PutSecondNote) -> None:
    """Keep a second note: of our own log beside each note that is kept, else the newest alone."""
    note = write.note
    gone: ColumnElement[bool] = _columns.size != write.size
    of_role = (_columns.origin == write.origin, _columns.role == write.role)
    if write.role == LOG:
        query = select(_columns.note).where(*of_role, _columns.size == write.size)
        before = connection.execute(query).scalar()
        if before is not None:
            note = merge_lines(note, before)
        kept = select(schema.notes.c.size).where(
            schema.notes.c.log_id == ids.get(connection, write.origin)
        )
        gone = _columns.size.not_in(kept)
    _PUT.run_many(connection, [(write.origin, write.role, write.size, note)])
    connection.execute(delete(second_notes).where(*of_role, gone))


def load_newest(connection: Connection, origin: str, role: str) -> tuple[int, bytes] | None:
    """Return size and bytes of the newest second note of a log in a role, or None."""
    found = connection.execute(
        select(_columns.size, _columns.note)
        .where(_columns.origin == origin, _columns.role == role)
        .order_by(_columns.size.desc())
        .limit(1)
    ).first()
    return None if found is None else (found.size, found.note)


def load_own(connection: Connection, origin: str) -> Mapping[int, bytes]:
    """Return the second notes of our own log, by size."""
    query = select(_columns.size, _columns.note).where(
        _columns.origin == origin, _columns.role == LOG
    )
    return {found.size: found.note for found in connection.execute(query)}


def load_given(connection: Connection) -> Mapping[tuple[str, str], bytes]:
    """Return the second notes that we cosigned, by role and origin."""
    query = select(_columns.role, _columns.origin, _columns.note).where(_columns.role != LOG)
    return {(found.role, found.origin): found.note for found in connection.execute(query)}
