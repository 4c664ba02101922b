"""Moments that a fault may wait for: what two regions have just done to each other."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from authz.custody import At
from ledger.encoding import decode
from simulator.machine import Machine

LOOK_MS: Final = 50
"""How often it is looked whether the moment has come."""


def has_offered(holder: Machine, receiver: Machine) -> bool:
    """Say whether a region may accept an offer of another's now, by a view that it can record."""
    if holder.node is None or receiver.node is None:
        return False
    known = receiver.node.snapshot.known.get(holder.origin)
    newest = {name: (index, state) for name, index, state in _rows(receiver, holder.origin, holder)}
    answered = {name: state["n"] for name, _, state in _rows(receiver, receiver.origin, holder)}
    return any(
        known is not None
        and index < known.size
        and state["at"] == At.OFFERED
        and state["to"].startswith(receiver.region)
        and answered.get(name, -1) < state["n"]
        for name, (index, state) in newest.items()
    )


def has_accepted_unseen(receiver: Machine, holder: Machine) -> bool:
    """Say whether others hold an acceptance of a region's offer that it has no note of."""
    if receiver.node is None or holder.node is None:
        return False
    snapshot = holder.node.snapshot
    shown = (snapshot.views.get(receiver.origin), snapshot.known.get(receiver.origin))
    seen = max(0 if it is None else it.size for it in shown)
    held = receiver.node.snapshot.replicated_size
    return any(
        seen <= index < held and state["at"] == At.ANSWERED
        for _, index, state in _rows(receiver, receiver.origin, holder)
    )


def _rows(
    machine: Machine, origin: str, holder: Machine
) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Give what a machine's database says of a region's cases in one log, in their order."""
    rows = machine.disk.database.execute(
        'SELECT object, "index", state FROM facts JOIN logs USING (log_id) '
        'WHERE origin = ? AND object > ? AND object < ? ORDER BY "index"',
        (origin, f"{holder.region}/case/", f"{holder.region}/case0"),
    )
    for name, index, state in rows.fetchall():
        yield name, index, decode(state)
