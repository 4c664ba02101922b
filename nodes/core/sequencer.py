"""Our own log: which statements it takes, in which order, and the checkpoint that covers them.

Entries of one step become one block: first the record of the block before, lazily; then views where
acts need them; then the acts, each judged against all before it. Nothing here is shown to anyone:
the node commits the writes first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, cast

from ledger.beginning import GENESIS_KIND, genesis_body
from ledger.checkpoint import Checkpoint
from ledger.continuing import CONTINUES_KIND
from ledger.epochs import Counting, epoch_body
from ledger.equivocation import EVIDENCE_KIND, Conviction, Equivocation, evidence_body
from ledger.errors import LedgerError, RefusedError, UnavailableError
from ledger.frozen import FROZEN_KIND, Frozen
from ledger.judge import CORRECTS, kind_of, wants
from ledger.keys import key_thumbprint
from ledger.kind import Draft, Fact, Kind, ViewFact
from ledger.lineage import before
from ledger.roster import Roster
from ledger.roster_acts import APPROVE_KIND, PROPOSE_KIND, ROSTER_KINDS
from ledger.salvage import SALVAGE_KIND, as_judged, decode_salvage
from ledger.salvage import Salvage as Lost
from ledger.statement import (
    ROLE_VIEW,
    Act,
    Citation,
    Statement,
    sign_statement,
)
from ledger.tiles import Tile, TileEdge, extend_tiles
from ledger.tree import Frontier
from ledger.views import (
    BLOCK_KIND,
    EPOCH_KIND,
    VIEW_KIND,
    Block,
    BlockLines,
    Count,
    Cover,
    block_body,
    count_lines,
    fresh_at,
    view_body,
)
from nodes.core.duties import SETTLED_CODES, Duties, Duty
from nodes.core.effects import Effects
from nodes.core.heads import Known, SignedHead, lines_of, second_note, sign_head
from nodes.core.limits import Limits
from nodes.core.log_state import LogState
from nodes.core.projection import LOG_KINDS, Projection, Verdict, key_object
from nodes.core.ready import (
    AppendEntries,
    Compose,
    PutMemory,
    PutNote,
    Register,
    Registered,
    RegisterReply,
    Reply,
    Salvage,
    Write,
)
from nodes.core.rosters import RULES_KNOWN
from nodes.core.sight import Sight
from nodes.core.succession import opening_body
from nodes.core.views import Shelf, should_renew
from nodes.ports import Officers, Reader, RoleKeys, Signer

if TYPE_CHECKING:
    from ledger.keys import SigningKey

# So many bytes of lines in one block record leave room for the rest of its entry.
BLOCK_LINES_BYTES_MAX: Final = 48 * 1024
HELD: Final = "held"
"""Memory under this name: our newest signed note, while it is held back below an epoch's."""


@dataclass(slots=True)
class Head:
    """Our log as it stands: what growing it needs, and the newest published checkpoint.

    Invariant: ``signed`` covers all ``size`` entries, or is None while there are none; and so does
    ``published``, unless the note of an epoch waits for its quorums: then it is that note.
    """

    size: int = 0
    edge: TileEdge = ()
    frontier: Frontier = Frontier.empty()  # noqa: RUF009 - frozen, and the same for all
    published: SignedHead | None = None
    signed: SignedHead | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Our last word on another log, to be recorded."""

    request_id: int
    frozen: Frozen


@dataclass(slots=True)
class Batch:
    """What one step makes of our log."""

    now_s: int
    state: LogState
    effects: Effects = field(default_factory=Effects)
    entries: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    at: dict[bytes, int] = field(default_factory=dict)
    """Index by leaf hash, of the entries of this batch."""
    replies: list[tuple[int, tuple[Registered, ...]]] = field(default_factory=list)
    recorded: tuple[int, ...] = ()
    """Sizes of the candidates whose lines the block record holds."""
    done: list[Duty] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What making a batch takes, and what stays the same from one batch to the next.

    Args:
        region: Ours.
        origin: Of our own log.
        projection: Judges; it has the roster too.
        sight: Facts, the same that ``projection`` has.
        keys: The region's keys under a version; None where not all of them are held.
        officers: Keys of officers that the region holds.
        limits: Of the node.
    """

    region: str
    origin: str
    projection: Projection
    sight: Sight
    keys: Callable[[Roster], RoleKeys | None]
    officers: Officers
    limits: Limits

    def keys_of(self, roster: Roster) -> RoleKeys:
        """Return the region's keys under a version.

        Raises:
            UnavailableError: ``lacks-keys``.
        """
        found = self.keys(roster)
        if found is None:
            raise UnavailableError(
                f"the keys of {self.region} by roster version {roster.version} are not all here",
                code="lacks-keys",
            )
        return found


class Sequencer:
    """Takes statements into our own log. One batch a step; all of it or nothing is committed.

    Args:
        means: What making a batch takes.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._origin = means.origin
        self.head = Head()
        self.state = means.projection.new_state(self._origin)
        self.grown_ms = 0
        """When the log last took an entry."""

    def load(self, head: Head, state: LogState, now_ms: int) -> None:
        """Start from what the store holds; all of it is judged."""
        assert head.size == state.size
        self.head, self.state, self.grown_ms = head, state, now_ms

    # ---- one step -------------------------------------------------------------------------------

    def step(  # noqa: PLR0917 - one call, from the node's step
        self,
        events: Sequence[Register | Compose | Salvage | Report],
        duties: Duties,
        views_due: Sequence[str],
        unrecorded: Sequence[BlockLines],
        shelf: Shelf,
        now_ms: int,
        reader: Reader,
        evidence: Sequence[tuple[Equivocation, Conviction]] = (),
    ) -> Batch:
        """Judge and append what is asked for and what is owed; nothing is written yet.

        Evidence of two histories comes first: it is to be recorded whatever else is refused.
        """
        batch = Batch(now_ms // 1000, self.state)
        if not (events or duties.owed or views_due or evidence) and self._is_at_rest(
            unrecorded, now_ms
        ):
            return batch
        # While the note of an epoch waits for its quorums, what is appended above it makes no block
        # of its own; once it has them, the record of all that holds them, and is shown with it.
        is_lifted = self.is_recordable(unrecorded)
        published = self.head.signed if is_lifted else self.head.published
        work = _Work(self._means, published, batch, unrecorded, shelf, reader)
        if not self.head.size:
            work.append_genesis()
        for found, conviction in evidence:
            work.append_evidence(found, conviction)
        self._prefetch(events, reader)
        for origin in views_due:
            if work.best(origin) is not None:
                work.append_view(origin)
        for event in events:
            if isinstance(event, Register):
                results = tuple(work.register(statement) for statement in event.statements)
            elif isinstance(event, Compose):
                results = (work.compose(event),)
            elif isinstance(event, Salvage):
                results = (work.salvage(event),)
            else:
                results = (work.append_frozen(event.frozen),)
            batch.replies.append((event.request_id, results))
        # Inside one region an answer stands in this very batch.
        duties.notice(self._origin, batch.effects)
        for duty in duties.owed:
            work.do(duty)
        duties.done(batch.done)
        if not batch.entries and self._is_block_due(unrecorded, now_ms):
            work.open_block()
        signed = self.next_epoch()
        if signed:
            # The last of its batch: the first checkpoint that covers it covers nothing above it.
            work.append_epoch(signed)
        return batch

    def _is_at_rest(self, unrecorded: Sequence[BlockLines], now_ms: int) -> bool:
        """Say whether the log itself asks for no entry: most steps only hear of peers."""
        is_due = self._is_block_due(unrecorded, now_ms) or self.next_epoch()
        return self.head.size > 0 and not is_due

    def _is_block_due(self, unrecorded: Sequence[BlockLines], now_ms: int) -> bool:
        """Say whether a block record is to be written though nothing else is."""
        is_unpublished = self.head.signed is not self.head.published
        return (is_unpublished and self.is_recordable(unrecorded)) or self.is_closing_due(
            unrecorded, now_ms
        )

    def next_epoch(self) -> bytes:
        """Return the signed roster that is to come into force in our log now; empty: none.

        The next one waits until the quorums of the one before stand in the log.
        """
        rosters, version = self._means.projection.rosters, self.state.version
        if version >= rosters.newest.version or self.state.open_epoch is not None:
            return b""
        is_ours = self._origin in rosters.at(version + 1).origins
        if not self.head.size or not is_ours or self.obstacle:
            return b""
        return rosters.chain.signed[version]

    @property
    def obstacle(self) -> str:
        """What keeps a known version from coming into force in our log, for people; empty: nothing.

        Only an operator can mend it: with a newer program, or with the keys.
        """
        rosters, version = self._means.projection.rosters, self.state.version
        if version >= rosters.newest.version:
            return ""
        roster = rosters.at(version + 1)
        if roster.rules not in RULES_KNOWN:
            rules = f"rules {roster.rules}, which this program does not know"
            return f"version {roster.version} of the roster names {rules}"
        if self._origin in roster.origins and self._means.keys(roster) is None:
            return f"version {roster.version} of the roster names keys that are not here"
        return ""

    def is_recordable(self, unrecorded: Sequence[BlockLines]) -> bool:
        """Say whether the note of the open epoch has its mirror quorums, for a block record."""
        opened = self.state.open_epoch
        return opened is None or any(item.size == opened.start + 1 for item in unrecorded)

    @property
    def held_size(self) -> int | None:
        """The size above which nothing is published for now: the note of an epoch is to come first.

        None while nothing is held back.
        """
        opened = self.state.open_epoch
        return None if opened is None else opened.start + 1

    def is_closing_due(self, unrecorded: Sequence[BlockLines], now_ms: int) -> bool:
        """Say whether one block record would complete the log's evidence, and nothing else comes.

        1. The quorums on an epoch's note are recorded as soon as they are there: until then the
           version counts for nothing in this log, and the next one waits for it.
        2. Evidence of other entries, once the log was quiet for R. Only entries other than block
           records count, so that it stays at one.

        Source: protocol.md sections 3 and 7.
        """
        if self.state.open_epoch is not None and self.is_recordable(unrecorded):  # (1)
            return True
        others = self.state.others_size
        return (  # (2)
            bool(unrecorded)
            and self.state.evidence.size < others <= max(item.size for item in unrecorded)
            and now_ms - self.grown_ms >= self._refresh_ms()
        )

    def closing_at_ms(self, unrecorded: Sequence[BlockLines]) -> int | None:
        """Return when a closing block will be due; None if there is nothing to close."""
        if self.is_closing_due(unrecorded, self.grown_ms):
            return self.grown_ms
        due_ms = self.grown_ms + self._refresh_ms()
        return due_ms if self.is_closing_due(unrecorded, due_ms) else None

    def _refresh_ms(self) -> int:
        return self._means.projection.roster_of(self.state).constants.refresh_s * 1000

    def writes(self, batch: Batch, now_ms: int) -> tuple[Write, ...]:
        """Grow the tree by the batch, sign the checkpoint, and return everything to commit."""
        if not batch.entries:
            return ()
        start = self.head.size
        update = extend_tiles(start, self.head.edge, batch.leaves)
        frontier = self.head.frontier.extend(batch.leaves)
        root = frontier.root()
        checkpoint = Checkpoint(self._origin, update.size, root)
        projection = self._means.projection
        keys = self._means.keys_of(projection.roster_of(self.state))
        head = sign_head(checkpoint, keys.log, keys.log_pq)
        assert batch.state.size == update.size
        held = self.held_size
        published = head if held is None or update.size <= held else self.head.published
        self.head = Head(update.size, update.edge, frontier, published, head)
        notes: tuple[Write, ...] = (PutMemory(HELD, head.note),)
        if published is head:
            notes = (
                PutNote(self._origin, update.size, head.note, finished=False),
                *second_note(head),
            )
        self._means.projection.remember_root(self._origin, update.size, root)
        self.grown_ms = now_ms
        tiles: Mapping[Tile, bytes] = update.tiles
        appended = AppendEntries(
            self._origin, start, tuple(batch.entries), tuple(batch.leaves), tiles
        )
        return (
            appended,
            *batch.effects.writes(batch.state),
            *notes,
        )

    def replies(self, batch: Batch) -> tuple[Reply, ...]:
        """Return the answers; they may leave once the batch is committed."""
        size = self.head.size
        return tuple(
            Reply(request_id, RegisterReply(results, size)) for request_id, results in batch.replies
        )

    def _prefetch(
        self, events: Sequence[Register | Compose | Salvage | Report], reader: Reader
    ) -> None:
        """Read in one call what nearly every act asks for: subject, signer, signer's key."""
        origin, region = self._origin, self._means.region
        wanted: list[tuple[str, str]] = []
        for event in events:
            if isinstance(event, Register):
                for statement in event.statements:
                    wanted += (
                        (origin, statement.subject),
                        (origin, statement.issuer),
                        (origin, key_object(region, statement.kid)),
                    )
            elif isinstance(event, Compose):
                wanted += ((origin, event.subject), (origin, event.issuer))
        if wanted:
            self._means.sight.prefetch(reader, wanted)


class _Work:
    """The making of one batch."""

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        means: Means,
        published: SignedHead | None,
        batch: Batch,
        unrecorded: Sequence[BlockLines],
        shelf: Shelf,
        reader: Reader,
    ) -> None:
        self._means = means
        self._published = published
        self._batch = batch
        self._state = batch.state
        self._shelf = shelf
        self._reader = reader
        self._region = means.region
        self._origin = means.origin
        self._projection = means.projection
        self._roster = means.projection.roster_of(batch.state)
        self._keys = means.keys_of(self._roster)
        self._sight = means.sight
        self._delta_s = self._roster.constants.delta_s
        self._staleness_s = self._roster.constants.staleness_s
        self._lines = self._recordable(unrecorded)
        self._block_due = (
            published is not None and published.checkpoint.size > self._state.published_size
        )
        self._base_s = self._base_with(self._lines if self._block_due else ())

    # ---- statements that callers made -----------------------------------------------------------

    def register(self, statement: Statement) -> Registered:
        """Take a statement whose signature holds, or say why not.

        1. It is no entry of the log itself, and its key is the issuer's here and now.
        2. Its time is not beyond our clock and not before b (protocol.md section 4).
        3. The kind's rule allows it.
        4. What cannot be undone does not rest on a stale view.
        The same bytes again get the same index, whatever has changed since.
        """
        try:
            if statement.act.kind in LOG_KINDS or statement.act.kind == SALVAGE_KIND:  # (1)
                raise RefusedError("only the log itself records this", code="not-entitled")
            self._projection.public_of(self._roster, self._origin, statement, self._reader)
            self._check_time(statement.time_s)  # (2)
            return self._admit(statement)
        except LedgerError as error:
            index = self._find(statement)
            if index is not None:
                return Registered(index, None, statement.entry)
            return Registered(None, error)

    def _admit(self, statement: Statement) -> Registered:
        index = self._state.size + self._block_due
        verdict = self._judge(statement, index)  # (3)
        if not verdict.kind.receives_only:
            self._check_fresh(verdict)  # (4)
        if self._base_is_stale():
            self._freshen()
            self._check_time(statement.time_s)
        self.open_block()
        index = self._state.size
        self._projection.take(
            self._state, as_judged(statement), index, verdict, self._batch.effects
        )
        self._append(statement)
        return Registered(index, None, statement.entry)

    def _judge(self, statement: Statement, index: int) -> Verdict:
        """Judge an act, or one that is salvaged."""
        if statement.act.kind == SALVAGE_KIND:
            return self._projection.judge_salvage(self._state, statement, index, self._reader)[1]
        return self._projection.judge_act(self._state, statement, index, self._reader)

    def _check_time(self, time_s: int) -> None:
        if time_s > self._batch.now_s + self._delta_s:
            raise RefusedError(f"declared {time_s}, later than now", code="future-time")
        if time_s < self._base_s - self._delta_s:
            raise RefusedError(
                f"declared {time_s}, before what this log knew of at {self._base_s}",
                code="stale-time",
            )

    def _check_fresh(self, verdict: Verdict) -> None:
        """Refuse what cannot be undone under a view that R would not carry to its evidence."""
        refresh_s, now_s = self._roster.constants.refresh_s, self._batch.now_s
        bounds = dict.fromkeys(verdict.views, self._staleness_s)
        for use in verdict.judgement.uses:
            fact = verdict.facts[use.need]
            view = None if fact is None else self._projection.view_over(fact, verdict.views)
            if view is not None:
                bounds[view.origin] = min(bounds[view.origin], use.staleness_s)
        for origin, staleness_s in bounds.items():
            age_s = now_s - verdict.views[origin].fresh_at_s
            if age_s > staleness_s - refresh_s:
                raise RefusedError(f"the view of {origin} is {age_s} s old", code="stale-view")

    def _find(self, statement: Statement) -> int | None:
        index = self._batch.at.get(statement.leaf)
        if index is None:
            (index,) = self._reader.find(self._origin, [(statement.subject, statement.leaf)])
        return index

    # ---- acts that we compose -------------------------------------------------------------------

    def compose(self, event: Compose) -> Registered:
        """Fill in ``previous``, citations and views, sign, and take the act."""
        try:
            if event.kind in ROSTER_KINDS:
                return self._say_on_roster(event.kind, event.subject, event.body)
            return self._compose(event.kind, event.version, event.issuer, event.subject, event.body)
        except LedgerError as error:
            return Registered(None, error)

    def do(self, duty: Duty) -> None:
        """Do an act that the region owes, if the answer it cites can be cited by now."""
        if duty.origin != self._origin:
            known = self._shelf.get(duty.origin)
            seen = self._state.views.get(duty.origin)
            if max(known.size if known else 0, seen.size if seen else 0) <= duty.index:
                return
        try:
            self._compose(duty.kind, 1, self._region, duty.subject, {})
        except LedgerError as error:
            if error.code not in SETTLED_CODES:
                return
        self._batch.done.append(duty)

    def _compose(
        self, name: str, version: int, issuer: str, subject: str, body: Mapping[str, Any]
    ) -> Registered:
        kind = kind_of(self._means.projection.kinds, name, version)
        key = self._signer(issuer)
        draft = Draft(
            kind=name,
            version=version,
            issuer=issuer,
            subject=subject,
            time_s=max(self._batch.now_s, self._base_s - self._delta_s),
            body=body,
        )
        own = self._sight.newest(self._reader, self._origin, subject)
        citations = (*self._citations(kind, draft, own), *self._corrected(name, body))
        act = Act(name, version, None if own is None else own.leaf, citations, body)
        statement = sign_statement(key, issuer, subject, draft.time_s, act)
        return self._admit(statement)

    def _citations(self, kind: Kind, draft: Draft, own: Fact | None) -> tuple[Citation, ...]:
        """Return what an act has to cite, with views recorded now where they are needed."""
        needs = wants(kind, draft, own, self._region, self._roster)
        needed: dict[str, list[str]] = {}
        for need in needs:
            if need.origin is not None:
                needed.setdefault(need.origin, []).append(need.object)
        views = {origin: self._view_for(origin, objects) for origin, objects in needed.items()}
        facts = self._projection.resolve(self._origin, needs, views, self._reader)
        citations = [
            Citation(ROLE_VIEW, view.origin, view.index, view.leaf) for view in views.values()
        ]
        for need in needs:
            fact = facts[need.name]
            if need.cite and fact is not None:
                citations.append(Citation(need.name, fact.origin, fact.index, fact.leaf))
        return tuple(citations)

    def salvage(self, event: Salvage) -> Registered:
        """Bring an act that the log before lost into this one.

        Brought again, it is the entry that it is already.
        """
        try:
            return self._salvage(
                decode_salvage({"statement": event.entry, "receipt": event.receipt})
            )
        except LedgerError as error:
            return Registered(None, error)

    def _salvage(self, lost: Lost) -> Registered:
        inner = lost.inner
        known = self._projection.salvaged(self._origin, inner.leaf, self._reader)
        if known is not None and known.origin == self._origin:
            return Registered(known.index, None, b"")
        if known is not None:
            raise RefusedError(f"salvaged as {known.origin} {known.index}", code="not-lost")
        kind = kind_of(self._means.projection.kinds, inner.act.kind, inner.act.version)
        draft = Draft(
            kind=kind.name,
            version=kind.version,
            issuer=inner.issuer,
            subject=inner.subject,
            time_s=max(self._batch.now_s, self._base_s - self._delta_s),
            body=inner.act.body,
        )
        own = self._sight.newest(self._reader, self._origin, inner.subject)
        citations = (
            *self._citations(kind, draft, own),
            *self._corrected(kind.name, inner.act.body),
        )
        previous = None if own is None else own.leaf
        act = Act(SALVAGE_KIND, 1, previous, citations, lost.to_body())
        return self._admit(self._own_word(inner.subject, act))

    def _corrected(self, name: str, body: Mapping[str, Any]) -> tuple[Citation, ...]:
        """Return the citation of the entry that a correction is about."""
        index = body.get("index")
        if name != "act.correct" or type(index) is not int or not 0 <= index < self._state.size:
            return ()
        (leaf,) = self._reader.leaves([(self._origin, index)])
        return () if leaf is None else (Citation(CORRECTS, self._origin, index, leaf),)

    def _signer(self, issuer: str) -> Signer:
        if issuer == self._region:
            return self._keys.issuer
        officer = self._sight.newest(self._reader, self._origin, issuer)
        if officer is not None and officer.state.get("holder") == "officer":
            raise RefusedError(f"{issuer} holds their own key", code="not-entitled")
        key = self._means.officers.signer(issuer)
        if key is None:
            raise RefusedError(f"no key of {issuer} is held here", code="not-entitled")
        name = key_object(self._region, key_thumbprint(key.public))
        if officer is not None and officer.state.get("key") != name:
            raise RefusedError(
                f"the key held is not that of {issuer} any more", code="not-entitled"
            )
        return key

    # ---- views ----------------------------------------------------------------------------------

    def _view_for(self, origin: str, objects: Sequence[str]) -> ViewFact:
        """Return the view of a log that an act now relies on, recorded now if need be."""
        current, best = self._state.views.get(origin), self.best(origin)
        if best is not None:
            rows = [self._sight.newest(self._reader, origin, name) for name in objects]
            needed = [row.index for row in rows if row is not None and row.origin == origin]
            if should_renew(current, best, needed, self._batch.now_s, self._roster.constants):
                self.append_view(origin)
                current = self._state.views[origin]
        if current is None:
            raise RefusedError(f"no view of {origin} can be had yet", code="stale-view")
        return current

    def best(self, origin: str) -> Known | None:
        """Return the note of a log that a view may record now."""
        return self._shelf.usable(origin, self._batch.now_s + self._delta_s)

    def append_view(self, origin: str) -> None:
        """Record the best note of a log."""
        known = self._shelf.get(origin)
        assert known is not None
        own = self._sight.newest(self._reader, self._origin, origin)
        body = self._view_body(origin, known)
        act = Act(VIEW_KIND, 1, None if own is None else own.leaf, (), body)
        statement = self._own_word(origin, act)
        self.open_block()
        view = ViewFact(
            self._state.size, statement.leaf, origin, known.size, known.root, known.fresh_at_s
        )
        self._projection.take_view(self._state, view, self._batch.effects)
        self._base_s = max(self._base_s, known.fresh_at_s)
        self._append(statement)

    def _view_body(self, origin: str, known: Known) -> dict[str, Any]:
        """Return the body of a view, by the versions that count in the viewed log at that size."""
        viewed = self._projection.state_of(origin)
        counting = None if viewed is None else viewed.counting(known.size)
        assert counting is not None  # the shelf takes no note of which nothing counts
        roster = self._projection.rosters.at(counting.version)
        before = self._projection.before_of(origin, counting)
        lines = lines_of(roster, origin, known.lines)
        if before is None:
            return view_body(known.note, roster, lines)
        return view_body(known.note, roster, lines, (before, lines_of(before, origin, known.lines)))

    def _base_is_stale(self) -> bool:
        return 2 * (self._batch.now_s - self._base_s) > self._staleness_s

    def _freshen(self) -> None:
        """Record a view of whichever log shows the latest time, if any shows a later one than b."""
        found = self._shelf.freshest(self._batch.now_s + self._delta_s)
        if found is None or found[1].fresh_at_s <= self._base_s:
            return
        origin, best = found
        current = self._state.views.get(origin)
        if current is None or best.size >= current.size:
            self.append_view(origin)

    # ---- the log's own entries ------------------------------------------------------------------

    def append_genesis(self) -> None:
        """Write entry 0."""
        chain = self._projection.rosters.chain
        body = genesis_body(chain.signed[self._roster.version - 1], self._roster.rules)
        effects = self._batch.effects
        if before(self._roster.closed, self._origin) is None:
            statement = self._own_word(self._origin, Act(GENESIS_KIND, 1, None, (), body))
            self._projection.take_genesis(self._state, statement, effects)
        else:
            body = opening_body(body, self._roster, chain, self._origin, self._reader)
            statement = self._own_word(self._origin, Act(CONTINUES_KIND, 1, None, (), body))
            now_s = self._batch.now_s
            self._projection.judge_continues(self._state, statement, now_s, effects, self._reader)
        self._append(statement)

    def _say_on_roster(self, kind: str, subject: str, body: Mapping[str, Any]) -> Registered:
        """Record what a governance key has signed on the next version.

        The newest views come first: what the word rests on is to be seen in them.
        """
        if kind == APPROVE_KIND:
            self.open_block()  # what our own log pins is replicated as far as block records say
        for origin in self._roster.origins:
            best, current = self.best(origin), self._state.views.get(origin)
            if best is not None and (current is None or current.size < best.size):
                self.append_view(origin)
        own = self._sight.newest(self._reader, self._origin, subject)
        statement = self._own_word(
            subject, Act(kind, 1, None if own is None else own.leaf, (), body)
        )
        row = self._projection.judge_roster_act(self._state, statement, self._reader)
        self.open_block()
        index = self._state.size
        if kind == PROPOSE_KIND:
            row = self._projection.judge_roster_act(self._state, statement, self._reader)
        self._projection.take_roster_act(self._state, statement, row, self._batch.effects)
        self._append(statement)
        return Registered(index, None, statement.entry)

    def append_epoch(self, signed: bytes) -> None:
        """Let the next version of the roster rule from here on."""
        roster = self._projection.rosters.at(self._roster.version + 1)
        issuer = self._means.keys_of(roster).issuer
        self.open_block()
        own = self._sight.newest(self._reader, self._origin, self._origin)
        act = Act(EPOCH_KIND, 1, None if own is None else own.leaf, (), epoch_body(signed))
        time_s = max(self._batch.now_s, self._base_s - self._delta_s)
        statement = sign_statement(
            cast("SigningKey", issuer), self._region, self._origin, time_s, act
        )
        self._projection.take_epoch(self._state, statement, roster, self._batch.effects)
        self._append(statement)

    def append_frozen(self, frozen: Frozen) -> Registered:
        """Record our last word on another log."""
        region = self._roster.region_of_origin(frozen.origin)
        own = self._sight.newest(self._reader, self._origin, region)
        act = Act(FROZEN_KIND, 1, None if own is None else own.leaf, (), frozen.to_body())
        statement = self._own_word(region, act)
        self.open_block()
        index = self._state.size
        self._projection.take_frozen(self._state, statement, frozen, self._batch.effects)
        self._append(statement)
        return Registered(index, None, statement.entry)

    def append_evidence(self, evidence: Equivocation, conviction: Conviction) -> None:
        """Record evidence, which was checked when it was found."""
        act = Act(EVIDENCE_KIND, 1, None, (), evidence_body(evidence))
        statement = self._own_word(conviction.subject, act)
        self.open_block()
        self._projection.take_evidence(
            self._state, statement.leaf, evidence, conviction, self._batch.effects
        )
        self._append(statement)

    def open_block(self) -> None:
        """Write the record of the block before, if this one has none yet."""
        if not self._block_due:
            return
        self._block_due = False
        published = self._published
        assert published is not None
        checkpoint = published.checkpoint
        own = self._sight.newest(self._reader, self._origin, self._origin)
        block = Block(
            height=self._state.height + 1,
            size=checkpoint.size,
            root=checkpoint.root,
            note=sha256(checkpoint.text()).digest(),
            roster=self._roster.version,
            rules=self._roster.rules,
            map_root=self._projection.map_root(self._state, self._reader),
            lines=self._lines,
        )
        act = Act(BLOCK_KIND, 1, None if own is None else own.leaf, (), block_body(block))
        statement = self._own_word(self._origin, act)
        counts: list[Count] = []
        for item in block.lines:
            self._projection.add_count(self._state, item, counts, _own_count)
        self._projection.take_block(self._state, statement, block, counts, self._batch.effects)
        self._batch.recorded = tuple(item.size for item in block.lines)
        self._append(statement, is_block=True)

    def _recordable(self, unrecorded: Sequence[BlockLines]) -> tuple[BlockLines, ...]:
        """Return the lines that the next block record takes: the oldest, as many as fit.

        A line dated beyond our clock waits; others would not read on past it.
        """
        published = self._published
        if published is None:
            return ()
        latest_s = self._batch.now_s + self._delta_s
        taken: list[BlockLines] = []
        room = BLOCK_LINES_BYTES_MAX
        opened = self._state.open_epoch
        epoch_size = None if opened is None else opened.start + 1
        # The note of an epoch goes before all others, since nothing may be shown without it.
        ordered = sorted(unrecorded, key=lambda item: (item.size != epoch_size, item.size))
        for item in ordered[: self._means.limits.block_candidates_max]:
            room -= sum(len(line) + 2 for line in item.lines) + 48
            late = any(int.from_bytes(line[4:12]) > latest_s for line in item.lines)
            if room < 0 or late or item.size > published.checkpoint.size:
                break
            if self._counting(item.size, taken) is not None:
                taken.append(item)
        return tuple(sorted(taken, key=lambda item: item.size))

    def _counting(self, size: int, taken: Sequence[BlockLines]) -> Counting | None:
        """Return how lines on our tree of a size count in a record that holds those taken too."""
        opened = self._state.open_epoch
        sizes = {size, *(item.size for item in taken)}
        is_proven = opened is not None and opened.start + 1 in sizes
        return self._state.counting(size, {self._state.version} if is_proven else ())

    def _base_with(self, lines: Sequence[BlockLines]) -> int:
        """Return b as it will be once a block record holds these lines."""
        base_s = self._state.base_s
        for item in lines:
            counting = self._counting(item.size, lines)
            assert counting is not None
            found: list[int] = []
            for version in (counting.version, counting.before):
                if version is None:
                    continue
                roster = self._projection.rosters.at(version)
                if not roster.witnesses_of(self._origin):
                    continue
                keys = roster.mirror_keys(self._origin)
                times = [int.from_bytes(it[4:12]) for it in item.lines if it[:4] in keys]
                found.append(fresh_at(times, roster.quorum(self._origin)) or 0)
            base_s = max(base_s, min(found, default=0))
        return base_s

    def _own_word(self, subject: str, act: Act) -> Statement:
        """Sign an entry of the log itself."""
        time_s = max(self._batch.now_s, self._base_s - self._delta_s)
        issuer = cast("SigningKey", self._keys.issuer)
        return sign_statement(issuer, self._region, subject, time_s, act)

    def _append(self, statement: Statement, *, is_block: bool = False) -> None:
        batch = self._batch
        batch.at[statement.leaf] = self._state.size
        batch.entries.append(statement.entry)
        batch.leaves.append(statement.leaf)
        self._state.note_act(statement.subject, statement.leaf)
        self._state.grow(statement.time_s, is_block=is_block)


def _own_count(roster: Roster, origin: str, item: BlockLines, before: Roster | None) -> Count:
    """Return what the lines of a candidate in our own block say.

    They were checked one by one when they came. Only where two mirrors' key ids meet by chance must
    the signature say again whose a line is.
    """
    found: list[tuple[Cover, ...]] = []
    for version in (roster, before):
        keys = {} if version is None else version.mirror_keys(origin)
        covers: list[Cover] = []
        for line in item.lines:
            named = keys.get(line[:4], ())
            if len(named) > 1:
                return count_lines(roster, origin, item, before)
            if named:
                covers.append(Cover(named[0][0], item.size, int.from_bytes(line[4:12])))
        found.append(tuple(covers))
    return Count(item.size, *found)
