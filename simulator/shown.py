"""Second histories of a log that honest nodes are shown: whoever holds the other one convicts it.

A note that a witness or mirror is asked to sign, and that its log has signed, contradicts what it
holds where it gives a tree that it mirrors another root. No hash from anybody else is needed then:
whatever the answer is, what convicts the log stands on its disk with it.

Source: protocol.md section 8.
"""

from typing import Final

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError
from ledger.note import checkpoint_of
from nodes.core.convictions import CONVICTED, Convicted
from nodes.core.exchange import ADD_CHECKPOINT, LINES, split_add_checkpoint
from nodes.core.ready import PeerReply, PeerRequest
from simulator.halves import answered_halves
from simulator.machine import Machine
from simulator.watched import Watched
from simulator.world import BrokenError

LOOKED_AT: Final = frozenset({200, 409, 422})
"""Answers of a node that has read the note: it knows the log, and its own clock and disk."""


class Shown:
    """Looks at the notes that nodes are asked to sign, where a log has two histories.

    Args:
        watched: Who lies, what each log is, and who holds which of its histories.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._since: dict[tuple[str, str], int] = {}
        """By region and log, when a node was first shown what contradicts what it holds."""

    def forget(self, region: str) -> None:
        """Expect nothing of a region whose database is gone, until it is shown both again."""
        self._since = {of: since for of, since in self._since.items() if of[0] != region}

    def answered(self, machine: Machine, request: PeerRequest, reply: PeerReply) -> None:
        """Look at the note in a request that a node has answered.

        What it was shown may have come before the entries that it contradicts, in one step with
        them. So it is owed from the second time on.

        Raises:
            BrokenError: The node was shown both histories before, and has convicted nobody.
        """
        watched = self._watched
        excused = watched.liars | watched.damaged | watched.forgetful
        if not watched.reference.branches or machine.region in excused or request.request_id < 0:
            return
        checkpoint = self._read(request, reply)
        if checkpoint is None or not self._contradicts(machine, checkpoint):
            return
        of, now_ms = (machine.region, checkpoint.origin), watched.world.now_ms
        if self._since.setdefault(of, now_ms) == now_ms:
            return
        known = map(Convicted.decode, watched.memory(machine, CONVICTED).values())
        if not any(it.conviction.origin == checkpoint.origin for it in known):
            raise BrokenError(
                f"{machine.region} was shown two histories of {checkpoint.origin} and minds neither"
            )
        watched.world.count("who was shown a second history convicted its log")

    @staticmethod
    def _read(request: PeerRequest, reply: PeerReply) -> Checkpoint | None:
        """Return what a node was asked to sign and has read; None where there is none."""
        try:
            half, answer = next(iter(answered_halves(request, reply)))
            if answer.status not in LOOKED_AT or half.path not in {ADD_CHECKPOINT, LINES}:
                return None
            is_upload = half.path == ADD_CHECKPOINT
            return checkpoint_of(split_add_checkpoint(half.body)[1] if is_upload else half.body)
        except (LedgerError, StopIteration):
            return None

    def _contradicts(self, machine: Machine, checkpoint: Checkpoint) -> bool:
        """Say whether a node mirrors a tree of that size in another history."""
        watched, origin, size = self._watched, checkpoint.origin, checkpoint.size
        held = watched.history.get((machine.region, origin))
        if origin not in watched.reference.branches or held is None:
            return False
        mirrored = watched.rows.get((machine.region, origin), (0, 0, 0))[2]
        roots = watched.reference.histories(origin)[held].roots
        return 0 < size <= min(mirrored, len(roots) - 1) and roots[size] != checkpoint.root
