"""How uses of lent rights ended, reckoned a second time from the bytes.

A grant ends where its grantor revokes it, as nothing else ends one in these worlds. When the use
and the end were seen is reckoned by ``simulator.dates``; views, and how fresh they are, were read
off the entries as they came. Which view a use cites, ``simulator.verdicts`` looks at. What stands
in a log that was closed, or goes on from one, is left out.

Source: protocol.md section 4.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ledger.lineage import before
from simulator.dates import Dates
from simulator.machine import Machine
from simulator.watched import Watched
from simulator.world import BrokenError

_WAITS = frozenset({"open", "unproven"})


class _Use(NamedTuple):
    """A row of a use, as its region's node has it."""

    at: int
    fact_origin: str
    name: str
    fresh_s: int
    staleness_s: int
    status: str


def check_settled(watched: Watched, dates: Dates) -> None:
    """Check that each honest region's uses of grants ended as their evidence has it.

    Raises:
        BrokenError: One did not.
    """
    reference = watched.reference
    closed = reference.newest.closed
    plain = {
        origin
        for origin in reference.logs
        if watched.is_honest(origin) and origin not in reference.branches
        if origin not in closed and before(closed, origin) is None
    }
    for machine in watched.sound():
        if machine.origin not in plain:
            continue
        judged = watched.sizes(machine, "projections")
        rows = machine.disk.database.execute(
            'SELECT "index", fact_origin, fact_object, fresh_at_s, staleness_s, status FROM uses '
            "WHERE log_id = ? ORDER BY 1",
            (watched.log_id(machine, machine.origin),),
        )
        for use in map(_Use._make, rows):
            if use.fact_origin not in plain:
                continue
            expected = _ended(watched, dates, machine, use, judged)
            found = "open" if use.status in _WAITS else use.status
            if found != expected:
                raise BrokenError(
                    f"{machine.region} calls its use {use.at} of {use.name} {found}, "
                    f"and it is {expected}"
                )
            watched.world.count("how a use ended was checked")


def _ended(
    watched: Watched, dates: Dates, machine: Machine, use: _Use, judged: Mapping[str, int]
) -> str:
    """Return how a use ended, by what its region's node can know.

    1. It waits until it was seen by a quorum.
    2. It is confirmed where the view that it cites was fresh enough then.
    3. Else by the first later view that is as fresh as the use: confirmed late where that shows no
       end, or one that was seen later than the use; else unauthorised. It waits for that view, and
       for the end's date.
    """
    seen = dates.known(machine.origin, judged)
    if use.at >= len(seen):  # (1)
        return "open"
    seen_s = seen[use.at].time_s
    if seen_s - use.fresh_s <= use.staleness_s:  # (2)
        return "confirmed"
    later = next(  # (3)
        (
            view
            for view in watched.reference.logs[machine.origin].viewed
            if view.origin == use.fact_origin and view.at > use.at
            if view.fresh_s >= seen_s
        ),
        None,
    )
    if later is None:
        return "open"
    end = watched.reference.logs[use.fact_origin].ended.get(use.name)
    if end is None or end >= later.size:
        return "confirmed-late"
    ends = dates.known(use.fact_origin, judged)
    if end >= len(ends):
        return "open"
    return "confirmed-late" if ends[end].time_s > seen_s else "unauthorised"
