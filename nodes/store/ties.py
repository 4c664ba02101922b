"""Acts by what they follow from: an officer, a window, a grant, a seal, an incident."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select

from authz.ties import fields_followed, ties_of
from ledger.errors import LedgerError
from ledger.kind import Kinds
from ledger.salvage import as_judged
from ledger.statement import decode_statement
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert
from nodes.store.entries import LogIDs, load_entries
from nodes.store.facts import newest
from nodes.store.findings import load_findings_of
from nodes.store.objects import ObjectIDs

_BACKFILL_ENTRIES: Final = 10_000
_UNSIGNED: Final = frozenset({"unknown-key", "bad-algorithm", "bad-signature"})

_ties, _objects = schema.ties.c, schema.objects.c

_INSERT: Final = Upsert(schema.ties, replaced=None)
_PAGE: Final = Prepared(
    select(_ties.time_s, _ties.log_id, _ties.index)
    .where(
        _ties.object_id
        == select(_objects.object_id).where(_objects.name == bindparam("object")).scalar_subquery(),
        _ties.time_s >= bindparam("low"),
        _ties.time_s < bindparam("high"),
        (_ties.time_s > bindparam("at"))
        | (_ties.log_id > bindparam("log"))
        | ((_ties.log_id == bindparam("same")) & (_ties.index > bindparam("after"))),
    )
    .order_by(_ties.time_s, _ties.log_id, _ties.index)
    .limit(bindparam("rows")),
    ("object", "low", "high", "at", "log", "same", "after", "rows"),
)


def put(connection: Connection, ids: LogIDs, rows: Sequence[tuple[str, str, int, int]]) -> None:
    """Add (origin, object, index, declared time) where an act follows from an object."""
    logs = {origin: ids.get(connection, origin) for origin in dict.fromkeys([it[0] for it in rows])}
    objects = ids.objects.get(connection, [it[1] for it in rows])
    _INSERT.run_many(
        connection,
        [(objects[name], time_s, logs[origin], index) for origin, name, index, time_s in rows],
    )


def load(
    connection: Connection,
    ids: LogIDs,
    object_: str,
    *,
    from_s: int,
    until_s: int,
    after: tuple[int, str, int] | None,
    rows_max: int,
) -> list[tuple[int, str, int]]:
    """Return (declared time, origin, index) of acts that follow from an object, the oldest first.

    Args:
        connection: Open.
        ids: Of logs.
        object_: Its name.
        from_s: The first declared time that is asked for.
        until_s: Past the last one.
        after: What the page before ended with; None for the first page.
        rows_max: Of a page.
    """
    at_s, origin, index = after or (-1, "", -1)
    log_id = ids.find(connection, origin) or 0
    values = (object_, max(from_s, at_s), until_s, at_s, log_id, log_id, index, rows_max)
    found = _PAGE.run(connection, values).fetchall()
    return [(row[0], ids.origin(connection, row[1]), row[2]) for row in found]


def fill(connection: Connection, kinds: Kinds) -> None:
    """Make the rows from the entries of a database that is older than the table."""
    ids, fields = LogIDs(), fields_followed(kinds)
    query = select(schema.projections.c.log_id, schema.projections.c.size)
    for log_id, size in connection.execute(query.order_by("log_id")).all():
        origin = ids.origin(connection, log_id)
        for start in range(0, size, _BACKFILL_ENTRIES):
            part = (start, min(size, start + _BACKFILL_ENTRIES))
            put(connection, ids, _tied(connection, ids, origin, part, fields))


def number_names(connection: Connection) -> None:
    """Take over the rows of a database that held the names themselves, and drop its table."""
    old = schema.named_ties
    ids, names = ObjectIDs(), select(old.c.object).distinct()
    for part in connection.execute(names).scalars().partitions(_BACKFILL_ENTRIES):
        ids.get(connection, part)
    rows = select(_objects.object_id, old.c.time_s, old.c.log_id, old.c.index)
    connection.execute(
        insert(schema.ties).from_select(
            list(schema.ties.c), rows.join_from(old, schema.objects, _objects.name == old.c.object)
        )
    )
    old.drop(connection)


def _tied(
    connection: Connection,
    ids: LogIDs,
    origin: str,
    part: tuple[int, int],
    fields: Mapping[tuple[str, int], tuple[str, ...]],
) -> list[tuple[str, str, int, int]]:
    """Return what the entries of a part of a log are found by."""
    rows = []
    for index, entry in enumerate(load_entries(connection, ids, origin, *part), part[0]):
        try:
            made = as_judged(decode_statement(entry))
        except LedgerError:
            continue  # void, and about nothing
        against = load_findings_of(connection, ids, origin, index)
        named = fields.get((made.act.kind, made.act.version))
        if named is None:
            continue  # the log's own word
        [signer] = newest(connection, ids, [(origin, made.issuer, index)])
        unit = None if signer is None else signer.state.get("unit")
        signed = not any(row.code in _UNSIGNED for row in against)
        found = ties_of(made, named, unit, signed=signed)
        rows += [(origin, name, index, made.time_s) for name in found]
    return rows
