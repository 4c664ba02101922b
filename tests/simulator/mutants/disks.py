"""What outlives a process: commits, the fence, restarts, disks that are full or altered."""

from itertools import count
from typing import Any

from ledger.errors import FatalError
from nodes import node as nodes
from nodes import standing
from nodes.core import (
    candidate,
    duties,
    heads,
    recovery,
    sequencer,
)
from nodes.core.ready import Asked
from simulator.machine import Machine
from simulator.plan import Happening
from simulator.simulation import Simulation
from tests.simulator.mutants.planting import Mutant, Patch, script


def _answer_before_commit(patch: Patch) -> None:
    commit, calls = nodes.Node._commit_now, count()

    def commit_now(self: nodes.Node, connection: Any, transaction: Any) -> None:
        if next(calls) % 40 == 39:
            transaction.rollback()
        else:
            commit(self, connection, transaction)

    patch.setattr(nodes.Node, "_commit_now", commit_now)


def _answer_from_memory_before_commit(patch: Patch) -> None:
    """Let what a step has answered at once reach the disk with the step after it."""
    step, end = nodes.Node.step, Simulation._end
    lost: dict[Any, tuple[bytes, Any]] = {}

    def eager(self: Any, events: Any, now_ms: int, *, answers_first: bool = False) -> Any:
        disk = self._ports.fence
        is_asked = answers_first and any(isinstance(it, Asked) for it in events)
        before = (disk.backup(), disk.mark) if is_asked else None
        lost.pop(disk, None)
        outbox = step(self, events, now_ms, answers_first=answers_first)
        if before is not None and self._owes_requests:
            lost[disk] = before
        return outbox

    def ended(self: Simulation, machine: Machine) -> None:
        end(self, machine)
        before = lost.pop(machine.disk, None)
        if before is not None:
            machine.disk.restore(before[0])
            machine.disk.mark = before[1]

    patch.setattr(nodes.Node, "step", eager)
    patch.setattr(Simulation, "_end", ended)


def _release_forgotten(patch: Patch) -> None:
    patch.setattr(duties.Duties, "writes", lambda _self: ())


def _disk_believed(patch: Patch) -> None:
    serving = recovery.Start("serving", move_fence=False, why="")
    patch.setattr(standing, "decide_start", lambda *_given: serving)


def _panics_when_full(patch: Patch) -> None:
    def panic(_self: Any, _events: Any, error: Exception, _now_ms: int) -> Any:
        raise FatalError("the disk is full") from error

    patch.setattr(nodes.Node, "_unavailable", panic)


def _finality_forgotten(patch: Patch) -> None:
    made = candidate.Candidate.__init__

    def forgetful(self: candidate.Candidate, **given: Any) -> None:
        made(self, **{**given, "notes": ()})

    patch.setattr(candidate.Candidate, "__init__", forgetful)


def _alarm_forgotten(patch: Patch) -> None:
    patch.setattr(nodes.Node, "_wake_at_ms", lambda *_given: None)


def _audit_never_hashes(patch: Patch) -> None:
    patch.setattr(standing, "check_all", lambda *_given: iter(()))


def _block_forgets_its_number(patch: Patch) -> None:
    made = sequencer.Sequencer.load

    def load(self: Any, head: Any, state: Any, now_ms: int) -> None:
        made(self, head, state, now_ms)
        if head.size > 20:
            self.state.height = 0

    patch.setattr(sequencer.Sequencer, "load", load)


def _rest_ignored(patch: Patch) -> None:
    patch.setattr(heads.Heads, "resting", property(lambda _self: False))


KILLED = tuple(
    Happening(at_s=6.0 + at, do="process killed", region=region)
    for at, region in enumerate(("500000", "510000", "520000", "530000") * 6)
)

MUTANTS = (
    Mutant(
        name="an answer leaves before its commit",
        plant=_answer_before_commit,
        words=("stored", "never had", "other entries", "fell from", "does not have"),
        plan={"hostile": False},
    ),
    Mutant(
        name="a release is forgotten in a crash",
        plant=_release_forgotten,
        words=("owes an answer",),
        plan={"minutes": 1.0, "settle_s": 90},
    ),
    Mutant(
        name="a node believes its disk, whatever the fence says",
        plant=_disk_believed,
        words=("entries", "history", "never had", "index"),
        plan={**script("backup restored", "510000", for_s=10.0), "acts_per_minute": 120},
    ),
    Mutant(
        name="a node panics for ever after a full disk",
        plant=_panics_when_full,
        words=("stopped where it could go on",),
    ),
    Mutant(
        name="what was final is forgotten at a restart",
        plant=_finality_forgotten,
        words=("fell from", "not settled"),
        plan={"settle_s": 90},
    ),
    Mutant(
        name="a node forgets when it wanted to wake",
        plant=_alarm_forgotten,
        words=("not settled",),
        plan={"settle_s": 90},
    ),
    Mutant(
        name="an audit never hashes what is stored",
        plant=_audit_never_hashes,
        words=("holds another", "lost entry", "rewritten", "differ", "failed:", "fails:"),
        plan={**script("bit flipped on a disk", "510000", 20.0), "acts_per_minute": 120},
    ),
    Mutant(
        name="a block forgets its number at a restart",
        plant=_block_forgets_its_number,
        words=("says that it is block", "failed:"),
    ),
    Mutant(
        name="an answer made in memory leaves before its commit",
        plant=_answer_from_memory_before_commit,
        words=(
            "went back on",
            "rewritten",
            "never had",
            "other entries",
            "fell from",
            "does not have",
            "stored",
        ),
        plan={"acts_per_minute": 240, "script": KILLED},
    ),
    Mutant(
        name="keys sign on whose past is lost",
        plant=_rest_ignored,
        words=("whose past its region has lost",),
        plan=script("database lost", "530000", 10.0),
    ),
)
