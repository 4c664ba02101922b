"""What our own log says itself: genesis, block records, views, epochs, last words and evidence."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ledger.beginning import GENESIS_KIND, genesis_body
from ledger.continuing import CONTINUES_KIND
from ledger.epochs import Counting, epoch_body
from ledger.equivocation import EVIDENCE_KIND, Conviction, Equivocation, evidence_body
from ledger.errors import RefusedError
from ledger.frozen import FROZEN_KIND, Frozen
from ledger.kind import Fact, ViewFact
from ledger.lineage import before
from ledger.roster import Roster
from ledger.roster_acts import (
    APPROVE_KIND,
    PROPOSE_KIND,
    Approval,
    Proposal,
    proposer_of,
    roster_object,
)
from ledger.roster_change import written_signed
from ledger.roster_fields import Pin
from ledger.signed_roster import decode_roster
from ledger.statement import Act, Statement, sign_statement
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
from nodes.core.batch import Batch, Means
from nodes.core.notes import Known, SignedHead, lines_of
from nodes.core.ready import Registered
from nodes.core.roster_judge import RosterJudge
from nodes.core.succession import opening_body
from nodes.core.views import Shelf, should_renew
from nodes.ports import Reader

if TYPE_CHECKING:
    from ledger.keys import SigningKey

# So many bytes of lines in one block record leave room for the rest of its entry.
BLOCK_LINES_BYTES_MAX: Final = 48 * 1024


class MadeBlock(NamedTuple):
    """A block record that is signed already, for when the next entry comes."""

    block: Block
    statement: Statement


class OwnEntries:
    """The making of one batch, as far as its entries are the log's own."""

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        means: Means,
        published: SignedHead | None,
        batch: Batch,
        unrecorded: Sequence[BlockLines],
        shelf: Shelf,
        reader: Reader,
        made: MadeBlock | None = None,
    ) -> None:
        self._means = means
        self._published = published
        self._batch = batch
        self._state = batch.state
        self._shelf = shelf
        self._reader = reader
        self._made = made
        self._region = means.region
        self._origin = means.origin
        self._projection = means.projection
        self._roster = means.projection.ground.roster_of(batch.state)
        self._keys = means.keys_of(self._roster)
        self._sight = means.sight
        self._delta_s = self._roster.constants.delta_s
        self._staleness_s = self._roster.constants.staleness_s
        self._lines = self._recordable(unrecorded)
        self._block_due = (
            published is not None and published.checkpoint.size > self._state.published_size
        )
        self._base_s = self._base_with(self._lines if self._block_due else ())

    # ---- views ----------------------------------------------------------------------------------

    def view_for(self, origin: str, objects: Sequence[str]) -> ViewFact:
        """Return the view of a log that an act now relies on, recorded now if need be."""
        current, best = self._state.views.get(origin), self.best(origin)
        if best is not None:
            rows = [self._sight.newest(self._reader, origin, name) for name in objects]
            needed = [row.index for row in rows if row is not None and row.origin == origin]
            if should_renew(current, best, needed, self._batch.now_s, self._roster.constants):
                self.append_view(origin)
                current = self._state.views[origin]
        if current is None:
            self._shelf.missed.add(origin)
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
        self._projection.words.take_view(self._state, view, body["roster"], self._batch.effects)
        self._base_s = max(self._base_s, known.fresh_at_s)
        self._append(statement)

    def _view_body(self, origin: str, known: Known) -> dict[str, Any]:
        """Return the body of a view, by the versions that count in the viewed log at that size."""
        viewed = self._projection.ground.state_of(origin)
        counting = None if viewed is None else viewed.counting(known.size)
        assert counting is not None  # the shelf takes no note of which nothing counts
        roster = self._projection.ground.rosters.at(counting.version)
        before = self._projection.ground.before_of(origin, counting)
        lines = lines_of(roster, origin, known.lines)
        if before is None:
            return view_body(known.note, roster, lines)
        return view_body(known.note, roster, lines, (before, lines_of(before, origin, known.lines)))

    def base_is_stale(self) -> bool:
        """Say whether b is so old that an act is to bring a later one with it."""
        return 2 * (self._batch.now_s - self._base_s) > self._staleness_s

    def freshen(self) -> bool:
        """Record a view of whichever log shows the latest time, if any shows a later one than b.

        Says whether one was recorded.
        """
        found = self._shelf.freshest(self._batch.now_s + self._delta_s)
        if found is None or found[1].fresh_at_s <= self._base_s:
            return False
        origin, best = found
        current = self._state.views.get(origin)
        if current is not None and best.size < current.size:
            return False
        self.append_view(origin)
        return True

    # ---- the log's own entries ------------------------------------------------------------------

    def append_genesis(self) -> None:
        """Write entry 0."""
        chain = self._projection.ground.rosters.chain
        roster = self._roster
        signed = chain.signed[roster.version - 1]
        if roster.version > 1:
            signed = written_signed(signed, chain.at(roster.version - 1))
        body = genesis_body(signed, roster.rules, roster.version)
        effects = self._batch.effects
        if before(self._roster.closed, self._origin) is None:
            statement = self._own_word(self._origin, Act(GENESIS_KIND, 1, None, (), body))
            self._projection.words.take_genesis(self._state, statement, effects)
        else:
            body = opening_body(body, self._roster, chain, self._origin, self._reader)
            statement = self._own_word(self._origin, Act(CONTINUES_KIND, 1, None, (), body))
            now_s = self._batch.now_s
            self._projection.words.judge_continues(
                self._state, statement, now_s, effects, self._reader
            )
        self._append(statement)

    def say_on_roster(self, kind: str, subject: str, body: Mapping[str, Any]) -> Registered:
        """Record what a governance key has signed on the next version.

        The newest views come first: what the word rests on is to be seen in them. A word that our
        own log refuses brings none, and one that is asked for again and again no second one: so a
        refusal grows the log once at most.
        """
        words = self._projection.words.roster.judge_of(self._state, subject, self._reader)
        words.check_alone(kind, subject, body)
        if kind == APPROVE_KIND:
            self._show_approved(words, Approval.decode(body))
        else:
            self._show_rested_on(kind, body)
        own = self._sight.newest(self._reader, self._origin, subject)
        statement = self._own_word(
            subject, Act(kind, 1, None if own is None else own.leaf, (), body)
        )
        row = words.judge(statement)
        words.check_own(statement)
        self.open_block()
        index = self._state.size
        if kind == PROPOSE_KIND:
            row = words.judge(statement)
        self._projection.words.roster.take(self._state, statement, row, self._batch.effects)
        self._append(statement)
        return Registered(index, None, statement.entry)

    def _show_approved(self, words: RosterJudge, approval: Approval) -> None:
        """Record what our log lacks to show a proposal, and what it pins of logs that we hold.

        Raises:
            LedgerError: No such proposal can be seen.
        """
        proposer = proposer_of(self._roster, approval.round)
        origin = self._roster.origin_of(proposer)
        word = self._word(proposer)
        if word is not None and word.index >= self._viewed_size(origin):
            self._renew(origin)
        for origin, pin in decode_roster(words.approved(approval).body).pins.items():
            if origin == self._origin:
                # What our own log pins is replicated as far as block records say.
                recorded = max((item.size for item in self._lines), default=0)
                if self._state.evidence.size < pin.size <= recorded:
                    self.open_block()
            elif self._is_to_show(origin, pin):
                self._renew(origin)

    def _is_to_show(self, origin: str, pin: Pin) -> bool:
        """Say whether a view now would show what is pinned of a log that we hold, and none does.

        So would a later one of the same tree, where a version has come into force in between.
        """
        best, viewed = self.best(origin), self._projection.ground.state_of(origin)
        if best is None or viewed is None or origin not in self._roster.origins:
            return False
        if self._region not in self._roster.witnesses_of(origin):
            return False
        size = self._viewed_size(origin)
        return size < pin.size <= best.size or (
            size > 0 and viewed.counting(size) != viewed.counting(best.size)
        )

    def _viewed_size(self, origin: str) -> int:
        current = self._state.views.get(origin)
        return 0 if current is None else current.size

    def _renew(self, origin: str) -> None:
        """Record the best note of a log, if it shows more than our newest view."""
        best = self.best(origin)
        if best is not None and best.size > self._viewed_size(origin):
            self.append_view(origin)

    def _show_rested_on(self, kind: str, body: Mapping[str, Any]) -> None:
        """Record what our log lacks to show what a proposal or a stall rests on."""
        pins = self._pins_to_show(kind, body)
        for origin in self._rested_on(kind, body):
            best, current = self.best(origin), self._state.views.get(origin)
            if best is None:
                continue
            if current is None or not self._shows(current, pins.get(origin), best.size):
                self._renew(origin)

    def _shows(self, view: ViewFact, pin: Pin | None, size: int) -> bool:
        """Say whether a view shows what is pinned of its log, and as much as one of ``size`` would.

        A later view of a quiet log would show no more; one of a log that has stalled since, or has
        come under the version in force, would.
        """
        viewed = self._projection.ground.state_of(view.origin)
        counting = None if viewed is None else viewed.counting(view.size)
        if counting is not None and counting.version < self._roster.version:
            return False
        if Pin(view.size, view.root) != pin:
            return False
        word = self._word(self._roster.region_of_origin(view.origin))
        return word is None or not view.size <= word.index < size

    def _word(self, region: str) -> Fact | None:
        """Return what is known here of a region's words on the next version."""
        origin = self._roster.origin_of(region)
        name = roster_object(region, self._roster.version + 1)
        return self._sight.newest(self._reader, origin, name)

    def _rested_on(self, kind: str, body: Mapping[str, Any]) -> Iterable[str]:
        """Return the logs of which a word on the roster is to be seen to rest on the newest view.

        A proposal rests on all; a stall, on its round's proposal and on what we hold.
        """
        if kind == PROPOSE_KIND:
            return self._roster.origins
        round_ = body.get("round")
        proposer = proposer_of(self._roster, round_) if type(round_) is int else ""
        return tuple(
            member.origin
            for region, member in self._roster.members.items()
            if region == proposer or self._region in self._roster.witnesses_of(member.origin)
        )

    def _pins_to_show(self, kind: str, body: Mapping[str, Any]) -> Mapping[str, Pin]:
        """Return what a proposal pins, which the newest views are to show as they are."""
        if kind != PROPOSE_KIND:
            return {}
        proposed = Proposal.decode(body, self._roster).body
        return {
            origin: pin
            for origin, pin in Roster.decode(proposed).pins.items()
            if origin in self._roster.origins
            and self._roster.members[self._roster.region_of_origin(origin)].witnesses is not None
        }

    def append_epoch(self, signed: bytes) -> None:
        """Let the next version of the roster rule from here on."""
        roster = self._projection.ground.rosters.at(self._roster.version + 1)
        issuer = self._means.keys_of(roster).issuer
        self.open_block()
        own = self._sight.newest(self._reader, self._origin, self._origin)
        act = Act(
            EPOCH_KIND, 1, None if own is None else own.leaf, (), epoch_body(signed, self._roster)
        )
        time_s = max(self._batch.now_s, self._base_s - self._delta_s)
        statement = sign_statement(
            cast("SigningKey", issuer), self._region, self._origin, time_s, act
        )
        self._projection.words.take_epoch(self._state, statement, roster, self._batch.effects)
        self._append(statement)

    def append_frozen(self, frozen: Frozen) -> Registered:
        """Record our last word on another log."""
        region = self._roster.region_of_origin(frozen.origin)
        own = self._sight.newest(self._reader, self._origin, region)
        act = Act(FROZEN_KIND, 1, None if own is None else own.leaf, (), frozen.to_body())
        statement = self._own_word(region, act)
        self.open_block()
        index = self._state.size
        self._projection.words.take_frozen(self._state, statement, frozen, self._batch.effects)
        self._append(statement)
        return Registered(index, None, statement.entry)

    def append_evidence(self, evidence: Equivocation, conviction: Conviction) -> None:
        """Record evidence, which was checked when it was found."""
        act = Act(EVIDENCE_KIND, 1, None, (), evidence_body(evidence))
        statement = self._own_word(conviction.subject, act)
        self.open_block()
        self._projection.words.take_evidence(
            self._state, statement.leaf, evidence, conviction, self._batch.effects
        )
        self._append(statement)

    def open_block(self) -> None:
        """Write the record of the block before, if this one has none yet."""
        if not self._block_due:
            return
        self._block_due = False
        block, statement = self.make_block()
        counts: list[Count] = []
        for item in block.lines:
            self._projection.blocks.add_count(self._state, item, counts, _own_count)
        self._projection.blocks.take_block(
            self._state, statement, block, counts, self._batch.effects
        )
        self._batch.recorded = tuple(item.size for item in block.lines)
        self._append(statement, is_block=True)

    def make_block(self) -> MadeBlock:
        """Return the record of the block before: the one made already, if it says what is so now.

        It is as old as two clocks may differ at most, so nobody can tell it from one made now.
        """
        block, made = self._block(), self._made
        if made is not None and made.block == block:
            age_s = self._batch.now_s - made.statement.time_s
            if 0 <= age_s <= self._delta_s:
                return made
        own = self._sight.newest(self._reader, self._origin, self._origin)
        act = Act(BLOCK_KIND, 1, None if own is None else own.leaf, (), block_body(block))
        return MadeBlock(block, self._own_word(self._origin, act))

    def _block(self) -> Block:
        published = self._published
        assert published is not None
        checkpoint = published.checkpoint
        return Block(
            height=self._state.height + 1,
            size=checkpoint.size,
            root=checkpoint.root,
            note=sha256(checkpoint.text()).digest(),
            roster=self._roster.version,
            rules=self._roster.rules,
            map_root=self._projection.ground.map_root(self._state, self._reader),
            lines=self._lines,
        )

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
                roster = self._projection.ground.rosters.at(version)
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
