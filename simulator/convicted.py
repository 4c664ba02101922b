"""What follows from evidence: whoever has recorded it signs no more for the log it convicts."""

from ledger.checkpoint import Checkpoint
from ledger.equivocation import EVIDENCE_KIND, check_evidence, decode_evidence
from ledger.statement import UnverifiedStatement
from nodes.core.convictions import CONVICTED, Convicted
from simulator.machine import Machine
from simulator.watched import Watched
from simulator.world import BrokenError


class Convictions:
    """Holds each honest region to the evidence that stands in its own log."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._since: dict[tuple[str, str, bytes], int] = {}
        """By region, log and the log's key: when the region recorded what convicts that key."""

    def forget(self, region: str) -> None:
        """Expect nothing of a region whose database is gone, until it records evidence again."""
        self._since = {of: since for of, since in self._since.items() if of[0] != region}

    def recorded(self, region: str, statement: UnverifiedStatement) -> None:
        """Look at an entry that an honest region has written."""
        if statement.act.kind != EVIDENCE_KIND:
            return
        rosters = {it.version: it for it in self._watched.reference.chain.rosters}
        conviction = check_evidence(decode_evidence(statement.act.body), rosters)
        if conviction.against == "log":
            of = (region, conviction.origin, conviction.public)
            self._since.setdefault(of, self._watched.world.now_ms)

    def check_line(self, region: str, checkpoint: Checkpoint, what: str) -> None:
        """Check that a line which an honest region gives now is on no log that it has convicted.

        What it signed in the very step that found the evidence leaves with it.

        Raises:
            BrokenError: It is.
        """
        newest, origin = self._watched.reference.newest, checkpoint.origin
        if not self._since or origin not in newest.origins:
            return
        since_ms = self._since.get((region, origin, newest.log_key(origin).public))
        if since_ms is not None and since_ms < self._watched.world.now_ms:
            raise BrokenError(f"{what}, whose key its own log has convicted")

    def unrecorded(self, machine: Machine) -> list[str]:
        """Return what convicts somebody, as a node knows, and stands in no log."""
        found = (
            Convicted.decode(value) for value in self._watched.memory(machine, CONVICTED).values()
        )
        return [
            f"{machine.region} has recorded nowhere what convicts {it.conviction.region}"
            for it in found
            if it.place is None
        ]
