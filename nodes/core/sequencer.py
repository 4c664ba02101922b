"""Our own log: which statements it takes, in which order, and the checkpoint that covers them.

Entries of one step become one block: first the record of the block before, lazily; then views where
acts need them; then the acts, each judged against all before it. Nothing here is shown to anyone:
the node commits the writes first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from authz.grant import quota_object
from ledger.checkpoint import Checkpoint
from ledger.equivocation import Conviction, Equivocation
from ledger.errors import MalformedError
from ledger.names import check_object
from ledger.tiles import Tile, TileEdge, extend_tiles
from ledger.tree import Frontier
from ledger.views import BlockLines
from nodes.core.acts import key_object
from nodes.core.batch import Batch, Means, Report
from nodes.core.duties import Duties
from nodes.core.effects import map_writes
from nodes.core.intake import Intake
from nodes.core.log_state import LogState
from nodes.core.notes import SignedHead, second_note, sign_head
from nodes.core.own_entries import MadeBlock, OwnEntries
from nodes.core.ready import (
    AppendEntries,
    Compose,
    PutMemory,
    PutNote,
    Register,
    RegisterReply,
    Reply,
    Salvage,
    Write,
)
from nodes.core.rosters import RULES_KNOWN
from nodes.core.views import Shelf
from nodes.ports import Reader

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
        self._made: MadeBlock | None = None
        """The record of the newest block, if it was made while nobody waited."""
        self._made_for: tuple[int, ...] = ()
        """Our size then, and those of the candidates of which no record held the lines."""

    def load(self, head: Head, state: LogState, now_ms: int) -> None:
        """Start from what the store holds; all of it is judged."""
        assert head.size == state.size
        self.head, self.state, self.grown_ms = head, state, now_ms
        self._made, self._made_for = None, ()

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
        work = Intake(self._means, published, batch, unrecorded, shelf, reader, self._made)
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
        rosters, version = self._means.projection.ground.rosters, self.state.version
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
        rosters, version = self._means.projection.ground.rosters, self.state.version
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
        if not unrecorded and self.state.open_epoch is None:
            return None
        if self.is_closing_due(unrecorded, self.grown_ms):
            return self.grown_ms
        due_ms = self.grown_ms + self._refresh_ms()
        return due_ms if self.is_closing_due(unrecorded, due_ms) else None

    def _refresh_ms(self) -> int:
        return self._means.projection.ground.roster_of(self.state).constants.refresh_s * 1000

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
        keys = self._means.keys_of(projection.ground.roster_of(self.state))
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
        self._means.projection.ground.remember_root(self._origin, update.size, root)
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

    def prepare(
        self, unrecorded: Sequence[BlockLines], shelf: Shelf, now_ms: int, reader: Reader
    ) -> None:
        """Sign the record of the newest block, for the next batch to begin with.

        Done while nobody waits, it need not be done between a request and its answer.
        """
        made_for = (self.head.size, *(item.size for item in unrecorded))
        if self._is_all_published and made_for != self._made_for:
            batch = Batch(now_ms // 1000, self.state)
            work = OwnEntries(
                self._means, self.head.published, batch, unrecorded, shelf, reader, self._made
            )
            self._made, self._made_for = work.make_block(), made_for

    def grow_map(self, reader: Reader) -> tuple[Write, ...]:
        """Take the newest acts into the object map, of which the next block record names the root.

        The next entry is that record, so the map may be written before it.
        """
        if not self._is_all_published or self.state.objects.size == self.head.size:
            return ()
        self._means.projection.ground.map_root(self.state, reader)
        return tuple(map_writes(self.state))

    @property
    def _is_all_published(self) -> bool:
        """Whether the next entry is a block record: nothing waits below the note of an epoch."""
        return self.head.size > 0 and self.held_size is None

    def replies(self, batch: Batch) -> tuple[Reply, ...]:
        """Return the answers; they may leave once the batch is committed."""
        size = self.head.size
        return tuple(
            Reply(request_id, RegisterReply(results, size)) for request_id, results in batch.replies
        )

    def _prefetch(
        self, events: Sequence[Register | Compose | Salvage | Report], reader: Reader
    ) -> None:
        """Read in one call what most acts ask for: subject, signer and key, grant and count."""
        origin, region = self._origin, self._means.region
        members = self._means.projection.ground.roster_of(self.state).members
        wanted: list[tuple[str, str]] = []
        seen = set[tuple[str, bytes, str]]()
        for event in events:
            if isinstance(event, Register):
                for statement in event.statements:
                    wanted.append((origin, statement.subject))
                    grant = statement.act.body.get("grant")
                    if type(grant) is not str:
                        grant = ""
                    signed = (statement.issuer, statement.kid, grant)
                    if signed in seen:
                        continue  # most of a batch is signed by the same few, under the same grants
                    seen.add(signed)
                    wanted += (
                        (origin, statement.issuer),
                        (origin, key_object(region, statement.kid)),
                    )
                    if _is_object(grant):
                        wanted += ((origin, grant), (origin, quota_object(region, grant)))
                        if grant[:6] != region and grant[:6] in members:
                            wanted.append((members[grant[:6]].origin, grant))
            elif isinstance(event, Compose):
                wanted += ((origin, event.subject), (origin, event.issuer))
        if wanted:
            self._means.sight.prefetch(reader, wanted)


def _is_object(name: str) -> bool:
    """Say whether a name that was not checked yet is of the form."""
    try:
        check_object(name)
    except MalformedError:
        return False
    return True
