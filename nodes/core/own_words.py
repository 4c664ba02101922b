"""What a log says itself: its beginning, blocks, views, epochs, freezes, and words on rosters."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ledger.beginning import GENESIS_KIND, check_beginning
from ledger.checkpoint import Checkpoint
from ledger.continuing import CONTINUES_KIND, covers, decode_continues
from ledger.epochs import Epoch, epoch_roster
from ledger.equivocation import (
    EVIDENCE_KIND,
    Conviction,
    Equivocation,
    check_evidence,
    decode_evidence,
)
from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    RefusedError,
    UnverifiedError,
)
from ledger.frozen import FROZEN_KIND, Frozen, decode_frozen
from ledger.kind import UNJUDGED, Fact, Severity, ViewFact
from ledger.lineage import before
from ledger.roster import Roster
from ledger.roster_acts import ROSTER_KINDS
from ledger.statement import Statement, UnverifiedStatement
from ledger.views import BLOCK_KIND, EPOCH_KIND, VIEW_KIND, View, decode_block, decode_view
from nodes.core.blocks import Blocks, good_lines
from nodes.core.effects import Effects
from nodes.core.ground import Ground
from nodes.core.log_state import LogState
from nodes.core.notes import SignedHead
from nodes.core.ready import FindingRow, PutEvidence
from nodes.core.roster_words import LATE, RosterWords, void_views
from nodes.core.rosters import RULES_KNOWN
from nodes.core.sight import INDEX_PAST_ALL
from nodes.core.waiting import Wait, wait_for_clock
from nodes.ports import Reader

LOG_KINDS: Final = ROSTER_KINDS | frozenset(
    {GENESIS_KIND, CONTINUES_KIND, BLOCK_KIND, VIEW_KIND, EPOCH_KIND, FROZEN_KIND, EVIDENCE_KIND}
)


class OwnWords:
    """Judges entries that no table of kinds knows, and takes them in.

    Args:
        ground: What they are judged by.
        blocks: Judges block records.
    """

    def __init__(self, ground: Ground, blocks: Blocks) -> None:
        self._ground = ground
        self._blocks = blocks
        self.roster = RosterWords(ground)

    def judge(
        self,
        state: LogState,
        statement: UnverifiedStatement,
        now_s: int,
        effects: Effects,
        reader: Reader,
    ) -> None:
        """Judge an entry that is a followed log's own word."""
        act = statement.act
        try:
            own = self._check_own_word(state, statement, reader)
        except ConflictError:
            if act.kind == VIEW_KIND:
                self._keep_void_view(state, statement, now_s, effects)
            raise
        if act.kind == GENESIS_KIND:
            self.check_genesis(state, statement)
            self.take_genesis(state, statement, effects)
        elif act.kind == CONTINUES_KIND:
            self.judge_continues(state, statement, now_s, effects, reader)
        elif act.kind == BLOCK_KIND:
            if statement.subject != state.origin:
                raise MalformedError("a block record is about its own log", code="bad-field")
            block = decode_block(act.body)
            for item in block.lines:
                wait_for_clock(item.lines, now_s + self._ground.delta_s)
            self._blocks.check_block(state, block, reader)
            counts = self._blocks.counts(state, block, reader)
            self._blocks.show_lines(state, block, counts, reader, effects)
            self._blocks.take_block(state, statement, block, counts, effects)
        elif act.kind in ROSTER_KINDS:
            self.roster.judge(state, statement, effects, reader)
        elif act.kind == FROZEN_KIND:
            roster = self._ground.roster_of(state)
            rosters = self._ground.rosters.chain.rosters[: roster.version]
            frozen = decode_frozen(act.body, statement.issuer, rosters)
            held = (frozen.witnessed, frozen.mirrored)
            wait_for_clock([it.line for it in held if it is not None], now_s + self._ground.delta_s)
            if statement.subject != roster.region_of_origin(frozen.origin):
                raise MalformedError("a freeze is about the region of the log", code="bad-field")
            self.take_frozen(state, statement, frozen, effects)
        elif act.kind == EVIDENCE_KIND:
            if own is not None:
                raise RefusedError("this key stands convicted in this log", code="exists")
            evidence = decode_evidence(act.body)
            wait_for_clock([said.signed for said in evidence.said], now_s + self._ground.delta_s)
            conviction = check_evidence(evidence, self._known_below(state, evidence))
            if conviction.subject != statement.subject:
                raise MalformedError("evidence is about the key that it convicts", code="bad-field")
            self.take_evidence(state, statement.leaf, evidence, conviction, effects)
        else:
            view = self.read_view(state, statement, now_s)
            if not (self.is_followed(state.origin, view.origin) and (own is None or own.is_judged)):
                self._take_unjudged_view(state, statement, view, effects)
                return
            viewed = self._ground.state_of(view.origin)
            checkpoint = Checkpoint(view.origin, view.size, view.root)
            head, signed = SignedHead(checkpoint, view.note), (*view.lines, *view.before)
            if viewed is None or view.size > viewed.size:
                raise Wait(view.origin, view.size, head=head, lines=signed)
            if self._ground.root(view.origin, view.size, reader) != view.root:
                # The viewed log has shown two histories, and the view is of the one that we do not
                # hold. That is no fault of this log's writer, so it waits and is not accused.
                raise Wait(view.origin, INDEX_PAST_ALL, head=head, lines=signed)
            try:
                self._check_counting(viewed, view)
            except RefusedError:
                self._take_void_view(state, statement, view, effects)
                raise
            roster = self._ground.rosters.at(view.roster)
            lines = good_lines(roster, view.origin, view.lines)
            effects.lines.append((checkpoint, lines))
            effects.shown.append((head, lines))
            self.take_view(
                state,
                ViewFact(
                    state.size, statement.leaf, view.origin, view.size, view.root, view.fresh_at_s
                ),
                view.roster,
                effects,
            )

    def _check_own_word(
        self, state: LogState, statement: UnverifiedStatement, reader: Reader
    ) -> Fact | None:
        """Check what every entry of the log itself must be, and return its subject's newest row."""
        act = statement.act
        region = self._ground.roster_of(state).region_of_origin(state.origin)
        if statement.issuer != region or act.version != 1 or act.citations:
            raise RefusedError(f"{act.kind} is the log's own word", code="not-entitled")
        own = self._ground.sight.newest(reader, state.origin, statement.subject)
        if own is not None and not own.is_judged:
            return own  # whether the entry before stands is not known
        if act.previous != (None if own is None else own.leaf):
            raise ConflictError(state.size, code="wrong-previous")
        return own

    def read_view(self, state: LogState, statement: UnverifiedStatement, now_s: int) -> View:
        """Read a view and check all that its bytes say.

        Raises:
            Wait: It holds a line dated beyond our clock, or names a version not known here.
            LedgerError: It is no view.
        """
        wait_for_clock(_lines_of(statement.act.body), now_s + self._ground.delta_s)
        view = self._decode_view(state, statement.act.body)
        if view.origin != statement.subject or view.origin == state.origin:
            raise MalformedError("a view is of the log that it is about", code="bad-field")
        return view

    def _decode_view(self, state: LogState, body: Mapping[str, Any]) -> View:
        """Read a view by the version that it names.

        Raises:
            Wait: That version is not known here, though the viewing log may know it already.
            LedgerError: It is no view, or names a version that cannot be signed yet.
        """
        version = body.get("roster")
        if type(version) is not int or version < 1:
            raise MalformedError("a view names a roster version", code="bad-field")
        # While this log is at one version, the one after the next cannot be signed.
        if version > state.version + 1:
            raise RefusedError(
                f"a view by roster version {version} under {state.version}", code="early-roster"
            )
        if version > self._ground.rosters.newest.version:
            raise Wait(None)
        before = self._ground.rosters.at(version - 1) if version > 1 else None
        return decode_view(body, self._ground.rosters.at(version), before)

    def _known_below(self, state: LogState, evidence: Equivocation) -> Mapping[int, Roster]:
        """Return the versions that evidence in a log may name: what the log itself can know.

        Raises:
            Wait: It names one that is not known here yet.
        """
        most = state.version + 1
        if any(self._ground.rosters.newest.version < it.roster <= most for it in evidence.said):
            raise Wait(None)
        return {it.version: it for it in self._ground.rosters.chain.rosters[:most]}

    def _check_counting(self, viewed: LogState, view: View) -> None:
        """Check that the lines of a view count in the viewed log at that size.

        Raises:
            RefusedError: ``uncounted-lines``.
        """
        counting = viewed.counting(view.size)
        if counting is None or counting.version != view.roster:
            raise RefusedError(
                f"lines by roster version {view.roster} count for nothing on {view.size} entries "
                f"of {view.origin}",
                code="uncounted-lines",
            )
        if bool(view.before) != (self._ground.before_of(view.origin, counting) is not None):
            raise RefusedError(
                f"the note of an epoch of {view.origin}, and it alone, has lines by both versions",
                code="uncounted-lines",
            )

    def is_followed(self, origin: str, viewed: str) -> bool:
        """Say whether a view in a log is judged here, and what it shows copied for that.

        All that a log near us views is, and of a log that is only followed, what is near anyway;
        but not after a view of the same log that is not.
        """
        return self._ground.is_near(origin) or self._ground.is_near(viewed)

    def _take_unjudged_view(
        self, state: LogState, statement: UnverifiedStatement, view: View, effects: Effects
    ) -> None:
        """Take a view in of what is not copied here: that it stands, nobody here can say."""
        found = {"size": view.size, "root": view.root, "fresh_at": view.fresh_at_s}
        row = Fact(
            state.origin,
            view.origin,
            state.size,
            statement.leaf,
            {**found, **_late(state, view.roster), "live": False, UNJUDGED: True},
        )
        effects.facts.append(row)
        self._ground.sight.add((row,))
        state.unjudged += 1

    def _keep_void_view(
        self, state: LogState, statement: UnverifiedStatement, now_s: int, effects: Effects
    ) -> None:
        """Keep what a view shows that is void for what stands before it, if its bytes are good."""
        try:
            view = self.read_view(state, statement, now_s)
        except LedgerError:
            return
        self._take_void_view(state, statement, view, effects)

    def _take_void_view(
        self, state: LogState, statement: UnverifiedStatement, view: View, effects: Effects
    ) -> None:
        """Keep what a void view shows, for words on the roster alone.

        Where this log is far, nobody can say that it is void; those words are judged there as well.
        """
        row = Fact(
            state.origin,
            void_views(view.origin),
            state.size,
            statement.leaf,
            {"size": view.size, "root": view.root, **_late(state, view.roster)},
        )
        effects.facts.append(row)
        self._ground.sight.add((row,))

    def take_view(self, state: LogState, view: ViewFact, version: int, effects: Effects) -> None:
        """Take a view in, whose lines count by a version of the roster."""
        shown = {"size": view.size, "root": view.root, "fresh_at": view.fresh_at_s}
        row = Fact(state.origin, view.origin, view.index, view.leaf, shown | _late(state, version))
        effects.facts.append(row)
        effects.views.append(view)
        self._ground.sight.add((row,))
        state.views[view.origin] = view
        state.base_s = max(state.base_s, view.fresh_at_s)

    def take_frozen(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        frozen: Frozen,
        effects: Effects,
    ) -> None:
        """Take a freeze in: where the newest one of each log stands."""
        row = Fact(
            state.origin,
            statement.subject,
            state.size,
            statement.leaf,
            {"frozen": frozen.origin, "roster": frozen.roster},
        )
        effects.facts.append(row)
        self._ground.sight.add((row,))

    def take_evidence(
        self,
        state: LogState,
        leaf: bytes,
        evidence: Equivocation,
        conviction: Conviction,
        effects: Effects,
    ) -> None:
        """Take evidence in that holds: a finding against whoever signed both."""
        origin, index = state.origin, state.size
        told = {
            "against": conviction.against,
            "region": conviction.region,
            "origin": conviction.origin,
        }
        row = Fact(origin, conviction.subject, index, leaf, told)
        effects.facts.append(row)
        self._ground.sight.add((row,))
        effects.convictions.append((evidence, conviction, index))
        effects.findings.append(
            FindingRow(
                origin=origin,
                index=index,
                code="equivocation",
                severity=Severity.BREACH.value,
                subject=conviction.subject,
                detail=conviction.detail,
                evidence=((origin, index),),
            )
        )

    # ---- how a log begins -----------------------------------------------------------------------

    def check_genesis(self, state: LogState, statement: Statement | UnverifiedStatement) -> None:
        """Check that an entry may open its log."""
        if state.size or statement.subject != state.origin:
            raise RefusedError("a log begins with its genesis, once", code="exists")
        roster = self._ground.roster_of(state)
        body = statement.act.body
        if before(roster.closed, state.origin) is not None:
            raise RefusedError("a successor begins with what it continues", code="bad-genesis")
        if body != check_beginning(body, self._ground.rosters.chain, roster):
            raise RefusedError("the genesis is of another form", code="bad-genesis")

    def judge_continues(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        now_s: int,
        effects: Effects,
        reader: Reader,
    ) -> None:
        """Judge the first entry of a successor log, and date what the closed one left open.

        1. It is the first, about its own log.
        2. It names the roster and the very cut by which the log before was closed.
        3. All of that log is judged here, since everything is read through to it.
        4. The mirror lines out of the members' freezes fix what no block record did.

        Raises:
            LedgerError: The log may not begin so.
            Wait: (3), or a line is dated beyond our clock.
        """
        if state.size or statement.subject != state.origin:  # (1)
            raise RefusedError("a log begins with what it continues, once", code="exists")
        roster, body = self._ground.roster_of(state), statement.act.body
        beginning = check_beginning(body, self._ground.rosters.chain, roster)
        continues = decode_continues(body, beginning, roster, state.origin)  # (2)
        old = self._ground.state_of(continues.origin)
        if (0 if old is None else old.size) < continues.size:  # (3)
            cut = Checkpoint(continues.origin, continues.size, continues.root)
            raise Wait(continues.origin, continues.size, head=SignedHead(cut, b""))
        wait_for_clock(
            [line for item in continues.lines for line in item.lines], now_s + self._ground.delta_s
        )
        self.take_genesis(state, statement, effects)
        if old is None:
            return  # that log was lost before its first entry
        found = covers(  # (4)
            continues,
            self._ground.rosters.chain.last_with(continues.origin),
            lambda size: self._ground.root(continues.origin, size, reader),
        )
        ranges, old.evidence = old.evidence.fixed(found)
        for low, high, seen_by_s in ranges:
            effects.evidence.append(PutEvidence(continues.origin, low, high, seen_by_s, low))
        if ranges:
            self._blocks.check_times(old, ranges, ranges[0].low, effects)

    def take_genesis(
        self, state: LogState, statement: Statement | UnverifiedStatement, effects: Effects
    ) -> None:
        """Take a genesis entry in."""
        row = Fact(state.origin, state.origin, state.size, statement.leaf, {"height": 0})
        effects.facts.append(row)
        self._ground.sight.add((row,))

    # ---- epochs ---------------------------------------------------------------------------------

    def ruling(self, state: LogState, statement: UnverifiedStatement) -> Roster:
        """Return the version that an entry is judged by: an epoch entry, by the one it begins.

        Raises:
            Wait: This program does not know the rules of that version.
            LedgerError: The entry begins no version that may follow.
        """
        if statement.act.kind != EPOCH_KIND:
            return self._ground.roster_of(state)
        ruling = self._ground.roster_of(state)
        signed = epoch_roster(statement.act.body, ruling)
        roster = self._ground.rosters.following(ruling, signed)
        if state.origin not in roster.origins:
            raise RefusedError(f"version {roster.version} closes this log", code="bad-epoch")
        if state.open_epoch is not None:
            raise RefusedError(
                f"the epoch of version {state.version} is still open", code="bad-epoch"
            )
        if roster.version > self._ground.rosters.newest.version:
            # Whoever holds the bytes of a signed version knows it, whoever brought them.
            self._ground.rosters.learn(signed.encode())
        if roster.version > self._ground.rosters.newest.version or (
            self._ground.rosters.at(roster.version).sha256 != roster.sha256
        ):
            raise UnverifiedError(f"another version {roster.version} is in force", code="bad-epoch")
        if roster.rules not in RULES_KNOWN:
            raise Wait(None)
        return roster

    def judge_epoch(
        self,
        state: LogState,
        statement: UnverifiedStatement,
        roster: Roster,
        effects: Effects,
        reader: Reader,
    ) -> None:
        """Judge an epoch entry that begins ``roster``, which follows."""
        self._check_own_word(state, statement, reader)
        if statement.subject != state.origin:
            raise MalformedError("an epoch is of its own log", code="bad-field")
        self.take_epoch(state, statement, roster, effects)

    def take_epoch(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        roster: Roster,
        effects: Effects,
    ) -> None:
        """Take an epoch entry in: it and all after it are judged by ``roster``."""
        origin, index = state.origin, state.size
        row = Fact(origin, origin, index, statement.leaf, {"height": state.height})
        effects.facts.append(row)
        self._ground.sight.add((row,))
        before = self._ground.roster_of(state)
        # Where neither version gives the log witnesses, nobody could sign its note.
        is_alone = not before.witnesses_of(origin) and not roster.witnesses_of(origin)
        state.epochs = (*state.epochs, Epoch(roster.version, index, index if is_alone else None))
        effects.is_epoch = True


def _late(state: LogState, version: int) -> dict[str, object]:
    """Return what a row says of a view by a version that two have followed in the view's log."""
    return {LATE: True} if version < state.version - 1 else {}


def _lines_of(body: Any) -> Sequence[object]:  # noqa: ANN401 - a body not yet checked
    found = (body.get("lines"), body.get("before"))
    return [line for lines in found if isinstance(lines, list) for line in lines]
