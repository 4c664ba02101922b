"""How a node stands after its last commit, for whoever asks it from another thread."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

from ledger.hashing import EMPTY_ROOT
from ledger.kind import ViewFact
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from ledger.tiles import TileEdge
from nodes.core.convictions import Convicted
from nodes.core.network import PeerHealth

State = Literal["serving", "behind-fence", "behind-witnesses", "rebuilding", "standby"]


@dataclass(frozen=True, slots=True)
class LogStatus:
    """How far a log has come here. Sizes are numbers of entries."""

    stored_size: int
    judged_size: int
    witnessed_size: int
    mirrored_size: int
    heard_ms: int


NOT_HEARD_OF: Final = LogStatus(0, 0, 0, 0, 0)
"""Of a log of which nothing is here."""


@dataclass(frozen=True, slots=True)
class KnownNote:
    """A note of another log with a quorum of mirror lines, beside the log."""

    size: int
    root: bytes
    fresh_at_s: int


STATUSES_KEPT_MAX: Final = 2_048
"""As many as a node of a great network has, or all the simulated ones of a smaller one together."""

# From one step to the next most of them are the same, and finding one costs less than making it.
log_status = lru_cache(maxsize=STATUSES_KEPT_MAX)(LogStatus)
known_note = lru_cache(maxsize=STATUSES_KEPT_MAX)(KnownNote)


TOUCHED_STEPS_MAX: Final = 64
TOUCHED_ROWS_MAX: Final = 4_096

Place = tuple[str, str]
"""A log by its origin, and an object."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Which objects have got new rows of late, so that who keeps rows knows which to read again.

    Args:
        number: Of the steps so far, with those that nobody remembers any more.
        steps: What the last of them wrote.
        rows: How much that is.
    """

    number: int = 0
    steps: tuple[Sequence[Place], ...] = ()
    rows: int = 0

    def then(self, places: Sequence[Place]) -> "Touched":
        """Return this with a step that wrote these; it forgets what was long ago, or too much."""
        forgotten = max(0, len(self.steps) - TOUCHED_STEPS_MAX + 1)
        rows = self.rows - sum(map(len, self.steps[:forgotten])) + len(places)
        if rows > TOUCHED_ROWS_MAX:
            return self.all()
        return Touched(self.number + 1, (*self.steps[forgotten:], places), rows)

    def all(self) -> "Touched":
        """Return this with a step that may have written anything."""
        return Touched(self.number + 1)

    def since(self, number: int) -> Iterable[Place] | None:
        """Return what was written after so many steps; None: it may be anything."""
        missed = self.number - number
        if not 0 <= missed <= len(self.steps):
            return None
        return (place for step in self.steps[len(self.steps) - missed :] for place in step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """How a node stands after its last commit; replaced as a whole, read by any thread.

    Args:
        state: Whether it writes and signs, and if not, why.
        detail: More about that, for people; while it serves, what keeps a known version of the
            roster from coming into force here, and empty else.
        size: Entries in its own log.
        root: Root of its own log.
        edge: The partial tiles at the right edge of its own log; empty where they are not at hand.
        note: Its own newest published note.
        witnessed_size: Entries that a quorum of witnesses has signed for.
        replicated_size: Entries that a quorum of mirrors holds as well.
        views: The newest view of each other log that the own log records.
        known: The best note of each other log with q mirror lines that our own judged copy agrees
            with; it may not be recorded yet.
        logs: Every log of which anything is here, and the own one.
        peers: How each region that witnesses the own log looks from here.
        convicted: Keys that evidence has convicted of two histories, by the object for each.
        resting: Whether the witness and mirror keys sign no more.
        commit: Number of the last commit.
        touched: Which objects the last commits have changed.
        rosters: All roster versions that are known; None before the start.
        version: The version in force in the own log.
        proven_version: The newest version whose epoch a quorum by it has cosigned in the own log.
    """

    state: State = "serving"
    detail: str = ""
    size: int = 0
    root: bytes = EMPTY_ROOT
    edge: TileEdge = ()
    note: bytes = b""
    witnessed_size: int = 0
    replicated_size: int = 0
    views: Mapping[str, ViewFact] = field(default_factory=dict)
    known: Mapping[str, KnownNote] = field(default_factory=dict)
    logs: Mapping[str, LogStatus] = field(default_factory=dict)
    peers: Mapping[str, PeerHealth] = field(default_factory=dict)
    convicted: Mapping[str, Convicted] = field(default_factory=dict)
    resting: bool = False
    commit: int = 0
    touched: Touched = field(default_factory=Touched)
    rosters: RosterChain | None = None
    version: int = 1
    proven_version: int = 1

    def roster(self, first: RosterChain) -> Roster:
        """Return the roster version in force in the own log; before the start, ``first``'s last."""
        return first.newest if self.rosters is None else self.rosters.at(self.version)
