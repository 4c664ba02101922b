"""What peers are told unasked: versions of the roster, and our own log's newest finished note.

Both prove themselves, so it does not matter who tells them, and telling them twice does no harm.
"""

from dataclasses import dataclass

from nodes.core.candidate import Candidate
from nodes.core.exchange import FINISHED, ROSTERS, encode_rosters, rosters_after
from nodes.core.rosters import Rosters


@dataclass(frozen=True, slots=True)
class RostersTold:
    """Versions up to this one, on their way to a peer."""

    version: int


@dataclass(frozen=True, slots=True)
class NoteTold:
    """A finished note on its way to a peer: the how-manieth of our log."""

    count: int


class Tidings:
    """Which peer has been told how much, since this node started.

    Args:
        rosters: What is known of the network.
        candidate: Our own log's notes.
    """

    def __init__(self, rosters: Rosters, candidate: Candidate) -> None:
        self._rosters = rosters
        self._candidate = candidate
        self._versions: dict[str, int] = {}
        """The newest roster version that a peer has taken from us."""
        self._notes: dict[str, int] = {}
        """How many of our log's finished notes there were when a peer took one last."""

    def rosters(self, peer: str) -> tuple[RostersTold, str, bytes] | None:
        """Return what a peer is to be told of rosters: the job, its path and body."""
        told, newest = self._versions.get(peer, 0), self._rosters.newest.version
        if max(told, 1) >= newest:
            return None
        # Whoever has the newest has all of them, and mostly a peer does.
        known = told or newest - 1
        later = rosters_after(self._rosters.chain.signed, known)
        return RostersTold(known + len(later)), ROSTERS, encode_rosters(later)

    def note(self, peer: str) -> tuple[NoteTold, str, bytes] | None:
        """Return what a peer is to be told of our own log: the job, its path and body."""
        count = self._candidate.finished_count
        if self._notes.get(peer, 0) >= count:
            return None
        return NoteTold(count), FINISHED, self._candidate.finished_note

    def answered(self, peer: str, job: RostersTold | NoteTold, status: int) -> bool:
        """Take an answer, and say whether the peer did with it what it should."""
        match job:
            case RostersTold() if status == 204:
                self._versions[peer] = max(self._versions.get(peer, 0), job.version)
            case RostersTold() if status == 422 and peer not in self._versions:
                # It lacks some of those before, and everyone has the genesis.
                self._versions[peer] = 1
            case NoteTold() if status == 204:
                self._notes[peer] = max(self._notes.get(peer, 0), job.count)
            case _:
                return False
        return True
