"""Turns of honest nodes to the branch of a quorum: of a liar's log, once, and to no other."""

from ledger.checkpoint import Checkpoint
from ledger.encoding import decode
from simulator.lines import Lines
from simulator.machine import Machine
from simulator.watched import Watched
from simulator.world import BrokenError


class Turns:
    """Checks, on their disks, to what machines have turned; nothing else may go back.

    Args:
        lines: Knows what a quorum has signed, as it saw the lines pass.
    """

    def __init__(self, watched: Watched, lines: Lines) -> None:
        self._watched = watched
        self._lines = lines
        self._known: dict[tuple[str, str], Checkpoint] = {}

    def forget(self, region: str) -> None:
        """Begin anew with a region whose database is gone."""
        self._known = {key: head for key, head in self._known.items() if key[0] != region}

    def is_turn(self, machine: Machine, origin: str) -> bool:
        """Say whether a machine has newly turned in a log."""
        before = self._known.get((machine.region, origin))
        self.check(machine)
        return before is None and (machine.region, origin) in self._known

    def check(self, machine: Machine) -> None:
        """Check whatever a machine has turned to.

        1. Its log has more than one history: its writer lies, or has lost what it had signed.
        2. A quorum of mirrors has signed that very tree, which is one of them.
        3. It stays with it.
        """
        for origin, value in self._watched.memory(machine, "turned/").items():
            size, root, _, _ = decode(value)
            head = Checkpoint(origin, size, root)
            what = f"{machine.region} has turned to {size} entries of {origin}"
            if self._watched.is_honest(origin) and not self._is_damaged(origin):  # (1)
                raise BrokenError(f"{what}, whose writer is honest")
            log = self._watched.reference.check_head(origin, size, root, what)
            if not self._lines.is_quorate(head, "mirror"):  # (2)
                raise BrokenError(f"{what}, which no quorum of mirrors has signed")
            known = self._known.setdefault((machine.region, origin), head)
            if known != head:  # (3)
                raise BrokenError(f"{what}, and to {known.size} before")
            histories = self._watched.reference.histories(origin)
            self._watched.history[machine.region, origin] = histories.index(log)

    def _is_damaged(self, origin: str) -> bool:
        return self._watched.reference.region_of(origin) in self._watched.damaged
