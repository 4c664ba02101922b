"""Closed logs: where they end, and which log goes on from there.

What rules see of a log is read through to the one that it goes on from (``facts.newest``). What was
projected beyond a cut is taken out, since acts there are void.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Table, delete, select

from ledger.errors import LedgerError
from ledger.lineage import heir_of
from ledger.proofs import root_at
from ledger.roster_fields import Closing
from ledger.tiles import read_nodes
from nodes.store import answers, schema
from nodes.store.engine import Upsert
from nodes.store.entries import LogIDs, load_tiles, stored_size

_PUT: Final = Upsert(schema.closings, replaced=("size", "heir_id"))
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


def are_known(connection: Connection, ids: LogIDs, closed: Mapping[str, Closing]) -> bool:
    """Say whether the store has taken over all of the roster's closings."""
    known = set(connection.execute(select(schema.closings.c.log_id)).scalars())
    return all(ids.find(connection, origin) in known for origin in closed)


def close(connection: Connection, ids: LogIDs, closed: Mapping[str, Closing]) -> None:
    """Take the roster's closings over; what is known already changes nothing.

    1. A copy that is of another tree than the cut is dropped, to be fetched again.
    2. What is projected beyond a cut is taken out; what is below it is judged again.
    """
    known = set(connection.execute(select(schema.closings.c.log_id)).scalars())
    for origin, closing in closed.items():
        log_id = ids.get(connection, origin)
        if log_id in known:
            continue
        if not _fits(connection, ids, origin, closing):  # (1)
            _drop_copy(connection, log_id)
        judged = connection.execute(
            select(schema.projections.c.size).where(schema.projections.c.log_id == log_id)
        ).scalar()
        again = judged is not None and judged > min(closing.size, stored_size(connection, origin))
        answers.cut_off(connection, ids, closed, origin, again=again)
        if again:  # (2)
            for table in _PROJECTED:
                connection.execute(delete(table).where(table.c.log_id == log_id))
        heir = heir_of(closed, origin)
        heir_id = None if heir is None else ids.get(connection, heir)
        _PUT.run_many(connection, [(log_id, closing.size, heir_id)])
    ids.forget()


def _fits(connection: Connection, ids: LogIDs, origin: str, closing: Closing) -> bool:
    """Say whether what is stored is, as far as it goes, the tree of the cut."""
    size = stored_size(connection, origin)
    if size < closing.size:
        # What comes is compared with it, and it is dropped then if it is of another tree.
        return True
    read = read_nodes(lambda wanted: load_tiles(connection, ids, origin, wanted))
    try:
        return root_at(closing.size, read) == closing.root
    except LedgerError:
        return False


def _drop_copy(connection: Connection, log_id: int) -> None:
    for table, bits in (
        (schema.entries, schema.ENTRY_BITS),
        (schema.tiles, schema.TILE_BITS + schema.TILE_LEVEL_BITS),
    ):
        low, high = log_id << bits, (log_id + 1) << bits
        connection.execute(delete(table).where(table.c.key >= low, table.c.key < high))
    connection.execute(schema.logs.update().where(schema.logs.c.log_id == log_id).values(size=0))
