"""Lines of one key that contradict each other: whoever has seen both has convicted that key.

A node that tells others of a finished note has taken every line on it. So what must convict is read
off the notes that honest nodes send, each process for itself, since what contradicts nothing is
forgotten when it ends. What such a node then knows, its disk says.

Source: protocol.md section 8.
"""

from collections import defaultdict
from typing import NamedTuple

from ledger.checkpoint import Checkpoint
from ledger.equivocation import evidence_object
from nodes.core.convictions import CONVICTED
from simulator.machine import Machine
from simulator.reference import Signed
from simulator.watched import Watched
from simulator.world import BrokenError


class _Line(NamedTuple):
    size: int
    root: bytes
    time_s: int


class Contradictions:
    """Knows which lines of liars each process has taken, and whom they convict.

    Args:
        watched: Who lies, and what each log is.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._taken: dict[tuple[str, int, str, bytes, str], set[_Line]] = defaultdict(set)
        """By region and life of its process, and by role, key and log."""
        self._owed: dict[tuple[str, str], str] = {}
        """By region and the object that stands for a key: what convicts it, in words."""

    def take(self, machine: Machine, head: Checkpoint, signed: Signed, role: str) -> None:
        """Take note of a line on a note that a machine sends."""
        if signed.region not in self._watched.liars or machine.region in self._watched.liars:
            return
        key = (machine.region, machine.life, role, signed.key_id, head.origin)
        line = _Line(head.size, head.root, signed.time_s)
        taken = self._taken[key]
        if line in taken:
            return
        for other in taken:
            if self._contradicts(head.origin, *sorted((line, other))):
                subject = evidence_object(signed.region, self._public(signed, role))
                words = f"{role} lines of {signed.region} on {head.origin}: {other} and {line}"
                if (machine.region, subject) not in self._owed:
                    self._watched.world.count("lines that contradict each other were seen")
                self._owed.setdefault((machine.region, subject), words)
        taken.add(line)

    def _contradicts(self, origin: str, small: _Line, large: _Line) -> bool:
        """Say whether no honest key gives both lines, the smaller tree first."""
        if small.size == large.size:
            return small.root != large.root
        if small.time_s > large.time_s:
            return True
        return not any(
            large.size < len(log.roots)
            and (log.roots[small.size], log.roots[large.size]) == (small.root, large.root)
            for log in self._watched.reference.histories(origin)
        )

    def _public(self, signed: Signed, role: str) -> bytes:
        """Return the key that a line is by."""
        for roster in reversed(self._watched.reference.chain.rosters):
            for origin in roster.origins:
                keys = roster.mirror_keys if role == "mirror" else roster.witness_keys
                for region, _, public in keys(origin).get(signed.key_id, ()):
                    if region == signed.region:
                        return public
        raise AssertionError(f"no roster names a {role} key of {signed.region}")

    def check(self) -> None:
        """Check that whoever has seen two such lines knows whom they convict.

        Raises:
            BrokenError: Somebody does not.
        """
        for machine in self._watched.sound():
            known = self._watched.memory(machine, CONVICTED)
            for (region, subject), words in self._owed.items():
                if region == machine.region and region not in self._watched.damaged:
                    if subject not in known:
                        raise BrokenError(f"{region} has convicted nobody by two {words}")
                    self._watched.world.count("a lying witness was convicted by who saw its lines")
