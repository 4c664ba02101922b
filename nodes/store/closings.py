"""Closed logs: where they end, and which log goes on from there.

What rules see of a log is read through to the one that it goes on from (``facts.newest``). What was
projected beyond a cut is taken out, since acts there are void.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, select

from ledger.errors import LedgerError
from ledger.lineage import heir_of
from ledger.proofs import root_at
from ledger.roster_fields import Closing
from nodes.store import answers, copies, schema
from nodes.store.engine import Upsert
from nodes.store.entries import LogIDs, nodes_of, stored_size

_PUT: Final = Upsert(schema.closings, replaced=("size", "heir_id"))


def are_known(connection: Connection, ids: LogIDs, closed: Mapping[str, Closing]) -> bool:
    """Say whether the store has taken over all of the roster's closings."""
    known = set(connection.execute(select(schema.closings.c.log_id)).scalars())
    return all(ids.find(connection, origin) in known for origin in closed)


def elsewhere(
    connection: Connection, ids: LogIDs, closed: Mapping[str, Closing]
) -> tuple[str, ...]:
    """Return the newly closed logs of which our copy is of another tree than the cut."""
    known = set(connection.execute(select(schema.closings.c.log_id)).scalars())
    return tuple(
        origin
        for origin, closing in closed.items()
        if ids.get(connection, origin) not in known and not _fits(connection, ids, origin, closing)
    )


def close(connection: Connection, ids: LogIDs, closed: Mapping[str, Closing]) -> None:
    """Take the roster's closings over; what is known already changes nothing.

    What is projected beyond a cut is taken out; what is below it is judged again. Copies of another
    tree than the cut are laid aside before.
    """
    known = set(connection.execute(select(schema.closings.c.log_id)).scalars())
    for origin, closing in closed.items():
        log_id = ids.get(connection, origin)
        if log_id in known:
            continue
        judged = connection.execute(
            select(schema.projections.c.size).where(schema.projections.c.log_id == log_id)
        ).scalar()
        again = judged is not None and judged > min(closing.size, stored_size(connection, origin))
        answers.cut_off(connection, ids, closed, origin, closing.size, again=again)
        if again:
            copies.unproject(connection, log_id)
        heir = heir_of(closed, origin)
        heir_id = None if heir is None else ids.get(connection, heir)
        _PUT.run_many(connection, [(log_id, closing.size, heir_id)])
    ids.forget()


def _fits(connection: Connection, ids: LogIDs, origin: str, closing: Closing) -> bool:
    """Say whether what is stored is, as far as it goes, the tree of the cut."""
    size = stored_size(connection, origin)
    if size < closing.size:
        # What comes is compared with it, and it is laid aside then if it is of another tree.
        return True
    read = nodes_of(connection, ids, origin)
    try:
        return root_at(closing.size, read) == closing.root
    except LedgerError:
        return False


def lay_aside(
    connection: Connection, ids: LogIDs, closed: Mapping[str, Closing], origin: str, kept_size: int
) -> None:
    """Lay our copy of a log aside but for its beginning, which is judged again.

    Args:
        connection: Open.
        ids: Of logs.
        closed: By the newest roster.
        origin: Of the log, closed or not.
        kept_size: How much of it is what stands, as far as is known.
    """
    log_id = ids.get(connection, origin)
    copies.lay_aside(connection, ids, origin, kept_size)
    answers.cut_off(connection, ids, closed, origin, kept_size, again=True)
    copies.unproject(connection, log_id)
    ids.forget()
