"""Liveness: what keeps a healed network from having settled."""

from collections.abc import Mapping, Sequence

from authz.custody import At
from ledger.lineage import ancestors
from ledger.roster_fields import Closing
from nodes.core.rosters import Rosters
from simulator.convicted import Convictions
from simulator.machine import Machine
from simulator.projections import Projections, Standing
from simulator.verdicts import Verdicts
from simulator.watched import Watched


class Settling:
    """Says what is still owed to anybody; nothing is owed to or by who lies or lost their disk."""

    def __init__(
        self,
        watched: Watched,
        projections: Projections,
        verdicts: Verdicts,
        convictions: Convictions,
    ) -> None:
        self._watched = watched
        self._projections = projections
        self._verdicts = verdicts
        self._convictions = convictions
        self._near: dict[str, tuple[object, frozenset[str]]] = {}
        """By region, what is near it by the versions that its node knew last."""

    def unfinished(self) -> list[str]:
        """Return what keeps the network from having settled; nothing once it has.

        Nothing is owed to or by regions that lie, or whose disk is not what it was.
        """
        left: list[str] = []
        machines = list(self._watched.sound())
        well = {machine.origin for machine in machines}
        for machine in machines:
            node = machine.node
            if node is None:
                left.append(f"{machine.region} is down")
                continue
            seen = node.snapshot
            if seen.state != "serving":
                left.append(f"{machine.region} is {seen.state}")
            if min(seen.witnessed_size, seen.replicated_size) < seen.size:
                left.append(
                    f"{machine.region} has {seen.size} entries, {seen.witnessed_size} witnessed, "
                    f"{seen.replicated_size} replicated"
                )
            near = self.near_of(machine)
            for origin in sorted(well & near):
                size = len(self._watched.reference.logs[origin].entries)
                judged = seen.logs[origin].judged_size if origin in seen.logs else 0
                if judged < size:
                    left.append(f"{machine.region} has judged {judged} of {size} of {origin}")
            # What is only followed is copied as far as views show it: its own region settles it.
            open_uses = self._open_uses(machine, well if well <= near else {machine.origin}, well)
            if open_uses:
                left.append(f"{machine.region} sees {open_uses} uses open")
            left += self._owed(machine, well)
            left += self._convictions.unrecorded(machine)
        return left + self._not_found_out(machines)

    def _not_found_out(self, machines: Sequence[Machine]) -> list[str]:
        """Return which logs with two histories, both of them stored by honest nodes, stand unfound.

        Each history was shown to a quorum, so some honest node has seen both.
        """
        unfound: list[str] = []
        for origin in self._watched.reference.branches:
            shared = self._watched.reference.shared_size(origin)
            held = {
                self._watched.history.get((machine.region, origin))
                for machine in machines
                if self._watched.stored_size(machine.region, origin) > shared
            }
            if len(held) > 1 and not any(self._verdicts.count_equivocations(it) for it in machines):
                unfound.append(f"nobody has found out the two histories of {origin}")
        return unfound

    def _open_uses(self, machine: Machine, of: set[str], well: set[str]) -> int:
        """Return how many uses in some logs, of facts in logs that are well, wait for a verdict."""
        rows = machine.disk.database.execute(
            "SELECT origin, fact_origin, count(*) FROM uses INDEXED BY uses_unsettled "
            "JOIN logs USING (log_id) WHERE status IN ('open', 'unproven') AND status = 'open' "
            "GROUP BY 1, 2"
        )
        return sum(count for origin, fact, count in rows if origin in of and fact in well)

    def _owed(self, machine: Machine, well: set[str]) -> list[str]:
        """Return the answers to this region's offers that its node has not acted upon."""
        owed: list[str] = []
        for name, rows in self._projections.standing(machine.region).items():
            own = self._newest_row(rows, machine.region)
            if own is None or own["at"] != At.OFFERED:
                continue
            asked = own["to"][:6]
            answer = self._newest_row(rows, asked)
            if (
                answer is not None
                and self._watched.machines[asked].origin in well
                and answer["at"] in {At.ANSWERED, At.TURNED_DOWN}
                and (answer["n"], answer.get("from")) == (own["n"], machine.region)
            ):
                owed.append(f"{machine.region} owes an answer to the {answer['at']} of {name}")
        return sorted(owed)

    def _newest_row(self, rows: Mapping[str, Standing], region: str) -> Standing | None:
        """Return where a case stands with a region: in its log, or in the one before that.

        A region that left and came back does not go on from the log that it had then.
        """
        own = self._watched.machines[region].origin
        if own in rows:
            return rows[own]
        older = (old for old, _ in ancestors(self._closed(), own))
        return next((rows[origin] for origin in older if origin in rows), None)

    def _closed(self) -> Mapping[str, Closing]:
        return self._watched.reference.newest.closed

    def near_of(self, machine: Machine) -> frozenset[str]:
        """Return the logs of which all is owed to a machine's node: those that it judges whole.

        Who witnesses a log no more by the newest version is brought nothing more of it.
        """
        assert machine.node is not None
        chain = machine.node.snapshot.rosters
        assert chain is not None
        known = self._near.get(machine.region)
        if known is None or known[0] is not chain:
            region, newest = machine.region, chain.newest
            near = Rosters(chain).near(region)
            ended = {it for it in newest.origins if region not in newest.witnesses_of(it)}
            known = (chain, near - (ended - {Rosters(chain).home_of(region)}))
            self._near[region] = known
        return known[1]
