"""What every judgement stands on: the versions, the kinds, the facts, and the trees stored here."""

from collections.abc import Callable
from typing import Final

from ledger.epochs import Counting
from ledger.kind import Kinds
from ledger.map_tree import Load, Node
from ledger.proofs import root_at
from ledger.roster import Roster
from ledger.suites import SM2_SM3, CheckSM2, no_sm2
from ledger.tiles import read_nodes
from nodes.core.log_state import LogState
from nodes.core.rosters import Rosters
from nodes.core.sight import Generations, Sight
from nodes.ports import Reader

ROOTS_CACHED_MAX: Final = 1_024


class Ground:
    """Holds no state of any one log.

    Args:
        rosters: All versions that are known.
        kinds: The joined table.
        sight: Facts of all logs.
        state_of: How far another log is judged here; what views name beyond it must wait. None
            where nothing is.
        sm2: Checks SM2 signatures, where the roster names them.
        is_near: Says whether a log is judged whole here: our own, and those that we witness. Any
            other is followed as far as these rely on it, and no further.
    """

    def __init__(
        self,
        rosters: Rosters,
        kinds: Kinds,
        sight: Sight,
        state_of: Callable[[str], LogState | None],
        *,
        sm2: CheckSM2 = no_sm2,
        is_near: Callable[[str], bool] = lambda _origin: True,
    ) -> None:
        self.is_near = is_near
        self._sm2 = sm2
        self.rosters = rosters
        self.kinds = kinds
        self.sight = sight
        self.state_of = state_of
        self._ruling = rosters.newest
        self._roots: Generations[tuple[str, int], bytes] = Generations(ROOTS_CACHED_MAX)

    @property
    def delta_s(self) -> int:
        """The tolerance with which our own clock is read: that of the newest version."""
        return self.rosters.newest.constants.delta_s

    def roster_of(self, state: LogState) -> Roster:
        """Return the version that the next entry of a log is judged by."""
        version = state.epochs[-1].version
        if self._ruling.version != version:
            self._ruling = self.rosters.at(version)
        return self._ruling

    def sm2_of(self, roster: Roster) -> CheckSM2 | None:
        """Return what checks SM2 signatures; None where a version does not name them."""
        return self._sm2 if SM2_SM3 in roster.suites else None

    def before_of(self, origin: str, counting: Counting) -> Roster | None:
        """Return the version that lines on the note of an epoch count by as well.

        None for other notes, and where that version gives the log no witnesses: nobody could sign.
        """
        if counting.before is None:
            return None
        before = self.rosters.at(counting.before)
        return before if before.witnesses_of(origin) else None

    def map_root(self, state: LogState, reader: Reader) -> bytes:
        """Return the root of the object map over all entries of a log so far."""
        return state.objects.root_at(state.size, stored_nodes(state.origin, reader))

    def root(self, origin: str, size: int, reader: Reader) -> bytes:
        """Return the root of the first ``size`` entries of a log that we store."""
        root = self._roots.get((origin, size), b"")
        if not root:
            root = root_at(size, read_nodes(lambda wanted: reader.tiles(origin, wanted)))
            self._roots.put((origin, size), root)
        return root

    def remember_root(self, origin: str, size: int, root: bytes) -> None:
        """Keep a root that we have just computed, as the next block record will name it."""
        self._roots.put((origin, size), root)


def stored_nodes(origin: str, reader: Reader) -> Load:
    """Return what reads the stored nodes of a log's object map."""

    def load(prefix: bytes) -> Node | None:
        data = reader.map_node(origin, prefix)
        return None if data is None else Node.decode(prefix, data)

    return load
