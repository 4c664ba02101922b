"""What the clocks of a case count by: calendar years, promised days, and the evidence of times.

All of it is read from the logs, so two nodes that hold the same entries tell the same due dates.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection

from authz.calendar import calendar_names, calendar_of
from authz.deadline import Timing, version_days
from authz.evidence import block_fresh_at
from authz.item import version_object
from ledger.epochs import Epoch, Epochs
from ledger.errors import LedgerError
from ledger.kind import Fact
from ledger.statement import decode_statement
from ledger.views import decode_block
from nodes.api.context import Service
from nodes.core.log_state import LogState
from nodes.core.sight import INDEX_PAST_ALL
from nodes.store.entries import LogIDs, load_entries
from nodes.store.facts import newest
from nodes.store.notes import load_projections

_BLOCKS_MAX: Final = 8
"""Block records without a whole quorum of lines that are passed over for an older one."""


_CACHED_MAX: Final = 50_000


class Proof(NamedTuple):
    """A time that an entry proves, and where in the same log that entry stands."""

    time_s: int
    at: int


def timing(
    service: Service,
    connection: Connection,
    ids: LogIDs,
    rows: Iterable[tuple[str, int]],
    times_s: Iterable[int],
) -> Timing:
    """Return what clocks count by.

    Args:
        service: The node's.
        connection: Open.
        ids: Of logs.
        rows: Item and version that rows of the case name.
        times_s: By which the acts of the case may count.
    """
    constants = service.roster.constants
    versions = []
    for item, version in dict.fromkeys(rows):
        member = service.roster.members.get(item[:6])
        if member is not None:
            versions.append((member.origin, version_object(item, version), INDEX_PAST_ALL))
    days = newest(connection, ids, versions)
    return Timing(
        calendar=calendar_of(load_calendar(service, connection, ids, times_s)),
        days_of=version_days(it for it in days if it is not None),
        staleness_s=constants.staleness_s,
        delta_s=constants.delta_s,
        as_of_s=service.now_s(),
    )


def load_calendar(
    service: Service, connection: Connection, ids: LogIDs, times_s: Iterable[int]
) -> list[Fact]:
    """Return the rows of the calendar years that terms begun at these times can reach."""
    members = service.roster.members
    names = calendar_names(members, times_s)
    wanted = [(members[name[:6]].origin, name, INDEX_PAST_ALL) for name in names]
    return [fact for fact in newest(connection, ids, wanted) if fact is not None]


BlockTimes = dict[tuple[str, int], int | None]
"""What block records prove, by log and index, once their lines have been checked."""


def fresh_below(  # noqa: PLR0917 - a connection, and a place
    service: Service,
    connection: Connection,
    ids: LogIDs,
    origin: str,
    index: int,
    known: BlockTimes,
) -> Proof | None:
    """Return the latest time that a log proves below one of its entries; None for none.

    Views and block records prove one each (protocol.md section 4). ``known`` serves one request.
    """
    others = [it for it in service.chain.origins() if it != origin]
    views = newest(connection, ids, [(origin, other, index) for other in others])
    found = [
        Proof(it.state["fresh_at"], it.index)
        for it in views
        if it is not None and it.origin == origin
    ]
    found += block_below(service, connection, ids, origin, index, known)
    return max(found, default=None)


def block_below(  # noqa: PLR0917 - as above
    service: Service,
    connection: Connection,
    ids: LogIDs,
    origin: str,
    index: int,
    known: BlockTimes,
) -> Sequence[Proof]:
    """Return the latest time that the block records of a log prove below one of its entries."""
    for _ in range(_BLOCKS_MAX):
        [row] = newest(connection, ids, [(origin, origin, index)])
        if row is None or row.index == 0:  # the genesis entry proves no time
            return ()
        place = (origin, row.index)
        if place not in known:
            known[place] = _block_time(service, connection, ids, place)
        time_s = known[place]
        if time_s is not None:
            return (Proof(time_s, row.index),)
        index = row.index
    return ()


def _block_time(
    service: Service, connection: Connection, ids: LogIDs, place: tuple[str, int]
) -> int | None:
    """Return the time that a block record proves; one that has proven it once is not asked again.

    What proves nothing yet may do so once the epoch that it belongs to has its quorums.
    """
    found = service.block_times.get(place)
    if found is not None:
        return found or None
    origin, index = place
    [entry] = load_entries(connection, ids, origin, index, index + 1)
    try:
        block = decode_block(decode_statement(entry).act.body)
    except LedgerError:
        return None
    found = block_fresh_at(epochs_of(service, connection, origin)[0], index, block)
    if not block.lines:
        found = 0  # nor will it ever prove any
    if found is not None:
        if len(service.block_times) >= _CACHED_MAX:
            service.block_times.clear()
        service.block_times[place] = found
    return found or None


def epochs_of(service: Service, connection: Connection, origin: str) -> tuple[Epochs, int]:
    """Return which versions of the roster rule a log, and up to which size that is known here."""
    chain = service.chain
    first = chain.first_with(origin).version
    found = None
    if first < chain.newest.version:
        found = load_projections(connection).get(origin)
    if found is None:
        return Epochs(origin, chain.rosters, (Epoch(first, 0, 0),)), INDEX_PAST_ALL
    return Epochs(origin, chain.rosters, LogState.decode(origin, *found).epochs), found[0]
