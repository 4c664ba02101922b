"""What a node keeps in memory, made anew from its store whenever that is in doubt.

Nothing here sends or signs anything but what is stored already.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count

from sqlalchemy import Connection, Engine

from ledger.errors import LedgerError, MalformedError
from ledger.kind import Kinds, ViewFact
from ledger.note import VerifierKey
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from ledger.suites import CheckSM2, no_sm2
from ledger.tiles import frontier_from_edge
from nodes.core.batch import Means
from nodes.core.candidate import ForeignWitness, Quorums
from nodes.core.convictions import unplaced
from nodes.core.copies import read_edge
from nodes.core.duties import DUTIES, Duties, unowed
from nodes.core.follower import Follower
from nodes.core.ground import Ground
from nodes.core.limits import Limits, Settings
from nodes.core.log_state import LogState
from nodes.core.network import Network
from nodes.core.notes import SignedHead, open_head
from nodes.core.projection import Projection
from nodes.core.ready import (
    AppendEntries,
    Asked,
    PutFacts,
    PutMemory,
    Write,
)
from nodes.core.rosters import Rosters, own_keys, recalled
from nodes.core.sequencer import HELD, Head, Sequencer
from nodes.core.settlement import Settlement
from nodes.core.sight import Sight
from nodes.core.turning import ASTRAY, TURNED, Turning, astray_in
from nodes.core.views import Shelf, counted
from nodes.core.withheld import Withheld
from nodes.ports import Clock, Fence, Officers, RoleKeys
from nodes.snapshot import Place, Snapshot, State, Touched
from nodes.store import closings, entries, facts, notes, peers
from nodes.store.apply import apply
from nodes.store.engine import Writing, driver_errors
from nodes.store.entries import LogIDs
from nodes.store.reader import StoreReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world, as one node sees it."""

    clock: Clock
    fence: Fence
    keys: RoleKeys
    officers: Officers
    engine: Engine
    sm2: CheckSM2 = no_sm2
    follower: Callable[[Projection, Limits], Follower] = Follower
    """Makes what judges the entries of other logs."""
    sequencer: Callable[[Means], Sequencer] = Sequencer
    """Makes what takes acts into our own log."""
    more_keys: Callable[[], tuple[RoleKeys, ...]] = tuple
    """Returns keys of the same region of before and to come: at a change of keys, both sign for a
    time. Asked again for each version, so that keys made meanwhile are found."""


class Loaded:
    """A node's parts as its store has them.

    Invariant: everything in memory is what the store holds; a step that fails throws memory away.
    """

    _connection: Connection
    """Of the step that is under way, in its transaction."""

    def __init__(
        self,
        settings: Settings,
        chain: RosterChain,
        ports: Ports,
        kinds: Kinds,
    ) -> None:
        self._settings = settings
        self._chain = chain
        self._ports = ports
        self._kinds = kinds
        self._rosters = Rosters(chain)
        self._own = self._rosters.home_of(settings.region)
        self._foreign = [
            ForeignWitness(name, VerifierKey.decode(vkey))
            for name, vkey in sorted(settings.foreign_witnesses.items())
        ]
        self._request_ids = count(1)
        self._ids = LogIDs()
        self._state: State = "serving"
        self._detail = ""
        self._is_loaded = True
        self._is_to_close = False
        self._has_changed = False
        self._is_on_roster = True
        """Whether new approvals may make the next version whole."""
        self._is_to_govern = True
        """Whether more logs may have to be followed for the roster's sake."""
        self._asking_until_ms: int | None = None
        self._held: tuple[Asked, ...] = ()
        self._within_sight: Shelf | None = None
        """What the memory before a version relied on; committed, and not taken over yet."""
        self._wrote = False
        self._commit = 0
        self._origins: frozenset[str] = frozenset()
        self._stored: dict[str, int] = {}
        """How many entries of each log are here, of those of which there are any."""
        self._writing = Writing(ports.engine)
        self._sequenced_ms = 0
        """When entries were last appended to our own log."""
        self._is_paced = False
        """Whether what is owed waits for acts to go along with."""
        self._touched = Touched()
        self._written: list[Place] = []
        """What this step gives new rows to."""
        self._owes_requests = False
        """Whether the last step has left what is due to peers to the next one."""
        self._errors = driver_errors(ports.engine)
        self.snapshot = Snapshot()

    def _load(self, connection: Connection, now_ms: int) -> None:
        """Make everything in memory anew from what is committed."""
        settings = self._settings
        self._touched = self._touched.all()
        self._ids.forget()
        reader = StoreReader(connection, self._ids)
        self._commit = notes.load_commit(connection)
        sizes = entries.load_sizes(connection)
        self._memory = notes.load_memory(connection)
        self._chain = chain = recalled(self._chain, self._memory)
        in_force: dict[str, int] = {}
        self._rosters = rosters = Rosters(chain, in_force)
        self._own = rosters.home_of(settings.region)
        closed = rosters.newest.closed
        self._is_to_close = bool(astray_in(self._memory)) or (
            bool(closed) and not closings.are_known(connection, self._ids, closed)
        )
        self._origins = frozenset(chain.origins())
        # Beyond its cut a closed log is void.
        cut = {origin: min(sizes.get(origin, 0), it.size) for origin, it in closed.items()}
        self._stored = {
            origin: size
            for origin, size in {**sizes, **cut}.items()
            if size and origin in self._origins
        }
        self._sight = Sight(settings.limits.facts_cached_max)
        self._projection = Projection(
            Ground(
                rosters,
                self._kinds,
                self._sight,
                self._state_of,
                sm2=self._ports.sm2,
                is_near=rosters.near(settings.region).__contains__,
            )
        )
        self._follower = self._ports.follower(self._projection, settings.limits)
        viewed = facts.load_holders(connection, self._ids, chain.origins())
        for origin, (size, state) in notes.load_projections(connection).items():
            if origin in self._origins:
                of_it = viewed.get(origin, ())
                loaded = self._projection.load_state(origin, size, state, of_it, reader)
                self._follower.states[origin] = loaded
                in_force[origin] = loaded.version
        held = (self._ports.keys, *self._ports.more_keys())
        by_version: dict[int, RoleKeys | None] = {}

        def keys(roster: Roster) -> RoleKeys | None:
            if roster.version not in by_version:
                by_version[roster.version] = own_keys(roster, settings.region, held)
            return by_version[roster.version]

        means = Means(
            region=settings.region,
            origin=self._own,
            projection=self._projection,
            sight=self._sight,
            keys=keys,
            officers=self._ports.officers,
            limits=settings.limits,
        )
        self._means = means
        self._is_own_ready = False
        self._is_on_roster = self._is_to_govern = True
        self._sequencer = self._ports.sequencer(means)
        self._network = Network(
            rosters=rosters,
            region=settings.region,
            held=held,
            asked=self._asked,
            state=peers.load_state(connection, self._ids, self._own),
            foreign=self._foreign,
            next_id=self._request_ids.__next__,
        )
        if self._state != "serving":
            self._network.halt(self._state)
        self._duties = Duties(
            self._own,
            self._memory.get(DUTIES, b""),
            settings.limits.duties_max,
            rosters.newest.closed,
        )
        self._shelf = Shelf()
        self._viewed = 0
        self._take_over(reader)
        self._settlement = Settlement(
            self._own, rosters.newest.closed, lambda origin: origin in self._follower.owed
        )
        self._has_not_followed = True
        self._withheld = Withheld(
            rosters.newest.constants.staleness_s, chain.origins(), rosters.newest.closed
        )
        self._turning = Turning(
            rosters,
            self._own,
            self._network.heads.convictions,
            self._network.heads.turned,
            lambda origin, size: self._projection.ground.root(
                origin, size, StoreReader(self._connection, self._ids)
            ),
        )
        self._wanted_fresh: dict[str, int] = {}
        self._published = self._load_published(connection)
        self._take_own(reader, now_ms)
        self._judge_again()

    def _judge_again(self) -> None:
        """Find the logs of which less is judged than others have viewed: they come first."""
        states = self._follower.states.values()
        closed, owed = self._rosters.newest.closed, dict[str, int]()
        for holder in states:
            for origin, view in holder.views.items():
                size = min(view.size, closed[origin].size) if origin in closed else view.size
                if size > max(owed.get(origin, 0), self._judged_size(origin)):
                    owed[origin] = size
        self._follower.judge_again(owed)
        self._withheld.is_waiting = bool(owed)
        self._withheld.viewed = {
            (holder.origin, origin): holder.views[origin].size
            for holder in states
            for origin in owed
            if origin in holder.views
        }
        if not (owed or closed or self._network.heads.turned):
            # Nothing is judged a second time, so no answer beyond is stored.
            self._withheld.judged = {it: self._judged_size(it) for it in self._origins}

    def _take_over(self, reader: StoreReader) -> None:
        """Keep within sight what was there before a version came.

        A note that is newer, but not judged or not stored yet, must not take its place: what people
        were told a moment ago they may rely on.
        """
        before = self._within_sight
        if self._is_to_close:
            return  # all of this is done again once that is done
        self._within_sight = None
        for origin, known in {} if before is None else before.notes.items():
            viewed = self._follower.states.get(origin)
            if viewed is None or not self._shelf.is_better(origin, known, viewed.size):
                continue
            whole = counted(known, viewed, self._projection)
            if (
                whole is not None
                and self._projection.ground.root(origin, known.size, reader) == known.root
            ):
                self._shelf.put(origin, whole)

    def _close_logs(self, connection: Connection, now_ms: int) -> None:
        """Take over what a new version closes, and what we have turned to, before anything else.

        A transaction of its own: half done it is begun again, and nothing is shown before its end.
        """
        connection.rollback()
        closed = self._rosters.newest.closed
        with connection.begin():
            kept = {**self._elsewhere(connection), **astray_in(self._memory)}
            writes = (
                *unplaced(self._memory, kept),
                *unowed(self._memory.get(DUTIES, b""), kept),
                *(PutMemory(ASTRAY + origin, b"") for origin in kept),
            )
            closings.close(connection, self._ids, closed, kept)
            apply(connection, self._ids, writes)
        self._load(connection, now_ms)

    def _elsewhere(self, connection: Connection) -> Mapping[str, int]:
        """Return how much stays of each copy of which a new version has closed another branch.

        What is known to have a quorum lies below the cut. So our own log, which relies on no more
        than that, goes on once it is judged again, whether or not others can be reached.
        """
        self._connection = connection
        closed, kept = self._rosters.newest.closed, dict[str, int]()
        for origin in closings.elsewhere(connection, self._ids, closed):
            stored, known = self._stored.get(origin, 0), self._network.known.get(origin)
            try:
                found = self._turning.standing(origin, self._states, stored, known)
            except LedgerError:
                found = None  # our own tiles are not what they were
            is_below = found is not None and found.size < closed[origin].size
            kept[origin] = found.size if found is not None and is_below else 0
        return kept

    def _load_published(self, connection: Connection) -> SignedHead | None:
        """Return our newest published note, with the log's own line alone; None before the first.

        Raises:
            LedgerError: What is stored as our note is none of ours.
        """
        found = notes.load_newest_note(connection, self._ids, self._own)
        return None if found is None else open_head(found[1], self._rosters, is_ours=True)[0]

    def _take_own(self, reader: StoreReader, now_ms: int) -> None:
        """Let the sequencer have our own log, once all of it is judged and published.

        Entries that came back from mirrors are judged first, like anyone's.
        """
        size = self._stored.get(self._own, 0)
        state = self._follower.states.get(self._own)
        published = self._published
        if (0 if state is None else state.size) != size:
            return
        signed = published
        held = self._memory.get(HELD)
        if state is not None and state.open_epoch is not None and held:
            # What is held back until the epoch's note has its quorums was signed all the same.
            later, _ = open_head(held, self._rosters, is_ours=True)
            if published is not None and later.checkpoint.size > published.checkpoint.size:
                signed = later
        if size and (signed is None or signed.checkpoint.size != size):
            return
        if state is None:
            state = self._projection.new_state(self._own)
        self._follower.states[self._own] = state
        try:
            edge = read_edge(self._own, size, reader)
        except MalformedError:
            return  # altered tiles, which the check at the start names
        head = Head(size, edge, frontier_from_edge(size, edge), published, signed)
        self._sequencer.load(head, state, now_ms)
        self._is_own_ready = True

    def _asked(self, size: int) -> Quorums:
        """Return what a checkpoint of our own log of a size needs, as far as that is judged."""
        state = self._state_of(self._own)
        if state is None:
            return Quorums((self._rosters.at(self._rosters.version_of(self._own)),), is_epoch=False)
        counting = state.counting(size)
        if counting is None:
            return Quorums((self._rosters.at(state.version),), is_epoch=False)
        roster = self._rosters.at(counting.version)
        before = self._projection.ground.before_of(self._own, counting)
        rosters = (roster,) if before is None else (before, roster)
        return Quorums(rosters, is_epoch=counting.before is not None)

    # ---- small parts ----------------------------------------------------------------------------

    def _write(self, writes: Iterable[Write]) -> None:
        """Carry writes out in the open transaction."""
        pending = tuple(writes)
        if not pending:
            return
        self._wrote = True
        apply(self._connection, self._ids, pending)
        for write in pending:
            if isinstance(write, AppendEntries) and write.origin in self._origins:
                self._stored[write.origin] = write.start + len(write.entries)
            elif isinstance(write, PutFacts):
                self._written += [(fact.origin, fact.object) for fact in write.facts]
            elif isinstance(write, PutMemory) and write.name.startswith((ASTRAY, TURNED)):
                self._has_changed = True

    def _state_of(self, origin: str) -> LogState | None:
        if origin == self._own and self._is_own_ready:
            return self._sequencer.state
        return self._follower.states.get(origin)

    @property
    def _states(self) -> Mapping[str, LogState]:
        """How far each log is judged, by origin; our own as the sequencer has it."""
        own = self._state_of(self._own)
        return {**self._follower.states, **({} if own is None else {self._own: own})}

    @property
    def _is_judging_again(self) -> bool:
        """Whether something that our own log has viewed must be judged again first."""
        return self._follower.is_held(self._sequencer.state)

    @property
    def _views_in_sight(self) -> dict[str, ViewFact]:
        """The views of our own log by which acts may be judged."""
        views = self._sequencer.state.views
        if not self._is_judging_again:
            return dict(views)
        return {origin: it for origin, it in views.items() if self._judged_size(origin) >= it.size}

    def _judged_size(self, origin: str) -> int:
        state = self._state_of(origin)
        return 0 if state is None else state.size

    @property
    def _is_closed(self) -> bool:
        """Whether the roster has closed the log that this node writes, and none goes on from it."""
        return self._own in self._rosters.newest.closed
