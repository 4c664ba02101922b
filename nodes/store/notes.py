"""Signed notes, how far logs are judged, small memories, and the number of the last commit."""

import base64
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, update

from ledger.errors import ConflictError
from ledger.note import KEY_ID_BYTES, SIGNATURES_MAX
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert
from nodes.store.entries import LogIDs

LINES_PAST_ALL: Final = 2**31 - 1

FINISHED_KEPT_MAX: Final = 64
"""Finished notes kept of each log; views and block records hold the lines that count."""

_notes = schema.notes.c
_PUT_NOTE: Final = Upsert(schema.notes, replaced=("note", "finished", "lines"))
_NOTE: Final = Prepared(
    select(_notes.note, _notes.finished).where(
        _notes.log_id == bindparam("log"), _notes.size == bindparam("size")
    ),
    ("log", "size"),
)
# Found by the index first: else each note of the log would be looked into.
_PRUNE: Final = Prepared(
    delete(schema.notes).where(
        _notes.log_id == bindparam("log"),
        _notes.size.in_(
            select(_notes.size).where(
                _notes.log_id == bindparam("log"),
                ~_notes.finished,
                _notes.size < bindparam("size"),
                _notes.lines <= bindparam("most"),
            )
        ),
    ),
    ("log", "size", "most"),
)
_OLDEST_KEPT: Final = Prepared(
    select(_notes.size)
    .where(_notes.log_id == bindparam("log"), _notes.finished)
    .order_by(_notes.size.desc())
    .offset(FINISHED_KEPT_MAX - 1)
    .limit(1),
    ("log",),
)
_DROP_OLDER: Final = Prepared(
    delete(schema.notes).where(_notes.log_id == bindparam("log"), _notes.size < bindparam("size")),
    ("log", "size"),
)
_OF_LOG: Final = (
    select(_notes.size, _notes.note)
    .where(_notes.log_id == bindparam("log"))
    .order_by(_notes.size.desc())
    .limit(1)
)
_NEWEST: Final = Prepared(_OF_LOG, ("log",))
_NEWEST_FINISHED: Final = Prepared(_OF_LOG.where(_notes.finished), ("log",))
_FINISHED_ABOVE: Final = Prepared(
    select(_notes.size, _notes.note)
    .where(_notes.log_id == bindparam("log"), _notes.size > bindparam("size"), _notes.finished)
    .order_by(_notes.size),
    ("log", "size"),
)
_PUT_PROJECTION: Final = Upsert(schema.projections, replaced=("size", "state"))
_PUT_MEMORY: Final = Upsert(schema.memory, replaced=("value",))
_COUNT: Final = Prepared(
    update(schema.commits)
    .where(schema.commits.c.number == bindparam("old"))
    .values(number=bindparam("new")),
    ("new", "old"),
)


def put_note(
    connection: Connection, ids: LogIDs, origin: str, size: int, note: bytes, *, finished: bool
) -> None:
    """Keep a signed note; the newer lines of one size come first, and none is forgotten.

    Older notes that nobody cosigned are dropped, those without their quorums once a larger one has
    them, and all but the newest finished ones: what counts of them stands in views and blocks.
    """
    log_id = ids.get(connection, origin)
    before = _NOTE.run(connection, (log_id, size)).fetchone()
    was_finished = before is not None and bool(before[1])
    if before is not None:
        note = merge_lines(note, before[0])
        finished = finished or was_finished
    lines = note.rpartition(b"\n\n")[2].count(b"\n")
    _PUT_NOTE.run_many(connection, [(log_id, size, note, finished, lines)])
    _PRUNE.run(connection, (log_id, size, LINES_PAST_ALL if finished else 1))
    if finished and not was_finished:
        oldest_kept = _OLDEST_KEPT.run(connection, (log_id,)).fetchone()
        if oldest_kept is not None:
            _DROP_OLDER.run(connection, (log_id, oldest_kept[0]))


def merge_lines(newer: bytes, older: bytes) -> bytes:
    """Return ``newer`` with the signature lines by keys that only ``older`` has at its end.

    Of one key the newer line alone is kept, or readers would refuse the note; and of all of them as
    many as a note may hold. Two notes of one size may differ in their text, if their log has lied;
    then the newer stays.
    """
    text, _, lines = newer.rpartition(b"\n\n")
    old_text, _, old_lines = older.rpartition(b"\n\n")
    if text != old_text:
        return newer
    have = {_signer(line) for line in lines.splitlines()}
    room = SIGNATURES_MAX - lines.count(b"\n")
    only_old = [line for line in old_lines.splitlines(keepends=True) if _signer(line) not in have]
    return newer + b"".join(only_old[:room])


def _signer(line: bytes) -> tuple[bytes, bytes]:
    """Return name and key id of a signature line."""
    name, _, encoded = line.rpartition(b" ")
    return name, base64.b64decode(encoded[:8])[:KEY_ID_BYTES]


def load_newest_note(
    connection: Connection, ids: LogIDs, origin: str, *, finished: bool = False
) -> tuple[int, bytes] | None:
    """Return size and bytes of the newest note of a log, or None.

    Args:
        connection: Open.
        ids: Of logs.
        origin: Of the log.
        finished: Only notes that have their quorums.
    """
    query = _NEWEST_FINISHED if finished else _NEWEST
    row = query.run(connection, (ids.find(connection, origin) or 0,)).fetchone()
    return None if row is None else (row[0], row[1])


def load_finished(connection: Connection, ids: LogIDs, origins: Iterable[str]) -> list[bytes]:
    """Return the newest note of each log that has one with its quorums."""
    keys = [(ids.find(connection, origin) or 0,) for origin in origins]
    found = _NEWEST_FINISHED.run_each(connection, keys)
    return [row[1] for row in found if row is not None]


def load_cosigned(connection: Connection, ids: LogIDs, origin: str) -> list[bytes]:
    """Return the notes of a log that tell how far it is witnessed and replicated, ascending.

    The newest, the newest finished, and those above it that somebody has cosigned.
    """
    log_id = ids.find(connection, origin) or 0
    newest = load_newest_note(connection, ids, origin)
    finished = load_newest_note(connection, ids, origin, finished=True)
    query = select(_notes.size, _notes.note).where(
        _notes.log_id == log_id,
        _notes.lines > 1,
        _notes.size > (0 if finished is None else finished[0]),
    )
    found = {row[0]: row[1] for row in connection.execute(query)}
    found.update(note for note in (newest, finished) if note is not None)
    return [found[size] for size in sorted(found)]


def load_finished_above(
    connection: Connection, ids: LogIDs, origin: str, size: int
) -> list[tuple[int, bytes]]:
    """Return the finished notes of a log on trees larger than ``size``, ascending."""
    log_id = ids.find(connection, origin) or 0
    return [(row[0], row[1]) for row in _FINISHED_ABOVE.run(connection, (log_id, size)).fetchall()]


def load_finished_covering(
    connection: Connection, ids: LogIDs, origin: str, index: int
) -> tuple[int, bytes] | None:
    """Return the newest finished note of a log if its tree has the entry at ``index``."""
    found = load_newest_note(connection, ids, origin, finished=True)
    return found if found is not None and found[0] > index else None


def put_projection(
    connection: Connection, ids: LogIDs, origin: str, size: int, state: bytes
) -> None:
    """Say how far a log is judged, and what its follower remembers of it."""
    _PUT_PROJECTION.run_many(connection, [(ids.get(connection, origin), size, state)])


def load_projections(connection: Connection) -> Mapping[str, tuple[int, bytes]]:
    """Return size and memory of each log that is judged."""
    table = schema.projections
    query = (
        select(schema.logs.c.origin, table.c.size, table.c.state)
        .join(schema.logs, schema.logs.c.log_id == table.c.log_id)
        .order_by(table.c.log_id)
    )
    return {origin: (size, state) for origin, size, state in connection.execute(query)}


def put_memory(connection: Connection, name: str, value: bytes) -> None:
    """Replace a small named value."""
    _PUT_MEMORY.run_many(connection, [(name, value)])


def load_memory(connection: Connection) -> Mapping[str, bytes]:
    """Return every small named value."""
    table = schema.memory
    rows = connection.execute(select(table).order_by(table.c.name))
    return {row[0]: row[1] for row in rows}


def count_commit(connection: Connection, old: int, new: int) -> None:
    """Give the present transaction the number ``new``; the last one had ``old``.

    Raises:
        ConflictError: Another writer has committed meanwhile.
    """
    if _COUNT.run(connection, (new, old)).rowcount != 1:
        raise ConflictError(known_size=load_commit(connection))


def load_commit(connection: Connection) -> int:
    """Return the number of the last commit."""
    return int(connection.execute(select(schema.commits.c.number)).scalar_one())
