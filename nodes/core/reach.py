"""Which other nodes this one speaks with, and whose logs it hears of.

Near ones have lanes from the start: the witnesses of our log, and the writers of those that we
witness. In a network of committees the others are far: such a one gets its lanes when a log of its
own, or one that it witnesses, comes to matter to ours.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ledger.checkpoint import Checkpoint
from nodes.core.exchange import NEWEST, origin_hash
from nodes.core.freshen import Freshen
from nodes.core.heads import Heads
from nodes.core.notes import Known, SignedHead
from nodes.core.rosters import Rosters


@dataclass(frozen=True, slots=True)
class Listening:
    """A question to a log's writer for its newest note; from then on it tells us of its log."""


class Reach:
    """Near and far peers, the logs that we follow, and who follows ours.

    Args:
        rosters: What is known of the network.
        heads: Rows and keys.
        freshen: Asked for a note to begin with, of a log that is followed.
        open_lanes: Makes a member one that can be spoken with, unless it is one.
    """

    def __init__(
        self,
        rosters: Rosters,
        heads: Heads,
        freshen: Freshen,
        open_lanes: Callable[[str], None],
    ) -> None:
        self._rosters = rosters
        self._heads = heads
        self._freshen = freshen
        self._open_lanes = open_lanes
        self._members = {peer for roster in rosters.last_two() for peer in roster.members}
        self.witnesses = frozenset(rosters.witnesses_of(heads.own))
        """Of our own log."""
        self._listeners: set[str] = set()
        """Regions that follow our log, and are no witnesses of it."""
        self._followed: dict[str, int] = {}
        """By region, when the writer of a log that we follow is asked again to tell us of it."""
        self._reached: set[str] = set()
        """Logs whose writer and witnesses have lanes."""
        self._listening_ms = rosters.newest.constants.refresh_s * 1000
        is_whole = self.witnesses >= rosters.newest.members.keys() - {heads.region}
        near = self.witnesses | set(heads.logs.values())
        self._open(self._members if is_whole else near)

    def _open(self, peers: Iterable[str]) -> None:
        for peer in sorted(set(peers) & self._members - {self._heads.region}):
            self._open_lanes(peer)

    def holders(self, origin: str) -> None:
        """Reach whoever holds a log: its writer, and its witnesses."""
        if origin not in self._reached:
            self._reached.add(origin)
            found = set(self._rosters.witnesses_of(origin))
            self._open(found | {self._rosters.region_of_origin(origin)})

    # ---- who follows ours -----------------------------------------------------------------------

    def heard(self, caller: str | None) -> None:
        """Take note that a node has asked for our log's newest note: it is told of it from now."""
        if caller in self._members:
            self._open((caller,))
            self._listeners.add(caller)

    def is_told(self, peer: str) -> bool:
        """Say whether a peer is told of our log's notes unasked."""
        return peer in self.witnesses or peer in self._listeners

    # ---- whom we follow -------------------------------------------------------------------------

    def follow(self, origin: str) -> None:
        """Copy a log that our own log relies on, though we do not witness it.

        Its writer is asked to tell us of it, and its witnesses for a note to begin with.
        """
        newest = self._rosters.newest
        # Who witnessed it by the version before is brought nothing more of it, and who has turned
        # takes nothing.
        is_brought = (
            origin in newest.origins
            and self._heads.region in newest.witnesses_of(origin)
            and origin not in self._heads.turned
        )
        if is_brought or origin == self._heads.own or origin in self._heads.closed:
            return
        region = self._rosters.region_of_origin(origin)
        if region not in self._followed:
            self.holders(origin)
            self._followed[region] = 0
            self._freshen.want(origin, 1)

    def followed(self, known: Mapping[str, Known]) -> dict[str, SignedHead]:
        """Return the newest notes of logs that we follow, as far as our copies do not reach them.

        Nobody brings us their entries.

        Args:
            known: The best note of each log, by origin.
        """
        found: dict[str, SignedHead] = {}
        for region in self._followed:
            origin = self._rosters.home_of(region)
            best = known.get(origin)
            if best is not None and best.size > self._heads.stored_size(origin):
                checkpoint = Checkpoint(origin, best.size, best.root)
                found[origin] = SignedHead(checkpoint, best.note)
        return found

    def listening(self, peer: str, now_ms: int) -> tuple[Listening, str, bytes] | None:
        """Return the question to the writer of a log that we follow, if it is due now.

        Returns:
            The job, its path and body.
        """
        due_ms = self._followed.get(peer)
        # A time further ahead than one turn was set before the clock stepped back.
        if due_ms is None or 0 < due_ms - now_ms <= self._listening_ms:
            return None
        self._followed[peer] = now_ms + self._listening_ms
        return Listening(), NEWEST + origin_hash(self._rosters.home_of(peer)), b""

    def wake_at_ms(self) -> Iterable[int]:
        """Return when writers are asked again."""
        return self._followed.values()
