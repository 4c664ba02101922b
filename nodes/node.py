"""One region's node: its parts joined, and the one step that commits and then lets things go.

The order is the contract: everything a step does is written in one transaction; then the fence; only
then do replies and requests leave. A crash in between loses answers, and their askers ask again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from types import MappingProxyType
from typing import Final, Literal

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ledger.checkpoint import Checkpoint
from ledger.errors import (
    ConflictError,
    FatalError,
    LedgerError,
    MalformedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.hashing import EMPTY_ROOT
from ledger.keys import key_thumbprint
from ledger.kind import Kinds, ViewFact
from ledger.note import Note, VerifierKey
from ledger.roster import Roster
from ledger.statement import Statement, decode_statement, verify_statement
from nodes.core.candidate import ForeignWitness
from nodes.core.checkup import find_altered
from nodes.core.duties import DUTIES, Duties
from nodes.core.follower import Follower
from nodes.core.heads import SignedHead, read_edge
from nodes.core.kinds import KINDS
from nodes.core.limits import Limits, Settings
from nodes.core.network import Network
from nodes.core.projection import Effects, Projection, key_object
from nodes.core.ready import (
    AppendEntries,
    Compose,
    Event,
    PeerCalled,
    PeerRequest,
    Register,
    Reply,
    Write,
)
from nodes.core.sequencer import Head, Sequencer
from nodes.core.settlement import Settlement
from nodes.core.sight import INDEX_PAST_ALL, Generations, Sight
from nodes.core.views import Shelf, due_for_uses
from nodes.ports import Clock, Fence, FenceMark, Officers, RoleKeys
from nodes.store import entries, facts, notes, peers
from nodes.store.apply import apply
from nodes.store.engine import WRITER, create_schema
from nodes.store.entries import LogIDs
from nodes.store.reader import StoreReader

__all__ = [
    "Limits",
    "LogStatus",
    "Node",
    "Outbox",
    "Ports",
    "RoleKeys",
    "Settings",
    "Snapshot",
    "Verifier",
    "build",
]

RETRY_MS: Final = 500
"""How soon a node looks again whether its disk takes writes."""

State = Literal["serving", "behind-fence", "behind-witnesses", "rebuilding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world, as one node sees it."""

    clock: Clock
    fence: Fence
    keys: RoleKeys
    officers: Officers
    engine: Engine


@dataclass(frozen=True, slots=True)
class Outbox:
    """What may leave now that a step is durable.

    Args:
        wake_at_ms: When to step again though nothing arrives; None: nothing is due.
    """

    replies: tuple[Reply, ...] = ()
    requests: tuple[PeerRequest, ...] = ()
    wake_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """How far a log has come here. Sizes are numbers of entries."""

    stored_size: int
    judged_size: int
    witnessed_size: int
    mirrored_size: int
    heard_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNote:
    """A note of another log with a quorum of mirror lines, beside the log."""

    size: int
    root: bytes
    fresh_at_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """How a node stands after its last commit; replaced as a whole, read by any thread.

    Args:
        state: Whether it writes and signs, and if not, why.
        detail: More about that, for people; empty while it serves.
        size: Entries in its own log.
        root: Root of its own log.
        note: Its own newest published note.
        witnessed_size: Entries that a quorum of witnesses has signed for.
        replicated_size: Entries that a quorum of mirrors holds as well.
        views: The newest view of each other log that the own log records.
        known: The best note of each other log with q mirror lines, which may not be recorded yet.
        logs: Every log of the roster, the own one too.
        resting: Whether the witness and mirror keys sign no more.
        commit: Number of the last commit.
    """

    state: State = "serving"
    detail: str = ""
    size: int = 0
    root: bytes = EMPTY_ROOT
    note: bytes = b""
    witnessed_size: int = 0
    replicated_size: int = 0
    views: Mapping[str, ViewFact] = field(default_factory=dict)
    known: Mapping[str, KnownNote] = field(default_factory=dict)
    logs: Mapping[str, LogStatus] = field(default_factory=dict)
    resting: bool = False
    commit: int = 0


def build(
    settings: Settings,
    roster: Roster,
    signed_roster: bytes,
    ports: Ports,
    kinds: Kinds = KINDS,
) -> "Node":
    """Make a node; it does nothing before ``start``.

    Args:
        settings: Which region, and its limits.
        roster: In force; checked.
        signed_roster: Its bytes, with the signatures.
        ports: The world.
        kinds: The joined table; tests bring their own.

    Raises:
        MalformedError: A key is not the roster's.
        NotFoundError: The region is no member.
    """
    member = roster.member(settings.region)
    for name in ("log", "witness", "mirror", "receipt", "issuer"):
        if getattr(ports.keys, name).public != getattr(member.keys, name):
            raise MalformedError(f"the {name} key is not the roster's", code="bad-key")
    create_schema(ports.engine)
    return Node(settings, roster, signed_roster, ports, kinds)


class Node:
    """The node's single step. Not for several threads at once; only ``snapshot`` is.

    Invariant: everything in memory is what the store holds; a step that fails throws memory away.
    """

    def __init__(
        self,
        settings: Settings,
        roster: Roster,
        signed_roster: bytes,
        ports: Ports,
        kinds: Kinds,
    ) -> None:
        self._settings = settings
        self._roster = roster
        self._signed_roster = signed_roster
        self._ports = ports
        self._kinds = kinds
        self._own = roster.origin_of(settings.region)
        self._foreign = [
            ForeignWitness(name, VerifierKey.decode(vkey))
            for name, vkey in sorted(settings.foreign_witnesses.items())
        ]
        self._request_ids = count(1)
        self._ids = LogIDs()
        self._state: State = "serving"
        self._detail = ""
        self._loaded = False
        self._wrote = False
        self._commit = 0
        self._stored: dict[str, int] = {}
        self._errors = _driver_errors(ports.engine)
        self.snapshot = Snapshot()

    # ---- start ----------------------------------------------------------------------------------

    def start(self, now_ms: int) -> Outbox:
        """Load what is stored, find out whether it may be relied on, and say what to send first.

        1. Every log's entries and tiles agree, and the own log with its signed note.
        2. The store is at or past the fence; where it is past, the fence is moved up.
        3. What others know of the own log is asked, and compared as the answers come.

        Raises:
            FatalError: The fence cannot be written.
        """
        with self._ports.engine.connect() as connection:
            self._load(connection, now_ms)
            self._check_store(connection)
            self._check_fence(connection)
        return self.step((), now_ms)

    def _load(self, connection: Connection, now_ms: int) -> None:
        """Make everything in memory anew from what is committed."""
        roster, settings = self._roster, self._settings
        self._ids.forget()
        reader = StoreReader(connection, self._ids)
        self._commit = notes.load_commit(connection)
        sizes = entries.load_sizes(connection)
        memory = notes.load_memory(connection)
        self._stored = {
            member.origin: sizes.get(member.origin, 0) for member in roster.members.values()
        }
        self._sight = Sight(settings.limits.facts_cached_max)
        self._projection = Projection(
            roster, self._signed_roster, self._kinds, self._sight, self._judged_size
        )
        self._follower = Follower(self._projection, settings.limits)
        for origin, (size, state) in notes.load_projections(connection).items():
            if origin in self._stored:
                self._follower.states[origin] = self._projection.load_state(
                    origin, size, state, reader
                )
        self._sequencer = Sequencer(
            region=settings.region,
            roster=roster,
            signed_roster=self._signed_roster,
            projection=self._projection,
            sight=self._sight,
            log=self._ports.keys.log,
            issuer=self._ports.keys.issuer,
            officers=self._ports.officers,
            limits=settings.limits,
        )
        self._network = Network(
            roster=roster,
            region=settings.region,
            witness=self._ports.keys.witness,
            mirror=self._ports.keys.mirror,
            state=peers.load_state(connection, self._ids, self._own),
            foreign=self._foreign,
            next_id=self._request_ids.__next__,
        )
        self._duties = Duties(self._own, memory.get(DUTIES, b""), settings.limits.duties_max)
        self._shelf = Shelf()
        self._settlement = Settlement(self._own)
        self._settling = True
        self._load_own(connection, reader, now_ms)
        if self._state in {"behind-fence", "behind-witnesses"}:
            self._network.halt(self._state)
        self._loaded = True

    def _load_own(self, connection: Connection, reader: StoreReader, now_ms: int) -> None:
        """Give the sequencer our own log, if all of it is judged."""
        size = self._stored[self._own]
        state = self._follower.states.pop(self._own, None)
        if state is None:
            state = self._projection.new_state(self._own)
        found = notes.load_newest_note(connection, self._ids, self._own)
        published = None
        if found is not None and found[0] == size:
            checkpoint = Checkpoint.decode(Note.decode(found[1]).text)
            published = SignedHead(checkpoint, found[1])
            self._network.publish(checkpoint, found[1])
        if state.size != size or (size and published is None):
            # Entries that came back from mirrors are judged like anyone's first.
            self._follower.states[self._own] = state
            return
        head = Head(size, read_edge(self._own, size, reader), published)
        self._sequencer.load(head, state, now_ms)

    def _check_store(self, connection: Connection) -> None:
        """Check every stored log's bytes; what is altered is never signed for."""
        reader = StoreReader(connection, self._ids)
        for origin, size in self._stored.items():
            index, root = find_altered(reader, origin, size)
            if index is not None:
                self._halt("behind-fence", f"{origin}: entry {index} is not what was stored")
            elif origin == self._own and self._published is not None:
                if root != self._published.root:
                    self._halt("behind-fence", f"{origin}: the tree is not the one we signed")

    def _check_fence(self, connection: Connection) -> None:
        """Compare the store with the mark outside it."""
        mark = self._ports.fence.load()
        size = self._stored[self._own]
        if mark is None:
            self._halt("behind-fence", "the fence is missing")
            return
        reader = StoreReader(connection, self._ids)
        if self._state != "serving":
            return
        if self._commit < mark.commit or size < mark.size:
            if self._commit == 0 or self._is_rebuilding(connection):
                self._state, self._detail = "rebuilding", f"fetching {mark.size} entries"
                self._network.begin_rebuild(mark, reader, size)
                return
            self._halt(
                "behind-fence", f"commit {self._commit} of size {size}, the fence is further"
            )
        elif self._projection.root(self._own, mark.size, reader) != mark.root:
            self._halt("behind-fence", "the tree does not extend the fence's")
        elif self._commit > mark.commit:
            self._ports.fence.store(self._mark())

    def _halt(self, state: State, detail: str) -> None:
        self._state, self._detail = state, detail
        self._network.halt(state)
