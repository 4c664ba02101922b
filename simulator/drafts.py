"""The next version of the roster as people want it, and what a node shows of it.

What is wanted is said as a change; what the version pins, and where it closes a log, the node of
whoever makes it knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ledger.checkpoint import Checkpoint
from ledger.closing import close_log
from ledger.cut import decide_cut
from ledger.errors import LedgerError, UnavailableError
from ledger.hashing import EMPTY_ROOT
from ledger.key_proof import prove_key
from ledger.kind import Fact
from ledger.names import successor_origin
from ledger.roster import Roster
from ledger.roster_chain import governance_quorum
from ledger.roster_fields import Pin
from nodes.core.roster_judge import APPROVALS, PROPOSALS, STALLS
from nodes.core.sight import INDEX_PAST_ALL
from nodes.core.succession import read_reports
from nodes.store.entries import LogIDs, load_sizes, stored_branch
from nodes.store.pins import read_pins
from nodes.store.reader import StoreReader
from simulator.regions import Members, committees, member_of, public_of

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.simulation import Simulation


CLOSING: Final = frozenset({"region leaves", "lost log closed"})
"""Wishes by which a log ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What people want of the next version. ``do`` is the happening that began it.

    ``value`` is the new constant, or says whether the governance key changes with the others.
    """

    do: str
    regions: tuple[str, ...] = ()
    value: float = 0.0


class Drafts:
    """Makes the version that is wanted, as one node would have it.

    Args:
        simulation: Whose nodes are asked.
    """

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation

    @property
    def _members(self) -> Members:
        return self._simulation.members

    def made_for(
        self, wish: Wish, newest: Roster, machine: "Machine", *, tries_old_keys: bool = False
    ) -> Roster | None:
        """Return the version that a wish asks for; None while its node cannot tell what to pin."""
        members = self._members
        pins = self.pins(newest, machine)
        is_closing = wish.do in CLOSING
        # A log that is closed keeps the pin that it has: nobody need know a newer one.
        ending = {newest.origin_of(it) for it in wish.regions} if is_closing else set[str]()
        if not pins.keys() >= set(newest.origins) - ending:
            return None
        if is_closing:
            [region] = wish.regions
            [origin] = ending
            holders = [it for it in map(self._well, newest.members) if it is not None]
            heir = wish.do != "region leaves"
            # Where committees witness, few hold the freezes of them all; and of a log with two
            # histories some hold the one that does not stand.
            holders.sort(key=partial(self._holdings, newest, origin), reverse=True)
            undecided: LedgerError | None = None
            for holder in holders:
                try:
                    closed = self._closed(newest, holder, region, pins, has_heir=heir)
                except LedgerError as error:
                    undecided = undecided or error
                else:
                    if closed is not None:
                        return closed
            if undecided is not None:
                raise undecided
            return None
        new = newest.following(pins=pins)
        if wish.do == "constants changed":
            constants = replace(newest.constants, refresh_s=int(wish.value))
            return replace(new, constants=constants)
        named, proofs = dict(newest.members), dict[str, bytes]()
        for region in wish.regions:
            keys = members.rings[region][-1]
            if wish.do == "keys rotated":
                fresh = public_of(keys)
                if wish.value:
                    proofs[region] = prove_key(keys["governance"], new.network, new.version, region)
                else:
                    fresh = replace(fresh, governance=named[region].keys.governance)
                named[region] = replace(named[region], keys=fresh)
            elif wish.do == "region returns":
                old = members.rings[region][0] if tries_old_keys else keys
                last = self._simulation.machines[region].origin
                joiner = member_of(members.places[region], old)
                named[region] = replace(joiner, origin=successor_origin(last))
            else:
                named[region] = member_of(members.places[region], keys)
        return replace(new, members=committees(named, members.committee), proofs=proofs)

    def _well(self, region: str) -> "Machine | None":
        return well(self._simulation, region)

    def _ruled(self, newest: Roster) -> tuple[Roster, ...]:
        """Return the versions up to one."""
        return self._simulation.checkers.reference.chain.rosters[: newest.version]

    def _holdings(self, newest: Roster, origin: str, machine: "Machine") -> tuple[int, int]:
        """Return how many freezes of a log a machine holds, and how much of that log."""
        with machine.disk.engine.connect() as connection:
            reader = StoreReader(connection, LogIDs())
            reports = read_reports(self._ruled(newest), origin, reader)
            return len(reports), load_sizes(connection).get(origin, 0)

    def _closed(
        self,
        newest: Roster,
        machine: "Machine",
        region: str,
        pins: Mapping[str, Pin],
        *,
        has_heir: bool,
    ) -> Roster | None:
        """Return the version that closes a region's log where its freezes and bytes say."""
        origin = newest.origin_of(region)
        with machine.disk.engine.connect() as connection:
            ids = LogIDs()
            branch = stored_branch(connection, ids, origin)
            reports = read_reports(self._ruled(newest), origin, StoreReader(connection, ids))
            pin = pins.get(origin)
            proven = [Checkpoint(origin, pin.size, pin.root)] if pin and pin.size else []
            cut = decide_cut(newest, origin, reports, [branch], proven)
        if cut.lacking:
            return None
        others = newest.members.keys() - {region} - set(newest.witnesses_of(origin))
        if len(reports) + len(others) < governance_quorum(newest):
            # Who freezes later may have mirrored more, and then never signs such a cut; but once
            # the rest have signed it, every later round repeats it (docs/loss.md).
            raise UnavailableError(f"{sorted(reports)} have frozen {origin}", code="too-few-frozen")
        heir = None
        if has_heir:
            fresh = public_of(self._members.rings[region][-1])
            heir = replace(newest.members[region], origin=successor_origin(origin), keys=fresh)
        new = close_log(newest, origin, Pin(cut.size, cut.root), pins, heir)
        return replace(new, members=committees(new.members, self._members.committee))

    def pins(self, newest: Roster, machine: "Machine") -> dict[str, Pin]:
        """Return, of each log, the newest tree that a node knows to be replicated."""
        node = machine.node
        assert node is not None
        with machine.disk.engine.connect() as connection:
            pins = read_pins(connection, LogIDs(), newest, machine.origin, node.snapshot.known)
        if newest.version == 1:
            return {origin: Pin(0, EMPTY_ROOT) for origin in newest.origins} | pins
        return pins


def well(simulation: "Simulation", region: str) -> "Machine | None":
    """Return a region's machine where its node serves, and does not lie."""
    machine, checkers = simulation.machines.get(region), simulation.checkers
    if machine is None or machine.node is None or region in checkers.liars | checkers.gone:
        return None
    return machine if machine.node.snapshot.state == "serving" else None


def newest_word(machine: "Machine", origin: str, name: str) -> Fact | None:
    """Return the newest row of what a log says of a version, as a machine holds it."""
    with machine.disk.engine.connect() as connection:
        reader = StoreReader(connection, LogIDs())
        [fact] = reader.facts([(origin, name, INDEX_PAST_ALL)])
    return fact


def said_in(fact: Fact | None) -> dict[str, Any]:
    """Return the proposals, approvals and stalls that a row holds; none where there is no row."""
    empty: dict[str, Any] = {PROPOSALS: [], APPROVALS: [], STALLS: []}
    return empty if fact is None else empty | dict(fact.state)
