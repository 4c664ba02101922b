"""Closed logs: where they end, and which log goes on from there.

What rules see of a log is read through to the one that it goes on from (``facts.newest``). What was
projected beyond a cut is taken out, since acts there are void.
"""

from collections.abc import Mapping
from types import MappingProxyType
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


def close(
    connection: Connection,
    ids: LogIDs,
    closed: Mapping[str, Closing],
    kept: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Take the roster's closings over; what is known already changes nothing.

    What is projected beyond a cut is taken out; what is below it is judged again. So is what stays
    of copies that are laid aside.

    Args:
        connection: Open.
        ids: Of logs.
        closed: By the newest roster.
        kept: Copies of another tree than the one that stands, closed or not: how much of each is
            what stands, as far as is known. The rest is laid aside.
    """
    known = set(connection.execute(select(schema.closings.c.log_id)).scalars())
    fresh = {it: cut for it, cut in closed.items() if ids.get(connection, it) not in known}
    sizes = select(schema.projections.c.log_id, schema.projections.c.size)
    judged = {row.log_id: row.size for row in connection.execute(sizes)}
    again = dict.fromkeys(kept)
    for origin, cut in fresh.items():
        left = min(cut.size, stored_size(connection, origin))
        if judged.get(ids.get(connection, origin), 0) > left:
            again[origin] = None
    cuts = {origin: cut.size for origin, cut in fresh.items()}
    for origin, size in kept.items():
        cuts[origin] = min(size, cuts.get(origin, size))
    # While the facts of all of them are there.
    answers.cut_off(connection, ids, closed, cuts, again)
    for origin, size in kept.items():
        copies.lay_aside(connection, ids, origin, size)
    for origin in again:
        copies.unproject(connection, ids.get(connection, origin))
    for origin, cut in fresh.items():
        heir = heir_of(closed, origin)
        heir_id = None if heir is None else ids.get(connection, heir)
        _PUT.run_many(connection, [(ids.get(connection, origin), cut.size, heir_id)])
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
