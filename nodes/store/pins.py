"""What the next version of the roster could pin: of each log a tree known to be replicated."""

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy import Connection

from ledger.kind import Fact
from ledger.note import checkpoint_of
from ledger.proofs import root_at
from ledger.roster import Roster
from ledger.roster_fields import Pin
from nodes.core.sight import INDEX_PAST_ALL
from nodes.store.entries import LogIDs, nodes_of
from nodes.store.facts import newest
from nodes.store.findings import settled_size
from nodes.store.notes import load_newest_note


class Tree(Protocol):
    """A tree of a log with a quorum of mirror lines."""

    @property
    def size(self) -> int:
        """How many entries it has."""

    @property
    def root(self) -> bytes:
        """Its root."""


def read_pins(
    connection: Connection, ids: LogIDs, roster: Roster, own: str, known: Mapping[str, Tree]
) -> dict[str, Pin]:
    """Return a pin for each log of a roster of which a replicated tree is known.

    What a committee has signed is pinned where our own log has recorded it: others can read that
    in our log, and need no copy of the other one. Our own newest note it records a block later
    than we know it, and in a quiet log that block is long in coming.

    Args:
        connection: Open.
        ids: Of logs.
        roster: The newest version.
        own: Origin of our own log.
        known: By origin, notes that our judged copies agree with.
    """
    views = newest(connection, ids, [(own, origin, INDEX_PAST_ALL) for origin in roster.origins])
    pins: dict[str, Pin] = {}
    for member, view in zip(roster.members.values(), views, strict=True):
        origin = member.origin
        shown = None
        if member.witnesses is not None:
            shown = _recorded(connection, ids, own) if origin == own else _viewed(view, own)
            least = roster.pins.get(origin)
            if least is not None and (shown is None or shown.size < least.size):
                shown = least
        if shown is not None:
            pins[origin] = shown
        elif origin in known:
            pins[origin] = Pin(known[origin].size, known[origin].root)
        else:
            found = load_newest_note(connection, ids, origin, finished=True)
            if found is not None:
                head = checkpoint_of(found[1])
                pins[origin] = Pin(head.size, head.root)
    return pins


def _viewed(view: Fact | None, own: str) -> Pin | None:
    """Return what the newest view in our log shows of another one."""
    if view is None or view.origin != own:
        return None
    return Pin(view.state["size"], view.state["root"])


def _recorded(connection: Connection, ids: LogIDs, own: str) -> Pin | None:
    """Return the largest tree of our own log that its block records show replicated."""
    size = settled_size(connection, ids, own)
    if not size:
        return None
    return Pin(size, root_at(size, nodes_of(connection, ids, own)))
