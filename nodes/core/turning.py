"""Turning: a node that was shown the other branch of a liar's log takes the one that stands.

A log that has signed two histories may have shown one to a quorum and another to us. Whoever views
the first in its own log would then never be judged here. So the node turns: it keeps its word on
what it has signed, signs nothing more, lays the bytes that it holds aside, and copies and judges
what the quorum holds.

A branch that a quorum of mirrors has signed is the only one that has, as long as no more than f of
them lie: two quorums share an honest mirror, and its key signs along one tree. So nothing honest
rests on what is given up: no view, no receipt, no settled use (ADR 0026). By which keys a quorum is
one on a branch that is not here, its own entries show (``nodes.core.epoch_path``).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from ledger.checkpoint import Checkpoint
from ledger.encoding import decode, encode
from ledger.epochs import Epoch, Epochs
from ledger.errors import LedgerError
from ledger.roster import Roster
from ledger.views import collect_lines
from nodes.core.convictions import Convictions
from nodes.core.log_state import LogState
from nodes.core.notes import Known, SignedHead
from nodes.core.ready import PutMemory
from nodes.core.rosters import Rosters

TURNED: Final = "turned/"
"""Memory under this name and an origin holds the head that we have turned to."""
ASTRAY: Final = "astray/"
"""Memory under this name and an origin: our copy is of another tree than what stands, and how much
of it may stay. Empty once the rest is laid aside."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a node has turned to, and why.

    Args:
        head: Signed by the log.
        lines: Mirror lines on it that are a quorum.
    """

    head: SignedHead
    lines: tuple[bytes, ...]

    @property
    def checkpoint(self) -> Checkpoint:
        """The tree that the node holds to from now on."""
        return self.head.checkpoint

    def writes(self, kept_size: int | None) -> tuple[PutMemory, ...]:
        """Return what is kept of the decision, in one commit.

        Args:
            kept_size: How much of our copy is of this tree; None where all of it is.
        """
        head = self.checkpoint
        value = encode([head.size, head.root, self.head.note, list(self.lines)])
        turned = PutMemory(TURNED + head.origin, value)
        return (turned,) if kept_size is None else (turned, astray(head.origin, kept_size))

    @classmethod
    def decode(cls, origin: str, value: bytes) -> Self:
        """Read what ``writes`` has stored."""
        size, root, note, lines = decode(value)
        return cls(SignedHead(Checkpoint(origin, size, root), note), tuple(lines))


def astray(origin: str, kept_size: int) -> PutMemory:
    """Return what has our copy of a log laid aside, but for its beginning."""
    return PutMemory(ASTRAY + origin, encode(kept_size))


def turns_in(memory: Mapping[str, bytes]) -> Mapping[str, Turn]:
    """Return, by origin, what we have turned to."""
    return {
        name.removeprefix(TURNED): Turn.decode(name.removeprefix(TURNED), value)
        for name, value in memory.items()
        if name.startswith(TURNED) and value
    }


def astray_in(memory: Mapping[str, bytes]) -> Mapping[str, int]:
    """Return, by origin, how much stays of a copy that is to be laid aside."""
    return {
        name.removeprefix(ASTRAY): decode(value)
        for name, value in memory.items()
        if name.startswith(ASTRAY) and value
    }


@dataclass(frozen=True, slots=True)
class Shown:
    """A head that a view shows, whose log cannot be judged here as it is; its bytes are checked.

    Args:
        head: Signed by the viewed log.
        lines: The view's mirror lines.
    """

    head: SignedHead
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """A head that a quorum of mirrors holds, of a log that stands convicted; to be compared.

    Args:
        turn: To it.
        standing: The largest tree of our own copy that a quorum is known to hold. What does not
            begin with it is never turned to.
        known: Another head known here with a quorum, which our copy does not go through; of one
            tree with the offer it must be.
        epochs: Of our copy.
        judged_size: How much of our copy they are known of.
    """

    turn: Turn
    standing: Checkpoint | None
    known: Checkpoint | None
    # An offer is the same whatever has been judged of our copy since.
    epochs: Epochs = field(compare=False)
    judged_size: int = field(compare=False)

    def common(self, shared_size: int) -> Epochs:
        """Return the epochs that stand where our copy and the offered tree are one.

        The proof of the last may stand above, and so on one of the two alone.

        Args:
            shared_size: How many entries both begin with; what is not judged is left out.
        """
        first, *later = self.epochs.items
        kept = [
            it if it.proven_at is not None and it.proven_at < shared_size else _unproven(it)
            for it in later
            if it.start < shared_size
        ]
        # The version that a log begins under needs no proof.
        begins = first._replace(proven_at=first.start)
        return replace(self.epochs, items=(begins, *kept))

    def is_counted(self, epochs: Epochs) -> bool:
        """Say whether the lines are a quorum by the last of the epochs of the offered tree.

        Above an epoch without its proof nothing counts.
        """
        if epochs.items[-1].proven_at is None:
            return False
        roster = epochs.rosters[epochs.items[-1].version - 1]
        return bool(_quorum(Shown(self.turn.head, self.turn.lines), roster))


class Turning:
    """Looks for branches to turn to.

    Args:
        rosters: What is known of the network.
        own: Origin of our own log.
        convictions: Who is convicted.
        turned: By origin, what we have turned to already.
        root: Root of a log at a size, of what is stored here.
    """

    def __init__(
        self,
        rosters: Rosters,
        own: str,
        convictions: Convictions,
        turned: Mapping[str, Turn],
        root: Callable[[str, int], bytes],
    ) -> None:
        self._rosters = rosters
        self._own = own
        self._convictions = convictions
        self._turned = turned
        self._root = root
        self._counted: dict[tuple[Shown, int], tuple[bytes, ...]] = {}
        """Quorums counted before: a view waits for many steps."""

    def offers(
        self,
        shown: Iterable[Shown],
        states: Mapping[str, LogState],
        stored: Mapping[str, int],
        known: Mapping[str, Known],
    ) -> Mapping[str, Offer]:
        """Return, by origin, what may be turned to, as far as what is here tells.

        1. The log is another's and goes on, we have not turned yet, and it stands convicted of two
           histories.
        2. The view's tree is not the one that we hold, as far as ours goes.
        3. Its lines are a quorum by a version of the log. Whether they count by that one in this
           tree is found as it is compared.
        4. What stands here is smaller than it.

        Args:
            shown: By views that wait.
            states: How far each log is judged here.
            stored: How many entries of each log are here.
            known: Notes with a quorum of mirror lines.
        """
        found: dict[str, Offer] = {}
        for it in shown:
            head = it.head.checkpoint
            origin = head.origin
            if origin in found or not self._may_turn(origin):  # (1)
                continue
            size = stored.get(origin, 0)
            if head.size <= size and self._root(origin, head.size) == head.root:  # (2)
                continue
            standing = self.standing(origin, states, size, known.get(origin))
            at = 0 if standing is None else standing.size
            if at >= head.size:  # (4)
                continue
            epochs, judged_size = self._epochs(states.get(origin), origin)
            lines = self._quorum(it, epochs)
            if not lines:  # (3)
                continue
            beyond = self._beyond(origin, size, known.get(origin))
            found[origin] = Offer(Turn(it.head, lines), standing, beyond, epochs, judged_size)
        return found

    def _epochs(self, state: LogState | None, origin: str) -> tuple[Epochs, int]:
        """Return the epochs of our copy, and how much of it is judged."""
        chain = self._rosters.chain
        if state is None:
            first = chain.first_with(origin).version
            return Epochs(origin, chain.rosters, (Epoch(first, 0, 0),)), 0
        return Epochs(origin, chain.rosters, state.epochs), state.size

    def _may_turn(self, origin: str) -> bool:
        return (
            origin != self._own
            and origin in self._rosters.newest.origins
            and origin not in self._turned
            and self._convictions.has_forked(origin)
        )

    def standing(
        self, origin: str, states: Mapping[str, LogState], size: int, known: Known | None
    ) -> Checkpoint | None:
        """Return the largest tree of our copy that a quorum of mirrors holds, as far as is known.

        By the log's own block records, by views of it in any log that are judged here, by the best
        note, and by the roster's pin. None: of none.
        """
        views = [state.views[origin] for state in states.values() if origin in state.views]
        heads = {view.size: view.root for view in views}
        own = states.get(origin)
        if own is not None and own.evidence.size:
            heads[own.evidence.size] = self._root(origin, own.evidence.size)
        for it in (known, self._rosters.newest.pins.get(origin)):
            if it and 0 < it.size <= size and self._root(origin, it.size) == it.root:
                heads[it.size] = it.root
        largest = max(heads, default=0)
        return Checkpoint(origin, largest, heads[largest]) if largest else None

    def _beyond(self, origin: str, size: int, known: Known | None) -> Checkpoint | None:
        """Return the best note where our copy does not go through it."""
        if known is None or not known.size:
            return None
        if known.size <= size and self._root(origin, known.size) == known.root:
            return None
        return Checkpoint(origin, known.size, known.root)

    def _quorum(self, shown: Shown, epochs: Epochs) -> tuple[bytes, ...]:
        """Return the lines that are a quorum by a version of the log, or by several.

        They are checked again, by the very keys: a key's short name in two versions is no proof
        that it is one key.
        """
        key = (shown, len(epochs.rosters))
        if key not in self._counted:
            known = epochs.rosters[epochs.items[0].version - 1 :]
            found = [line for roster in known for line in _quorum(shown, roster)]
            self._counted[key] = tuple(dict.fromkeys(found))
        return self._counted[key]


def _unproven(epoch: Epoch) -> Epoch:
    return epoch._replace(proven_at=None)


def _quorum(shown: Shown, roster: Roster) -> tuple[bytes, ...]:
    """Return the lines that are a quorum by a version; nothing where they are none."""
    origin = shown.head.checkpoint.origin
    try:
        good = collect_lines(roster, origin, shown.head.checkpoint, shown.lines, "mirror")
    except LedgerError:
        return ()
    if not good or len(good) < roster.quorum(origin):
        return ()
    return tuple(line.line for line in good)
