"""Verdicts: uses of lent rights are judged by what they rest on, and forbidden acts are found."""

from collections import Counter
from collections.abc import Iterator

from ledger.lineage import heirs
from simulator.machine import Machine
from simulator.projections import Projections
from simulator.watched import Watched
from simulator.world import BrokenError


class Verdicts:
    """Checks what nodes conclude against the bytes that they conclude it from."""

    def __init__(self, watched: Watched, projections: Projections) -> None:
        self._watched = watched
        self._projections = projections
        self.forbidden: list[tuple[str, int]] = []
        """Acts that a lawless node recorded: each must have its finding with everybody else."""
        self._uses_seen: dict[str, tuple[int, int]] = {}
        """By region, how long its log was at the last two looks."""

    def check_uses(self, *, recent: bool = False) -> None:
        """Check the verdicts on uses of lent rights against the bytes that they rest on.

        A use is confirmed only where its view does not show the grant as revoked, is as fresh as
        its lines say, and was fresh enough when the use was seen.

        Args:
            recent: Whether only uses that were not there at the look before the last; else all.
        """
        for machine in self._watched.sound():
            before, last = self._uses_seen.get(machine.region, (0, 0))
            log = self._watched.reference.logs[machine.origin]
            rows = machine.disk.database.execute(
                "SELECT uses.fact_origin, fact_object, view_size, fresh_at_s, staleness_s, "
                'seen_by_s, uses."index" FROM uses LEFT JOIN evidence ON evidence.log_id = '
                'uses.log_id AND low <= uses."index" AND uses."index" < high '
                "WHERE uses.log_id = ? AND uses.\"index\" >= ? AND status = 'confirmed'",
                (self._watched.log_id(machine, machine.origin), before if recent else 0),
            )
            self._uses_seen[machine.region] = (last, len(log.entries))
            for origin, name, size, fresh_s, staleness_s, seen_s, index in rows:
                what = f"{machine.region} confirms its use {index} of {name}"
                viewed = [
                    (heir, root)
                    for heir in self._heirs(origin)
                    for root, times_s in log.views.get((heir, size), {}).items()
                    if fresh_s in times_s
                ]
                if not viewed:
                    raise BrokenError(f"{what} by a view that is not as fresh as it says")
                if all(self._is_ended(name, origin, heir, size, root) for heir, root in viewed):
                    raise BrokenError(f"{what}, which its view shows as revoked")
                if seen_s is not None and seen_s - fresh_s > staleness_s:
                    raise BrokenError(f"{what} by a view that was not fresh enough any more")
                self._watched.world.count("a verdict on a use was checked")

    def _heirs(self, origin: str) -> Iterator[str]:
        """Give a log and those that go on from it: a view of any of these shows what it says."""
        return heirs(self._watched.reference.newest.closed, origin)

    def _is_ended(self, name: str, origin: str, viewed: str, size: int, root: bytes) -> bool:
        """Say whether a view of ``viewed`` shows that something has ended.

        What a liar ended in one history stands in the other all the same.
        """
        reference = self._watched.reference
        for heir in self._heirs(origin):
            closing = reference.newest.closed.get(heir)
            if heir != viewed and closing is not None:
                shown = (closing.size, closing.root)
            else:
                shown = (size, root)
            ended = reference.history_of(heir, *shown).ended.get(name)
            if ended is not None and ended < shown[0]:
                return True
            if heir == viewed:
                break
        return False

    def check_findings(self) -> None:
        """Check that every forbidden act that was recorded is a finding with everybody else.

        Whoever only follows the log may say instead that the act is not judged there: what it rests
        on may stand in a log that is nowhere near. The committee of the log may not.
        """
        for origin, index in self.forbidden:
            committee = self._watched.reference.committee_of(origin)
            for machine in self._watched.sound():
                if self._projections.seen_size(machine.region, origin) <= index:
                    continue
                if machine.region not in committee and self._projections.is_unjudged(
                    machine, origin, index
                ):
                    self._watched.world.count("a forbidden act was not judged by who only follows")
                    continue
                found = machine.disk.database.execute(
                    'SELECT count(*) FROM findings WHERE log_id = ? AND "index" = ?',
                    (self._watched.log_id(machine, origin), index),
                ).fetchone()
                if not found[0]:
                    raise BrokenError(f"{machine.region} finds nothing wrong with {origin}/{index}")
                self._watched.world.count("a forbidden act was found by another node")
        self._check_convicted()

    def _check_convicted(self) -> None:
        """Check that two histories of a log, once found out, are a finding with everybody.

        The evidence is an entry of whoever found it out. Where committees witness, a log is
        followed no further than others rely on it: who has not judged that entry need not know.
        """
        machines = list(self._watched.sound())
        found = {machine.region: self._equivocations(machine) for machine in machines}
        places = {place for its in found.values() for place in its}
        if not places:
            return
        self._watched.world.count("two histories were found out")
        missing = [
            region
            for region, its in found.items()
            if not its
            and any(self._projections.seen_size(region, origin) > at for origin, at in places)
        ]
        if missing:
            raise BrokenError(f"{missing} know nothing of two histories that others found")

    @staticmethod
    def _equivocations(machine: Machine) -> list[tuple[str, int]]:
        """Return where evidence of two histories stands, as a node has it: log and index."""
        query = (
            'SELECT origin, findings."index" FROM findings JOIN logs USING (log_id) '
            "WHERE code = 'equivocation' ORDER BY 1, 2"
        )
        return [(str(origin), int(at)) for origin, at in machine.disk.database.execute(query)]

    def count_equivocations(self, machine: Machine) -> int:
        """Return how often a node has found two histories of a log."""
        return len(self._equivocations(machine))

    def count_uses(self) -> None:
        """Count how the uses of foreign facts ended, each once, as its own region sees it."""
        for machine in self._watched.sound():
            rows = machine.disk.database.execute(
                "SELECT status, count(*) FROM uses WHERE log_id = ? GROUP BY status ORDER BY 1",
                (self._watched.log_id(machine, machine.origin),),
            )
            for status, count in rows:
                self._watched.world.counts[f"use {status}"] += count

    def findings_by_region(self) -> dict[str, int]:
        """Return how many findings stand in each region's log, as the first honest node has it.

        What convicts a writer stands in the log of who found it out; all else where it was done.
        """
        for machine in self._watched.sound():
            rows = machine.disk.database.execute(
                "SELECT origin, count(*) FROM findings JOIN logs USING (log_id) GROUP BY origin"
            )
            found: Counter[str] = Counter()
            for origin, count in rows:
                found[self._watched.reference.region_of(origin)] += count
            return found
        return {}

    def count_findings(self) -> None:
        """Count the findings by their code, as the first honest node has them."""
        for machine in self._watched.sound():
            rows = machine.disk.database.execute(
                "SELECT severity, code, count(*) FROM findings GROUP BY 1, 2 ORDER BY 1, 2"
            )
            for severity, code, count in rows:
                self._watched.world.counts[f"finding {severity}: {code}"] += count
            return
