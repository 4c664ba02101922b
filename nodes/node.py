"""One region's node: its parts joined, and the one step that commits and then lets things go.

The order is the contract: everything a step does is written in one transaction; then the fence;
only then do replies and requests leave. A crash in between loses answers, and their askers ask
again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, RootTransaction

from ledger.errors import (
    ConflictError,
    FatalError,
    LedgerError,
    MalformedError,
    UnavailableError,
)
from ledger.hashing import EMPTY_ROOT
from ledger.kind import Kinds
from ledger.roster_chain import RosterChain
from ledger.suites import SM2_SM3, no_sm2
from nodes.core import succession
from nodes.core.batch import Report
from nodes.core.effects import Effects
from nodes.core.governed import governed
from nodes.core.kinds import KINDS
from nodes.core.limits import Limits, Settings
from nodes.core.ready import (
    Asked,
    Compose,
    Event,
    Freeze,
    PeerCalled,
    PeerRequest,
    PutMemory,
    Register,
    Reply,
    Salvage,
)
from nodes.core.rosters import Rosters, are_named, memory_name
from nodes.core.views import counted, due_for_uses
from nodes.loaded import Ports
from nodes.ports import RoleKeys
from nodes.snapshot import LogStatus, Snapshot, known_note, log_status
from nodes.standing import Standing
from nodes.store import notes
from nodes.store.engine import check_undone, trouble
from nodes.store.reader import StoreReader
from nodes.store.upgrades import upgrade

__all__ = ["Limits", "Node", "Outbox", "Ports", "RoleKeys", "Settings", "build"]

RETRY_MS: Final = 500
"""How soon a node looks again whether its disk takes writes."""
CLOSING_MS: Final = 20
"""How soon a block record that is due is tried again."""
ASKING_MS_MAX: Final = 1_500
"""How long after its start a node waits for its witnesses' word before it writes."""
HELD_MAX: Final = 4_096
"""Acts that wait meanwhile; more are told to come again."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """What may leave now that a step is durable.

    Args:
        wake_at_ms: When to step again though nothing arrives; None: nothing is due.
    """

    replies: tuple[Reply, ...] = ()
    requests: tuple[PeerRequest, ...] = ()
    wake_at_ms: int | None = None


def build(
    settings: Settings,
    chain: RosterChain,
    ports: Ports,
    kinds: Kinds = KINDS,
) -> "Node":
    """Make a node; it does nothing before ``start``.

    Args:
        settings: Which region, and its limits.
        chain: The roster's versions from the genesis, as far as they are known; the store may
            remember more.
        ports: The world.
        kinds: The joined table; tests bring their own.

    Raises:
        MalformedError: A key is not the roster's.
        NotFoundError: The region is no member.
        UnavailableError: ``sm2-unavailable``: the roster names a suite that cannot be checked here.
    """
    if SM2_SM3 in chain.newest.suites and ports.sm2 is no_sm2:
        raise UnavailableError(
            "the roster names sm2-sm3, and no SM2 is at hand", code="sm2-unavailable"
        )
    held = (ports.keys, *ports.more_keys())
    Rosters(chain).home_of(settings.region)
    recent = [roster for roster in chain.rosters if settings.region in roster.members][-2:]
    if not any(are_named(keys, roster, settings.region) for roster in recent for keys in held):
        # One too few would leave unsigned what the roster promises; one too many nobody can check.
        raise MalformedError("the keys are not the roster's", code="bad-key")
    upgrade(ports.engine, kinds)
    return Node(settings, chain, ports, kinds)


class Node(Standing):
    """The node's single step. Not for several threads at once; only ``snapshot`` is."""

    # ---- start ----------------------------------------------------------------------------------

    def start(self, now_ms: int) -> Outbox:
        """Load what is stored, find out whether it may be relied on, and say what to send first.

        1. Every log's entries and tiles hash to the root that was signed.
        2. The store is at or past the fence; where it is past, the fence is moved up. A store that
           is gone while the fence is there is fetched back from the mirrors.
        3. What others know of the own log is asked, and compared as the answers come. A store that
           was restored together with its fence looks whole from here, so nothing new is signed into
           the log before each witness has been asked once, or the time for that is up.

        Raises:
            FatalError: The fence cannot be written.
        """
        self._asking_until_ms = now_ms + ASKING_MS_MAX
        with self._ports.engine.connect() as connection:
            self._load(connection, now_ms)
            reader = StoreReader(connection, self._ids)
            self._check_store(reader)  # (1)
            if self._state == "serving" and not self._is_closed:
                self._check_fence(reader)  # (2)
            if self._state == "serving" and not self._is_closed:
                self._network.check_claim(reader, self._stored.get(self._own, 0))  # (3)
        return self.step((), now_ms)

    def follow(self, connection: Connection, now_ms: int) -> None:
        """Show what another process of this region has committed; only before ``start``."""
        if self.snapshot.state == "standby" and notes.load_commit(connection) == self._commit:
            return
        self._load(connection, now_ms)
        detail = "another process of this region writes"
        self.snapshot = replace(self._snapshot(), state="standby", detail=detail)

    # ---- one step -------------------------------------------------------------------------------

    def step(self, events: Sequence[Event], now_ms: int, *, answers_first: bool = False) -> Outbox:
        """Take all events, commit what follows in one transaction, and return what may leave.

        With ``answers_first``, a step that answers askers leaves requests to peers to the one
        after it, which is then due at once: the answers need not wait until those are made. Where
        nothing came from peers, it does not look at what is stored of their logs either. Two steps
        in a row do not, so that under a steady load peers hear of every second one.

        When for certain nothing was committed (the disk is full, the database locked), memory is
        made anew from the store and every asker is told so.

        Raises:
            FatalError: It is not known what is on disk.
        """
        held = self._held
        try:
            with self._writing.connect() as connection:
                if not self._is_loaded or self._is_to_close:
                    self._load(connection, now_ms)
                    if self._is_to_close:
                        self._close_logs(connection, now_ms)
                    self._rebuild_again(StoreReader(connection, self._ids))
                    if self._state == "serving" and not self._is_closed:
                        # A server that was away may have come back as an older copy. Of a closed
                        # log what lies beyond the cut is gone, and the fence still counts it.
                        self._check_fence(StoreReader(connection, self._ids))
                    connection.rollback()
                    self._is_loaded = True
                transaction = connection.begin()
                self._has_changed = False
                try:
                    outbox = self._step(connection, events, now_ms, answers_first=answers_first)
                except BaseException:
                    transaction.rollback()
                    raise
                self._commit_now(connection, transaction)
        except self._errors as error:
            # Rolled back: nothing of this step is on disk.
            self._is_loaded = False
            self._held, self._within_sight = (), None
            return self._unavailable((*held, *events), error, now_ms)
        except ConflictError as error:
            # Memory says one thing and the store another, and we cannot tell which is right.
            raise FatalError(f"the store does not hold what we wrote: {error}") from error
        self._sight.settle()
        if self._written:
            self._touched = self._touched.then(self._written)
        if self._wrote and self._state == "serving":
            self._ports.fence.store(self._mark())
        self.snapshot = self._snapshot()
        if self._has_changed:
            # Another version is known, or in force in some log: who signs, who counts and who is
            # asked is all made anew from the store, in the next step.
            self._is_loaded = False
            self._within_sight = self._shelf
            return replace(outbox, wake_at_ms=now_ms)
        return outbox

    def _commit_now(self, connection: Connection, transaction: RootTransaction) -> None:
        try:
            transaction.commit()
        except self._errors as error:
            check_undone(connection, error)
            raise

    def _step(
        self,
        connection: Connection,
        events: Sequence[Event],
        now_ms: int,
        *,
        answers_first: bool,
    ) -> Outbox:
        """Do everything but the commit."""
        reader = StoreReader(connection, self._ids)
        self._connection = connection
        self._wrote = False
        self._written = []
        self._write(self._network.heads.wake())
        replies: list[Reply] = []
        asked: list[Asked] = []
        for event in (*self._held, *events):
            if isinstance(event, Asked):
                asked.append(event)
            else:
                ready = self._network.step(event, now_ms, reader)
                self._write(ready.writes)
                replies += ready.replies
        if self._network.halted and self._state == "serving":
            self._halt(
                "behind-witnesses", "others hold a note of ours that the store does not know"
            )
        if self._state == "rebuilding":
            self._go_on_rebuilding(reader)
        is_answering = answers_first and bool(asked) and not self._owes_requests
        is_answering_only = is_answering and len(asked) == len(self._held) + len(events)
        if not is_answering_only or self._has_not_followed:
            self._follow(reader, now_ms)
            if self._state == "rebuilding" and not self._network.halted:
                self._end_rebuilding(reader, now_ms)
            self._write(self._network.look(reader))
        self._held = ()
        if self._state == "serving" and self._is_asking(now_ms):
            self._held = tuple(asked[:HELD_MAX])
            busy = UnavailableError("just started, and asking the witnesses", code="busy")
            replies += [Reply(event.request_id, busy) for event in asked[HELD_MAX:]]
        elif self._state == "serving" and self._is_closed:
            # Whatever was appended now would lie beyond the cut, and be void.
            ended = UnavailableError(self._hindrance, code="log-closed")
            replies += [Reply(event.request_id, ended) for event in asked]
        elif self._state == "serving":
            replies += self._sequence(asked, reader, now_ms)
        else:
            stopped = UnavailableError(
                f"this node writes nothing: {self._detail}", code=self._state
            )
            replies += [Reply(event.request_id, stopped) for event in asked]
        if self._withheld.is_behind:
            self._write(self._withheld.settle(reader))
        self._write(self._duties.writes())
        self._remember_rosters(reader)
        self._owes_requests = is_answering
        if is_answering:
            outbox = Outbox(tuple(replies), (), now_ms)
        else:
            ready = self._network.flush(now_ms, reader)
            self._write(ready.writes)
            if answers_first and not asked and self._state == "serving":
                self._prepare(reader, now_ms)
            wake_at_ms = self._wake_at_ms(ready.wake_at_ms, now_ms)
            outbox = Outbox(tuple(replies), ready.requests, wake_at_ms)
        if self._wrote and self._state == "serving":
            notes.count_commit(connection, self._commit, self._commit + 1)
            self._commit += 1
        return outbox

    def _remember_rosters(self, reader: StoreReader) -> None:
        """Keep the versions that this step has learnt, or that its approvals make whole."""
        if self._is_on_roster:
            self._is_on_roster, self._is_to_govern = False, True
            signed = self._projection.words.roster.assembled(reader)
            if signed:
                self._rosters.learn(signed)
        learnt = self._rosters.learnt
        first = self._rosters.newest.version - len(learnt) + 1
        self._write(PutMemory(memory_name(at), signed) for at, signed in enumerate(learnt, first))
        if learnt:
            self._rosters.learnt = []
            self._has_changed = True

    def _is_asking(self, now_ms: int) -> bool:
        """Say whether the witnesses' word on our own log is still awaited after the start.

        Once it has come, or been waited for in vain, it is not waited for again: a region that is
        cut off goes on writing.
        """
        until_ms = self._asking_until_ms
        if until_ms is None:
            return False
        # A clock that was set back meanwhile ends it too.
        if self._network.is_heard or not 0 < until_ms - now_ms <= ASKING_MS_MAX:
            self._asking_until_ms = None
            return False
        return True

    def _follow(self, reader: StoreReader, now_ms: int) -> None:
        """Judge what is stored of all logs, and settle the uses that it bears on."""
        stored = self._stored
        if self._is_own_ready:
            stored = {origin: size for origin, size in stored.items() if origin != self._own}
        if self._has_not_followed:
            self._write(self._settlement.start(reader))
            self._has_not_followed = False
        judged: list[tuple[str, Effects]] = []
        for found in self._follower.step(stored, now_ms, reader):
            self._write(found.writes)
            self._write(self._network.convicted(found.origin, found.effects.convictions))
            for signed, lines in found.effects.lines:
                self._network.watch.note("mirror", signed, lines)
            for head, lines in found.effects.shown:
                self._network.finished.hear_of(head, lines)
            self._duties.notice(found.origin, found.effects)
            self._has_changed = self._has_changed or found.effects.is_epoch
            self._is_on_roster = self._is_on_roster or found.effects.is_on_roster
            judged.append((found.origin, found.effects))
        if judged:
            self._settle(judged, reader)
        if self._withheld.is_waiting and not self._follower.owed:
            # All is judged again that others have viewed: now it can be said how that stands.
            self._withheld.is_waiting = False
            self._write(self._settlement.start(reader))
        for head in self._follower.disputed():
            self._write(self._network.heads.compare(head, reader))
        for origin, known in self._network.known.items():
            viewed = self._follower.states.get(origin)
            if viewed is None or not self._shelf.is_better(origin, known, viewed.size):
                continue
            whole = counted(known, viewed, self._projection)
            # A log that lies may have shown others a tree that is not the one we hold.
            root = self._projection.ground.root(origin, known.size, reader)
            if whole is not None and root == known.root:
                self._shelf.put(origin, whole)
        self._rely(reader)
        lacking = {
            **self._network.pinned(),
            **self._network.followed(),
            **self._follower.lacking(self._stored),
            **succession.lacking(self._rosters.newest.closed, self._stored),
        }
        shown, best = self._follower.shown(), self._network.known
        offers = self._turning.offers(shown, self._states, self._stored, best) if shown else {}
        self._write(self._network.catch_up(lacking, reader, offers))

    def _rely(self, reader: StoreReader) -> None:
        """Follow the logs that our own log relies on, or was asked to rely on, or the roster."""
        if self._is_to_govern:
            self._is_to_govern = False
            logs = governed(
                self._rosters,
                self._settings.region,
                lambda origin, name: self._sight.newest(reader, origin, name),
                has_begun=self._stored.get(self._own, 0) > 0,
            )
            for origin in sorted(logs):
                self._network.follow(origin)
        views, missed = self._sequencer.state.views, self._shelf.missed
        if missed or len(views) != self._viewed:
            self._viewed = len(views)
            for origin in (*views, *sorted(missed)):
                self._network.follow(origin)
            missed.clear()

    def _settle(self, judged: Sequence[tuple[str, Effects]], reader: StoreReader) -> None:
        """Take note of what newly judged entries show of uses and of accepted offers."""
        self._write(self._settlement.step(judged, reader))
        self._write(self._withheld.note(judged))

    def _sequence(
        self, asked: Sequence[Asked], reader: StoreReader, now_ms: int
    ) -> tuple[Reply, ...]:
        """Take what is asked for, and what is owed, into our own log."""
        settings, sequencer, network = self._settings, self._sequencer, self._network
        if not sequencer.head.size:
            chain = self._rosters.chain
            self._detail = succession.waits_for(chain, self._own, self._judged_size, reader)
            if self._detail:
                waiting = UnavailableError(f"not yet: {self._detail}", code="inheriting")
                return tuple(Reply(event.request_id, waiting) for event in asked)
        if self._is_judging_again:
            again = UnavailableError("what acts rely on is judged again", code="judging-again")
            return tuple(Reply(event.request_id, again) for event in asked)
        self._is_paced = not asked and 0 <= now_ms - self._sequenced_ms < settings.limits.pace_ms
        if self._is_paced:
            return ()
        refused: list[Reply] = []
        taken: list[Register | Compose | Salvage | Report] = []
        for event in asked:
            if not isinstance(event, Freeze):
                taken.append(event)
                continue
            try:
                frozen, writes = network.heads.freeze(event.origin, now_ms)
            except LedgerError as error:
                refused.append(Reply(event.request_id, error))
            else:
                # In one transaction with the report: either both are there, or neither.
                self._write(writes)
                taken.append(Report(event.request_id, frozen))
        unrecorded = network.unrecorded()
        constants = self._rosters.newest.constants
        wanted = self._settlement.wanted
        views_due = (
            due_for_uses(wanted, self._shelf, sequencer.state.views, constants.refresh_s)
            if wanted
            else ()
        )
        batch = sequencer.step(
            taken,
            self._duties,
            views_due,
            unrecorded,
            self._shelf,
            now_ms,
            reader,
            network.heads.convictions.unrecorded,
        )
        if batch.entries:
            self._sequenced_ms = now_ms
            self._write(network.convicted(self._own, batch.effects.convictions))
            self._write(sequencer.writes(batch, now_ms))
            self._write(network.recorded(batch.recorded))
            published = self._published = sequencer.head.published
            assert published is not None
            self._has_changed = self._has_changed or batch.effects.is_epoch
            self._is_on_roster = self._is_on_roster or batch.effects.is_on_roster
            network.publish(published.checkpoint, published.note, published.post_quantum)
            self._settle([(self._own, batch.effects)], reader)
            for view in batch.effects.views:
                self._settlement.satisfied(view.origin, view.fresh_at_s)
        self._want_fresh(now_ms // 1000)
        return (*refused, *sequencer.replies(batch))

    def _prepare(self, reader: StoreReader, now_ms: int) -> None:
        """Do now, while nobody waits, what the next act would have to wait for."""
        network, sequencer = self._network, self._sequencer
        if self._wrote:
            # A commit is due anyway.
            self._write(sequencer.grow_map(reader))
        if network.replicated_size >= sequencer.head.size:
            # No more lines will come into the next block record.
            sequencer.prepare(network.unrecorded(), self._shelf, now_ms, reader)

    def _want_fresh(self, now_s: int) -> None:
        """Ask for fresher lines on logs that we rely on, when they grow old or a use needs them."""
        half_s = self._rosters.newest.constants.staleness_s // 2
        for origin, view in self._sequencer.state.views.items():
            best = self._shelf.get(origin)
            fresh_s = max(view.fresh_at_s, best.fresh_at_s if best is not None else 0)
            not_before_s = fresh_s + half_s
            wanted = self._settlement.wanted.get(origin)
            if wanted is not None and fresh_s < wanted.most_s:
                not_before_s = min(wanted.most_s, now_s)
            if self._wanted_fresh.get(origin) != not_before_s:
                self._wanted_fresh[origin] = not_before_s
                self._network.want_fresh(origin, not_before_s)

    # ---- small parts ----------------------------------------------------------------------------

    def _wake_at_ms(self, network_ms: int | None, now_ms: int) -> int | None:
        stored = {origin: size for origin, size in self._stored.items() if origin != self._own}
        due = [network_ms, self._follower.wake_at_ms()]
        is_writing = self._own not in self._rosters.newest.closed and not self._is_judging_again
        if self._state == "serving" and is_writing:
            again_ms = now_ms + CLOSING_MS
            if self._is_paced:
                again_ms = self._sequenced_ms + self._settings.limits.pace_ms
                due.append(again_ms)
            closing_ms = self._sequencer.closing_at_ms(self._network.unrecorded())
            if closing_ms is not None:
                # What is due already was kept from being done just now, and is tried again soon.
                due.append(max(closing_ms, again_ms))
            due.append(self._asking_until_ms)
        if self._follower.is_behind(stored) or self._withheld.is_behind:
            due.append(now_ms)
        return min((at for at in due if at is not None), default=None)

    def _unavailable(self, events: Sequence[Event], error: Exception, now_ms: int) -> Outbox:
        """Tell every asker that nothing was done."""
        code = "disk" if "full" in str(error) or "I/O" in str(error) else "busy"
        code, words = trouble(error) or (code, f"the database takes no writes: {error}")
        refusal = UnavailableError(words, code=code)
        refusal.__cause__ = error
        replies = tuple(
            Reply(event.request_id, refusal)
            for event in events
            if isinstance(event, Asked | PeerCalled)
        )
        return Outbox(replies, (), now_ms + RETRY_MS)

    @property
    def _hindrance(self) -> str:
        """Why nothing can be written, though nothing is lost; empty where it can."""
        if self._is_closed:
            return f"the roster has closed {self._own}"
        return self._sequencer.obstacle if self._is_own_ready else ""

    def _snapshot(self) -> Snapshot:
        network, published, head = self._network, self._published, self._sequencer.head
        rows = network.rows
        logs: dict[str, LogStatus] = {}
        for origin in dict.fromkeys((self._own, *self._stored, *rows)):
            row = rows.get(origin)
            logs[origin] = log_status(
                self._stored.get(origin, 0),
                self._judged_size(origin),
                0 if row is None else row.witnessed_size,
                0 if row is None else row.mirrored_size,
                0 if row is None else row.heard_ms,
            )
        known = {
            origin: known_note(note.size, note.root, note.fresh_at_s)
            for origin, note in self._shelf.notes.items()
        }
        checkpoint = None if published is None else published.checkpoint
        return Snapshot(
            state=self._state,
            detail=self._detail or self._hindrance,
            size=0 if checkpoint is None else checkpoint.size,
            root=EMPTY_ROOT if checkpoint is None else checkpoint.root,
            # While an epoch waits for its quorums, the edge is that of a larger tree.
            edge=head.edge if checkpoint is not None and head.size == checkpoint.size else (),
            note=b"" if published is None else published.note,
            witnessed_size=network.witnessed_size,
            replicated_size=network.replicated_size,
            views=MappingProxyType(self._views_in_sight),
            known=MappingProxyType(known),
            logs=MappingProxyType(logs),
            peers=MappingProxyType(network.health()),
            convicted=MappingProxyType(dict(network.heads.convictions.found)),
            resting=network.resting,
            commit=self._commit,
            touched=self._touched,
            rosters=self._rosters.chain,
            version=self._sequencer.state.version,
            proven_version=self._sequencer.state.proven_version(network.replicated_size),
        )
