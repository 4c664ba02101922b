"""What the entries of one log mean: facts, findings, uses, times. The same code for every log.

Each entry is judged by the prefix of its own log and by the prefixes that views in it name, never
by when it arrived; so all nodes reach one state. Uses are settled elsewhere (``settlement``), and
who may append what to our own log is the sequencer's business.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from authz.tally import NOBODY, tallies
from authz.ties import fields_followed, ties_of
from ledger.beginning import GENESIS_KIND, check_beginning
from ledger.checkpoint import Checkpoint
from ledger.continuing import CONTINUES_KIND, covers, decode_continues
from ledger.cosignature import LINE_BYTES
from ledger.epochs import Counting, Epoch, epoch_roster
from ledger.equivocation import (
    EVIDENCE_KIND,
    Conviction,
    Equivocation,
    check_evidence,
    decode_evidence,
)
from ledger.errors import ConflictError, LedgerError, MalformedError, RefusedError, UnverifiedError
from ledger.frozen import FROZEN_KIND, Frozen, decode_frozen
from ledger.judge import SIGNER, judge, kind_of, wants
from ledger.keys import key_thumbprint
from ledger.kind import Acting, Draft, Fact, Judgement, Kind, Kinds, Need, Severity, ViewFact
from ledger.lineage import before, living
from ledger.map_tree import Child, Load, Node, ObjectMap
from ledger.object_map import EMPTY_MAP_ROOT, is_object
from ledger.proofs import root_at
from ledger.roster import Roster
from ledger.roster_acts import ROSTER_KINDS
from ledger.roster_chain import check_successor
from ledger.salvage import SALVAGE_KIND, check_salvage, salvage_mark, salvaged_object
from ledger.statement import (
    ROLE_VIEW,
    Statement,
    UnverifiedStatement,
    decode_statement,
    verify_statement,
)
from ledger.suites import SM2_SM3, CheckSM2, no_sm2
from ledger.tiles import read_nodes
from ledger.views import (
    BLOCK_KIND,
    EPOCH_KIND,
    VIEW_KIND,
    Block,
    BlockLines,
    Count,
    Cover,
    Evidence,
    FixedRange,
    GoodLine,
    View,
    collect_lines,
    count_lines,
    decode_block,
    decode_view,
    fresh_at,
)
from nodes.core.effects import Effects
from nodes.core.log_state import LogState
from nodes.core.notes import SignedHead
from nodes.core.ready import FindingRow, PutEvidence
from nodes.core.roster_judge import RosterJudge, assemble
from nodes.core.rosters import RULES_KNOWN, Rosters
from nodes.core.sight import INDEX_PAST_ALL, Generations, Sight
from nodes.ports import Reader, UseRow

LOG_KINDS: Final = ROSTER_KINDS | frozenset(
    {GENESIS_KIND, CONTINUES_KIND, BLOCK_KIND, VIEW_KIND, EPOCH_KIND, FROZEN_KIND, EVIDENCE_KIND}
)
MAP_PENDING_MAX: Final = 8_192
"""Acts that a log's object map holds in memory; block records come far more often."""
ROOTS_CACHED_MAX: Final = 1_024
NO_TIME_S: Final = 0
"""Stands for the declared time of bytes that are no statement: never later than they were seen."""
# A line's time stands behind its key id.
_LINE_TIME: Final = slice(4, 12)


class Wait(Exception):  # noqa: N818 - not a failure: the entry is judged later
    """The entry cannot be judged yet, and so none after it.

    Args:
        origin: Of the log of which more must be judged first; None when only time is missing.
        size: How much of it.
        until_s: When our clock allows a line in it; 0 when that is not the reason.
        head: What a quorum of that log's mirrors signed, and so holds; None where nobody need.
    """

    def __init__(
        self,
        origin: str | None,
        size: int = 0,
        until_s: int = 0,
        head: SignedHead | None = None,
    ) -> None:
        super().__init__(f"{origin} {size}" if origin else f"until {until_s}")
        self.origin = origin
        self.size = size
        self.until_s = until_s
        self.head = head


@dataclass(frozen=True, slots=True)
class Verdict:
    """An act that stands: what it changes, and what it was judged by."""

    kind: Kind
    judgement: Judgement
    facts: dict[str, Fact | None]
    views: dict[str, ViewFact]
    own: Fact | None


class Projection:
    """Judges entries against the facts so far. Holds no state of any one log.

    Args:
        rosters: All versions that are known.
        kinds: The joined table.
        sight: Facts of all logs.
        state_of: How far another log is judged here; what views name beyond it must wait. None
            where nothing is.
        sm2: Checks SM2 signatures, where the roster names them.
    """

    def __init__(
        self,
        rosters: Rosters,
        kinds: Kinds,
        sight: Sight,
        state_of: Callable[[str], LogState | None],
        *,
        sm2: CheckSM2 = no_sm2,
    ) -> None:
        self._sm2 = sm2
        self.rosters = rosters
        self.kinds = kinds
        self._followed = fields_followed(kinds)
        self._sight = sight
        self.state_of = state_of
        self._roots: Generations[tuple[str, int], bytes] = Generations(ROOTS_CACHED_MAX)

    @property
    def delta_s(self) -> int:
        """The tolerance with which our own clock is read: that of the newest version."""
        return self.rosters.newest.constants.delta_s

    def roster_of(self, state: LogState) -> Roster:
        """Return the version that the next entry of a log is judged by."""
        return self.rosters.at(state.version)

    def sm2_of(self, roster: Roster) -> CheckSM2 | None:
        """Return what checks SM2 signatures; None where a version does not name them."""
        return self._sm2 if SM2_SM3 in roster.suites else None

    def new_state(self, origin: str) -> LogState:
        """Return the state of a log of which nothing is judged."""
        first = self.rosters.chain.first_with(origin)
        evidence = Evidence(first.quorum(origin))
        return LogState(origin, 0, evidence, (Epoch(first.version, 0, 0),))

    def load_state(self, origin: str, size: int, state: bytes, reader: Reader) -> LogState:
        """Return the state of a log as it was stored, with what is found again in its entries."""
        loaded = LogState.decode(origin, size, state)
        for other in self.rosters.chain.origins():
            fact = self._sight.below(reader, origin, other, size)
            if fact is not None and fact.origin == origin != other:
                loaded.views[other] = view_of(fact)
        map_size, root = reader.map_head(origin)
        if not self._is_map_root(origin, map_size, root, reader):
            map_size, root = 0, None  # made again from the entries
        loaded.objects = ObjectMap(map_size, root)
        for start in range(min(loaded.evidence.size, map_size), size, 256):
            for at, entry in enumerate(
                reader.entries(origin, start, min(start + 256, size)), start
            ):
                try:
                    made = decode_statement(entry)
                except LedgerError:
                    made = None
                if at >= loaded.evidence.size:
                    loaded.note_time(at, NO_TIME_S if made is None else made.time_s)
                if made is not None and at >= map_size and is_object(made.subject):
                    loaded.objects.note(made.subject, at, made.leaf)
                    if loaded.objects.pending_size >= MAP_PENDING_MAX:
                        loaded.objects.root_at(at + 1, _stored_nodes(origin, reader))
        return loaded

    def _is_map_root(self, origin: str, size: int, root: Child | None, reader: Reader) -> bool:
        """Say whether the block record of this size, if that stood, names the root that is stored.

        A record that named another root has a finding, and then the one stored is right.
        """
        found = reader.entries(origin, size, size + 1)
        fact = self._sight.newest(reader, origin, origin)
        if not found or fact is None or (fact.origin, fact.index) != (origin, size):
            return True
        act = decode_statement(found[0]).act
        if act.kind != BLOCK_KIND:
            return True
        return decode_block(act.body).map_root == (EMPTY_MAP_ROOT if root is None else root.hash)

    def remember_root(self, origin: str, size: int, root: bytes) -> None:
        """Keep a root that we have just computed, as the next block record will name it."""
        self._roots.put((origin, size), root)

    def forget(self) -> None:
        """Drop what may come from a transaction that did not happen."""
        self._roots.clear()

    # ---- entries of any log ---------------------------------------------------------------------

    def judge_entry(
        self, state: LogState, entry: bytes, now_s: int, effects: Effects, reader: Reader
    ) -> None:
        """Judge the next entry of a log that we follow, and take it into its state.

        1. It is a statement, by a key that its log knows.
        2. Its declared time is not before b - δ. (Whether it is after e + δ shows later.)
        3. An entry of the log itself, or an act by the table of kinds.
        What fails becomes a finding; the entry is void and changes nothing.

        Raises:
            Wait: It holds a line dated beyond our clock, or a view of what is not judged here yet.
        """
        index, base_s = state.size, state.base_s
        try:
            unverified = decode_statement(entry)
        except LedgerError as error:  # (1)
            _find(effects, state, index, error, subject=state.origin)
            state.grow(NO_TIME_S, is_block=False)
            return
        try:
            roster = self._ruling(state, unverified)
            self.check_signature(roster, state.origin, unverified, reader)
            if unverified.act.kind == EPOCH_KIND:
                self._judge_epoch(state, unverified, roster, effects, reader)
            elif unverified.act.kind in LOG_KINDS:  # (3)
                self._judge_own(state, unverified, now_s, effects, reader)
            elif unverified.act.kind == SALVAGE_KIND:
                judged, verdict = self.judge_salvage(state, unverified, index, reader)
                self.take(state, judged, index, verdict, effects)
            else:
                verdict = self.judge_act(state, unverified, index, reader)
                self.take(state, unverified, index, verdict, effects)
        except LedgerError as error:
            _find(effects, state, index, error, subject=unverified.subject)
            if is_object(unverified.subject):
                effects.voids.append((state.origin, unverified.subject, index))
            is_signed = not isinstance(error, UnverifiedError)
            self._tie(state, unverified, index, None, effects, signed=is_signed)
        if unverified.time_s < base_s - self.roster_of(state).constants.delta_s:  # (2)
            early = RefusedError(
                f"declared {unverified.time_s}, after it knew of {base_s}", code="declared-time"
            )
            _find(effects, state, index, early, subject=unverified.subject)
        state.note_act(unverified.subject, unverified.leaf)
        state.grow(unverified.time_s, is_block=unverified.act.kind == BLOCK_KIND)
        if state.objects.pending_size >= MAP_PENDING_MAX:
            self.map_root(state, reader)  # A log without block records must not fill memory.

    def check_signature(
        self, roster: Roster, origin: str, unverified: UnverifiedStatement, reader: Reader
    ) -> None:
        """Check that the issuer's key, as this log knows it, signed a statement.

        Raises:
            UnverifiedError: ``unknown-key``, ``bad-algorithm`` or ``bad-signature``.
            RefusedError: ``suite-not-named``.
        """
        verify_statement(
            unverified, self.public_of(roster, origin, unverified, reader), self.sm2_of(roster)
        )

    def public_of(
        self,
        roster: Roster,
        origin: str,
        statement: UnverifiedStatement | Statement,
        reader: Reader,
    ) -> bytes:
        """Return the key that the issuer signs by in a log: the region's, or an enrolled officer's.

        Raises:
            UnverifiedError: ``unknown-key``.
        """
        region = roster.region_of_origin(origin)
        issuer, kid = statement.issuer, statement.kid
        if issuer == region:
            public = roster.members[region].keys.issuer
            if key_thumbprint(public) != kid:
                raise UnverifiedError("not the region's issuer key", code="unknown-key")
            return public
        fact = self._sight.newest(reader, origin, key_object(region, kid))
        if fact is None or not fact.live or fact.state.get("party") != issuer:
            raise UnverifiedError(f"no live key of {issuer} here", code="unknown-key")
        found: bytes = fact.state["key"]
        return found

    def judge_act(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        index: int,
        reader: Reader,
        *,
        is_salvaged: bool = False,
    ) -> Verdict:
        """Judge an act by the table of kinds, as it would stand at ``index``.

        Raises:
            LedgerError: The act is void, or may not be appended.
        """
        act = statement.act
        kind = kind_of(self.kinds, act.kind, act.version)
        origin, roster = state.origin, self.roster_of(state)
        region = roster.region_of_origin(origin)
        own = self._sight.newest(reader, origin, statement.subject)
        draft = Draft(
            kind=act.kind,
            version=act.version,
            issuer=statement.issuer,
            subject=statement.subject,
            time_s=statement.time_s,
            body=act.body,
        )
        try:
            needs = wants(kind, draft, own, region, roster)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _unjudgeable(kind, error) from error
        views = self._views(state, statement, index, reader) if act.citations else {}
        facts = self.resolve(origin, needs, views, reader)
        if act.citations:
            self._check_leaves(origin, statement, index, facts, reader)
        acting = Acting(
            statement=statement,
            origin=origin,
            region=region,
            index=index,
            roster=roster,
            own=own,
            signer=facts.get(SIGNER),
            facts=facts,
            views=views,
            is_salvaged=is_salvaged,
        )
        try:
            return Verdict(kind, judge(kind, acting, needs), facts, views, own)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _unjudgeable(kind, error) from error

    def judge_salvage(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        index: int,
        reader: Reader,
    ) -> tuple[Statement | UnverifiedStatement, Verdict]:
        """Judge an act that a closed log lost, as it would stand at ``index`` of its successor.

        What ``check_salvage`` says; then as any act, in its new place.

        Returns:
            The act as it is judged, and what it changes.

        Raises:
            LedgerError: The act is void, or may not be appended.
        """
        origin, roster = state.origin, self.roster_of(state)
        judged = check_salvage(
            statement,
            origin,
            index,
            roster,
            self.rosters.chain,
            public_of=lambda inner: self.public_of(roster, origin, inner, reader),
            newest=lambda name: self._sight.newest(reader, origin, name),
            leaf_at=lambda old, at: reader.leaves([(old, at)])[0],
            sm2=self.sm2_of(roster),
        )
        verdict = self.judge_act(state, judged, index, reader, is_salvaged=True)
        changes = (*verdict.judgement.changes, salvage_mark(origin, statement))
        return judged, replace(verdict, judgement=replace(verdict.judgement, changes=changes))

    def salvaged(self, origin: str, leaf: bytes, reader: Reader) -> Fact | None:
        """Return the row that says that a lost act was salvaged; None: it was not."""
        return self._sight.newest(reader, origin, salvaged_object(origin, leaf))

    def resolve(
        self, origin: str, needs: Iterable[Need], views: dict[str, ViewFact], reader: Reader
    ) -> dict[str, Fact | None]:
        """Return the facts that needs name, each as of the view of its log."""
        facts: dict[str, Fact | None] = {}
        for need in needs:
            if need.origin is None:
                facts[need.name] = self._sight.newest(reader, origin, need.object)
            else:
                view = views.get(need.origin)
                facts[need.name] = (
                    None
                    if view is None
                    else self._sight.below(reader, need.origin, need.object, view.size)
                )
        return facts

    def take(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        index: int,
        verdict: Verdict,
        effects: Effects,
    ) -> None:
        """Carry out a verdict: new rows, uses, flags and mentions."""
        origin, leaf, judgement = state.origin, statement.leaf, verdict.judgement
        rows = {
            change.object: Fact(origin, change.object, index, leaf, change.state)
            for change in judgement.changes
        }
        if statement.subject not in rows:
            # An act that changes nothing is still the one that the next act's ``previous`` names.
            kept = {} if verdict.own is None else verdict.own.state
            rows[statement.subject] = Fact(origin, statement.subject, index, leaf, kept)
        effects.facts += rows.values()
        self._sight.add(rows.values())
        staleness_s = self.roster_of(state).constants.staleness_s
        for use in judgement.uses:
            fact = verdict.facts[use.need]
            view = None if fact is None else self.view_over(fact, verdict.views)
            if fact is None or view is None:
                continue
            effects.uses.append(
                UseRow(
                    origin=origin,
                    index=index,
                    fact_origin=fact.origin,
                    fact_object=fact.object,
                    fact_index=fact.index,
                    view_size=view.size,
                    fresh_at_s=view.fresh_at_s,
                    staleness_s=min(use.staleness_s, staleness_s),
                    status="open",
                )
            )
        for flag in judgement.flags:
            effects.findings.append(
                FindingRow(
                    origin=origin,
                    index=index,
                    code=flag.code,
                    severity=Severity.FLAG.value,
                    subject=statement.subject,
                    detail=flag.detail,
                    evidence=((origin, index),),
                )
            )
        for mentioned in judgement.mentions:
            if mentioned not in rows:
                effects.mentions.append((origin, mentioned, index))
        released = verdict.facts.get("release")
        before = verdict.own if released is None else released
        effects.tally(
            state.published_size,
            index,
            tallies(
                statement.act.kind,
                statement.subject,
                statement.time_s,
                NOBODY if before is None else before.state,
                rows[statement.subject].state,
                judgement.flags,
            ),
        )
        self._tie(state, statement, index, verdict.facts.get(SIGNER), effects, signed=True)
        if statement.act.citations:
            effects.noticed.append((index, statement))

    def _tie(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        index: int,
        signer: Fact | None,
        effects: Effects,
        *,
        signed: bool,
    ) -> None:
        """Note what an act is found by."""
        fields = self._followed.get((statement.act.kind, statement.act.version), ())
        unit = None if signer is None else signer.state.get("unit")
        effects.ties += [
            (state.origin, name, index, statement.time_s)
            for name in ties_of(statement, fields, unit, signed=signed)
        ]

    def view_over(self, fact: Fact, views: Mapping[str, ViewFact]) -> ViewFact | None:
        """Return the view that shows a foreign fact: of its log, or of one that goes on from it.

        None for a fact of the citing log.
        """
        closed = self.rosters.newest.closed
        return next(
            (
                view
                for at, view in views.items()
                if at in {fact.origin, living(closed, fact.origin)}
            ),
            None,
        )

    # ---- citations ------------------------------------------------------------------------------

    def _views(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        index: int,
        reader: Reader,
    ) -> dict[str, ViewFact]:
        """Return the views that an act cites, each found in this log below the act.

        Raises:
            RefusedError: ``void-citation``.
        """
        views: dict[str, ViewFact] = {}
        for citation in statement.act.citations:
            if citation.role != ROLE_VIEW:
                continue
            view = state.views.get(citation.origin)
            if view is None or view.index != citation.index:
                fact = None
                if citation.origin != state.origin and citation.index < index:
                    fact = self._sight.below(
                        reader, state.origin, citation.origin, citation.index + 1
                    )
                view = None
                if fact is not None and fact.origin == state.origin and "fresh_at" in fact.state:
                    view = view_of(fact)
            if view is None or (view.index, view.leaf) != (citation.index, citation.leaf):
                raise RefusedError(
                    f"entry {citation.index} is no view of {citation.origin}", code="void-citation"
                )
            views[citation.origin] = view
        return views

    def _check_leaves(
        self,
        origin: str,
        statement: Statement | UnverifiedStatement,
        index: int,
        facts: dict[str, Fact | None],
        reader: Reader,
    ) -> None:
        """Check that each entry cited has the leaf hash that the citation says.

        Raises:
            RefusedError: ``void-citation``.
        """
        known = {
            (fact.origin, fact.index): fact.leaf for fact in facts.values() if fact is not None
        }
        for citation in statement.act.citations:
            if citation.role == ROLE_VIEW:
                continue
            at = (citation.origin, citation.index)
            leaf = known.get(at)
            if leaf is None:
                if citation.origin == origin and citation.index >= index:
                    continue  # refused by the judge, which says so better
                (leaf,) = reader.leaves([at])
                if leaf is None and citation.origin == origin:
                    leaf = self._sight.made_at(origin, citation.index)
            if leaf != citation.leaf:
                raise RefusedError(
                    f"the leaf of {citation.origin} {citation.index} is another",
                    code="void-citation",
                )

    # ---- entries of the log itself --------------------------------------------------------------

    def _judge_own(
        self,
        state: LogState,
        statement: UnverifiedStatement,
        now_s: int,
        effects: Effects,
        reader: Reader,
    ) -> None:
        """Judge an entry that is a followed log's own word."""
        own = self._check_own_word(state, statement, reader)
        act = statement.act
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
                _wait_for_clock(item.lines, now_s + self.delta_s)
            self.check_block(state, block, reader)
            counts = self._counts(state, block, reader)
            self._show_lines(state, block, counts, reader, effects)
            self.take_block(state, statement, block, counts, effects)
        elif act.kind in ROSTER_KINDS:
            row = self.judge_roster_act(state, statement, reader)
            self.take_roster_act(state, statement, row, effects)
        elif act.kind == FROZEN_KIND:
            roster = self.roster_of(state)
            frozen = decode_frozen(act.body, statement.issuer, roster)
            held = (frozen.witnessed, frozen.mirrored)
            _wait_for_clock([it.line for it in held if it is not None], now_s + self.delta_s)
            if statement.subject != roster.region_of_origin(frozen.origin):
                raise MalformedError("a freeze is about the region of the log", code="bad-field")
            self.take_frozen(state, statement, frozen, effects)
        elif act.kind == EVIDENCE_KIND:
            if own is not None:
                raise RefusedError("this key stands convicted in this log", code="exists")
            evidence = decode_evidence(act.body)
            _wait_for_clock([said.signed for said in evidence.said], now_s + self.delta_s)
            conviction = check_evidence(evidence, self._known_below(state, evidence))
            if conviction.subject != statement.subject:
                raise MalformedError("evidence is about the key that it convicts", code="bad-field")
            self.take_evidence(state, statement.leaf, evidence, conviction, effects)
        else:
            _wait_for_clock(_lines_of(act.body), now_s + self.delta_s)
            view = self._decode_view(state, act.body)
            if view.origin != statement.subject or view.origin == state.origin:
                raise MalformedError("a view is of the log that it is about", code="bad-field")
            viewed = self.state_of(view.origin)
            if viewed is None or view.size > viewed.size:
                checkpoint = Checkpoint(view.origin, view.size, view.root)
                raise Wait(view.origin, view.size, head=SignedHead(checkpoint, view.note))
            if self.root(view.origin, view.size, reader) != view.root:
                # The viewed log has shown two histories, and the view is of the one that we do not
                # hold. That is no fault of this log's writer, so it waits and is not accused.
                checkpoint = Checkpoint(view.origin, view.size, view.root)
                raise Wait(view.origin, INDEX_PAST_ALL, head=SignedHead(checkpoint, view.note))
            self._check_counting(viewed, view)
            checkpoint = Checkpoint(view.origin, view.size, view.root)
            roster = self.rosters.at(view.roster)
            effects.lines.append((checkpoint, _good(roster, view.origin, view.lines)))
            self.take_view(
                state,
                ViewFact(
                    state.size, statement.leaf, view.origin, view.size, view.root, view.fresh_at_s
                ),
                effects,
            )

    def _check_own_word(
        self, state: LogState, statement: UnverifiedStatement, reader: Reader
    ) -> Fact | None:
        """Check what every entry of the log itself must be, and return its subject's newest row."""
        act = statement.act
        region = self.roster_of(state).region_of_origin(state.origin)
        if statement.issuer != region or act.version != 1 or act.citations:
            raise RefusedError(f"{act.kind} is the log's own word", code="not-entitled")
        own = self._sight.newest(reader, state.origin, statement.subject)
        if act.previous != (None if own is None else own.leaf):
            raise ConflictError(state.size, code="wrong-previous")
        return own

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
        if version > self.rosters.newest.version:
            raise Wait(None)
        before = self.rosters.at(version - 1) if version > 1 else None
        return decode_view(body, self.rosters.at(version), before)

    def _known_below(self, state: LogState, evidence: Equivocation) -> Mapping[int, Roster]:
        """Return the versions that evidence in a log may name: what the log itself can know.

        Raises:
            Wait: It names one that is not known here yet.
        """
        most = state.version + 1
        if any(self.rosters.newest.version < it.roster <= most for it in evidence.said):
            raise Wait(None)
        return {it.version: it for it in self.rosters.chain.rosters[:most]}

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
        if bool(view.before) != (self.before_of(view.origin, counting) is not None):
            raise RefusedError(
                f"the note of an epoch of {view.origin}, and it alone, has lines by both versions",
                code="uncounted-lines",
            )

    def before_of(self, origin: str, counting: Counting) -> Roster | None:
        """Return the version that lines on the note of an epoch count by as well.

        None for other notes, and where that version gives the log no witnesses: nobody could sign.
        """
        if counting.before is None:
            return None
        before = self.rosters.at(counting.before)
        return before if before.witnesses_of(origin) else None

    # ---- the next version -----------------------------------------------------------------------

    def judge_roster_act(
        self, state: LogState, statement: Statement | UnverifiedStatement, reader: Reader
    ) -> dict[str, Any]:
        """Judge a proposal, an approval or a stall, and return what it leaves its object in.

        Raises:
            LedgerError: It may not stand in this log here.
        """

        def row(origin: str, object_: str) -> Fact | None:
            if origin == state.origin:
                return self._sight.newest(reader, origin, object_)
            view = state.views.get(origin)
            return None if view is None else self._sight.below(reader, origin, object_, view.size)

        def root(origin: str, size: int) -> bytes:
            return self.root(origin, size, reader)

        judge_ = RosterJudge(self.rosters, state, self.state_of, row, root, reader)
        return judge_.judge(statement)

    def take_roster_act(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        row: Mapping[str, Any],
        effects: Effects,
    ) -> None:
        """Take a word on the next version in."""
        fact = Fact(state.origin, statement.subject, state.size, statement.leaf, row)
        effects.facts.append(fact)
        self._sight.add((fact,))
        effects.is_on_roster = True

    def assembled(self, reader: Reader) -> bytes:
        """Return the next version, signed, once enough approvals of it are known; or empty."""
        return assemble(
            self.rosters, lambda origin, name: self._sight.newest(reader, origin, name), reader
        )

    # ---- epochs ---------------------------------------------------------------------------------

    def _ruling(self, state: LogState, statement: UnverifiedStatement) -> Roster:
        """Return the version that an entry is judged by: an epoch entry, by the one it begins.

        Raises:
            Wait: This program does not know the rules of that version.
            LedgerError: The entry begins no version that may follow.
        """
        if statement.act.kind != EPOCH_KIND:
            return self.roster_of(state)
        signed = epoch_roster(statement.act.body)
        roster = check_successor(self.roster_of(state), signed)
        if state.origin not in roster.origins:
            raise RefusedError(f"version {roster.version} closes this log", code="bad-epoch")
        if state.open_epoch is not None:
            raise RefusedError(
                f"the epoch of version {state.version} is still open", code="bad-epoch"
            )
        if roster.version > self.rosters.newest.version:
            # Whoever holds the bytes of a signed version knows it, whoever brought them.
            self.rosters.learn(signed.encode())
        if roster.version > self.rosters.newest.version or (
            self.rosters.at(roster.version).sha256 != roster.sha256
        ):
            raise UnverifiedError(f"another version {roster.version} is in force", code="bad-epoch")
        if roster.rules not in RULES_KNOWN:
            raise Wait(None)
        return roster

    def _judge_epoch(
        self,
        state: LogState,
        statement: UnverifiedStatement,
        roster: Roster,
        effects: Effects,
        reader: Reader,
    ) -> None:
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
        self._sight.add((row,))
        before = self.roster_of(state)
        # Where neither version gives the log witnesses, nobody could sign its note.
        is_alone = not before.witnesses_of(origin) and not roster.witnesses_of(origin)
        state.epochs = (*state.epochs, Epoch(roster.version, index, index if is_alone else None))
        effects.is_epoch = True

    # ---- genesis and blocks ---------------------------------------------------------------------

    def check_genesis(self, state: LogState, statement: Statement | UnverifiedStatement) -> None:
        """Check that an entry may open its log."""
        if state.size or statement.subject != state.origin:
            raise RefusedError("a log begins with its genesis, once", code="exists")
        roster = self.roster_of(state)
        body = statement.act.body
        if before(roster.closed, state.origin) is not None:
            raise RefusedError("a successor begins with what it continues", code="bad-genesis")
        if body != check_beginning(body, self.rosters.chain, roster):
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
        roster, body = self.roster_of(state), statement.act.body
        beginning = check_beginning(body, self.rosters.chain, roster)
        continues = decode_continues(body, beginning, roster, state.origin)  # (2)
        old = self.state_of(continues.origin)
        if old is None or old.size < continues.size:  # (3)
            cut = Checkpoint(continues.origin, continues.size, continues.root)
            raise Wait(continues.origin, continues.size, head=SignedHead(cut, b""))
        _wait_for_clock(
            [line for item in continues.lines for line in item.lines], now_s + self.delta_s
        )
        self.take_genesis(state, statement, effects)
        found = covers(  # (4)
            continues,
            self.rosters.chain.last_with(continues.origin),
            lambda size: self.root(continues.origin, size, reader),
        )
        ranges, old.evidence = old.evidence.fixed(found)
        for low, high, seen_by_s in ranges:
            effects.evidence.append(PutEvidence(continues.origin, low, high, seen_by_s, low))
        if ranges:
            self._check_times(old, ranges, ranges[0].low, effects)

    def take_genesis(
        self, state: LogState, statement: Statement | UnverifiedStatement, effects: Effects
    ) -> None:
        """Take a genesis entry in."""
        row = Fact(state.origin, state.origin, state.size, statement.leaf, {"height": 0})
        effects.facts.append(row)
        self._sight.add((row,))

    def check_block(self, state: LogState, block: Block, reader: Reader) -> None:
        """Check that a block record names its own log's past.

        Raises:
            RefusedError: ``bad-block``.
        """
        if block.height != state.height + 1:
            raise RefusedError(f"block {block.height} after {state.height}", code="bad-block")
        if block.size != state.size:
            # A record is the first entry after what it records.
            raise RefusedError(f"block of size {block.size} at {state.size}", code="bad-block")
        roster = self.roster_of(state)
        if block.roster != roster.version or block.rules != roster.rules:
            raise RefusedError("the block names another roster or rules", code="bad-block")
        for item in block.lines:
            least, most = self._lines_asked(state, item.size, block)
            if not least <= len(item.lines) <= most:
                raise RefusedError(
                    "a candidate is recorded with a quorum of lines", code="bad-block"
                )
        if self.root(state.origin, block.size, reader) != block.root:
            raise RefusedError("the block names another tree", code="bad-block")
        text = Checkpoint(state.origin, block.size, block.root).text()
        if sha256(text).digest() != block.note:
            raise RefusedError("the block names another note", code="bad-block")
        if self.map_root(state, reader) != block.map_root:
            raise RefusedError("the block names another object map", code="bad-map")

    def _lines_asked(self, state: LogState, size: int, block: Block) -> tuple[int, int]:
        """Return how many lines a candidate of a size is recorded with, at least and at most."""
        opened = state.open_epoch
        is_proven = opened is not None and any(it.size == opened.start + 1 for it in block.lines)
        counting = state.counting(size, {state.version} if is_proven else ())
        if counting is None:
            return 1, 0
        quorum = self.rosters.at(counting.version).quorum(state.origin)
        before = self.before_of(state.origin, counting)
        if before is None:
            return quorum, quorum
        other = before.quorum(state.origin)
        return max(quorum, other), quorum + other

    def _counts(self, state: LogState, block: Block, reader: Reader) -> list[Count]:
        """Return what the lines of a block say, of each candidate with a quorum of good ones.

        Lines on trees that are not the log's count for nothing, and neither do fewer than a quorum:
        so nothing but whole evidence is ever kept in memory.
        """
        counts: list[Count] = []
        for item in block.lines:
            if self.root(state.origin, item.size, reader) == item.root:
                self.add_count(state, item, counts, count_lines)
        return counts

    def add_count(
        self,
        state: LogState,
        item: BlockLines,
        counts: list[Count],
        counter: Callable[[Roster, str, BlockLines, Roster | None], Count],
    ) -> None:
        """Count the lines of a candidate, and add them to those before it if they are whole."""
        opened = state.open_epoch
        is_proven = opened is not None and any(it.size == opened.start + 1 for it in counts)
        counting = state.counting(item.size, {state.version} if is_proven else ())
        if counting is None:
            return
        roster = self.rosters.at(counting.version)
        before = self.before_of(state.origin, counting)
        count = counter(roster, state.origin, item, before)
        least = 0 if before is None else before.quorum(state.origin)
        if len(count.covers) >= roster.quorum(state.origin) and len(count.before) >= least:
            counts.append(count)

    def _show_lines(
        self,
        state: LogState,
        block: Block,
        counts: Sequence[Count],
        reader: Reader,
        effects: Effects,
    ) -> None:
        """Give the lines of a block to whoever compares them, those on other trees as well."""
        origin = state.origin
        held = {
            (cover.region, cover.size, cover.time_s) for count in counts for cover in count.covers
        }
        for item in block.lines:
            head = Checkpoint(origin, item.size, item.root)
            counting = state.counting(item.size, {state.version})
            if counting is None:
                continue
            roster = self.rosters.at(counting.version)
            if self.root(origin, item.size, reader) != item.root:
                lines = collect_lines(roster, origin, head, item.lines, "mirror")
            else:
                good = _good(roster, origin, item.lines)
                lines = tuple(it for it in good if (it.region, item.size, it.time_s) in held)
            if lines:
                effects.lines.append((head, lines))

    def take_block(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        block: Block,
        counts: Sequence[Count],
        effects: Effects,
    ) -> None:
        """Take a block record in: what its lines fix, and which times they show to be wrong.

        Args:
            state: Of the log.
            statement: That records the block.
            block: Its body; checked.
            counts: What the good lines of the block say, ascending by size.
            effects: Takes what follows.
        """
        index, origin = state.size, state.origin
        row = Fact(origin, origin, index, statement.leaf, {"height": block.height})
        effects.facts.append(row)
        self._sight.add((row,))
        state.height, state.published_size = block.height, block.size
        ranges: list[FixedRange] = []
        covers: list[Cover] = []
        for count in counts:
            opened = state.open_epoch
            if opened is None or count.size != opened.start + 1:
                covers += count.covers
                _raise_base(state, count, state.evidence.quorum)
                continue
            quorum = self.roster_of(state).quorum(origin)
            fixed, state.evidence = state.evidence.fixed(covers)
            crossed, evidence = state.evidence.crossed(count, quorum)
            ranges += (*fixed, *crossed)
            covers = []
            _raise_base(state, count, quorum, state.evidence.quorum)
            state.evidence = evidence
            state.prove(index)
        fixed, state.evidence = state.evidence.fixed(covers)
        ranges += fixed
        for low, high, seen_by_s in ranges:
            effects.evidence.append(PutEvidence(origin, low, high, seen_by_s, index))
        if ranges:
            self._check_times(state, ranges, index, effects)

    def _check_times(
        self, state: LogState, ranges: Sequence[FixedRange], block: int, effects: Effects
    ) -> None:
        """Find the entries declared later than they were seen, and forget the times now settled."""
        settled = ranges[-1].high
        delta_s = self.roster_of(state).constants.delta_s
        for low, high, seen_by_s in ranges:
            for position, (start, time_s) in enumerate(state.times):
                if start >= high:
                    break
                runs_to = (
                    state.times[position + 1][0] if position + 1 < len(state.times) else state.size
                )
                if runs_to <= low or time_s <= seen_by_s + delta_s:
                    continue
                for index in range(max(start, low), min(runs_to, high)):
                    effects.findings.append(
                        FindingRow(
                            origin=state.origin,
                            index=index,
                            code="declared-time",
                            severity=Severity.BREACH.value,
                            subject=state.origin,
                            detail=f"declared {time_s}, seen by {seen_by_s}",
                            evidence=((state.origin, index), (state.origin, block)),
                        )
                    )
        kept = [run for run in state.times if run[0] >= settled]
        before = [run for run in state.times if run[0] < settled]
        if before and settled < state.size and (not kept or kept[0][0] > settled):
            kept.insert(0, (settled, before[-1][1]))
        state.times = kept

    def take_view(self, state: LogState, view: ViewFact, effects: Effects) -> None:
        """Take a view in."""
        row = Fact(
            state.origin,
            view.origin,
            view.index,
            view.leaf,
            {"size": view.size, "root": view.root, "fresh_at": view.fresh_at_s},
        )
        effects.facts.append(row)
        effects.views.append(view)
        self._sight.add((row,))
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
        self._sight.add((row,))

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
        self._sight.add((row,))
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

    def map_root(self, state: LogState, reader: Reader) -> bytes:
        """Return the root of the object map over all entries of a log so far."""
        return state.objects.root_at(state.size, _stored_nodes(state.origin, reader))

    def root(self, origin: str, size: int, reader: Reader) -> bytes:
        """Return the root of the first ``size`` entries of a log that we store."""
        root = self._roots.get((origin, size), b"")
        if not root:
            root = root_at(size, read_nodes(lambda wanted: reader.tiles(origin, wanted)))
            self._roots.put((origin, size), root)
        return root


def _stored_nodes(origin: str, reader: Reader) -> Load:
    """Return what reads the stored nodes of a log's object map."""

    def load(prefix: bytes) -> Node | None:
        data = reader.map_node(origin, prefix)
        return None if data is None else Node.decode(prefix, data)

    return load


def _unjudgeable(kind: Kind, error: Exception) -> RefusedError:
    """Refuse what a rule fails on; else one entry would stop every reader."""
    return RefusedError(f"the rule of {kind.name} cannot judge this: {error!r}", code="unjudgeable")


def key_object(region: str, kid: bytes) -> str:
    """Return the name of the object that says whose key this is."""
    return f"{region}/key/{kid.hex()[:32]}"


def _good(roster: Roster, origin: str, lines: Iterable[bytes]) -> tuple[GoodLine, ...]:
    """Return lines that were checked before, with the regions that their key ids name."""
    keys = roster.mirror_keys(origin)
    return tuple(
        GoodLine(keys[line[:4]][0][0], int.from_bytes(line[_LINE_TIME]), line)
        for line in lines
        if len(keys.get(line[:4], ())) == 1
    )


def _raise_base(state: LogState, count: Count, quorum: int, before_quorum: int = 0) -> None:
    """Raise b to what a candidate shows; on the note of an epoch, to the less fresh of two."""
    seen = fresh_at([cover.time_s for cover in count.covers], quorum)
    if seen is not None and before_quorum and count.before:
        other = fresh_at([cover.time_s for cover in count.before], before_quorum)
        seen = None if other is None else min(seen, other)
    if seen is not None:
        state.base_s = max(state.base_s, seen)


def view_of(fact: Fact) -> ViewFact:
    """Return the view that a row of a viewed log, in the viewing log, stands for."""
    state = fact.state
    return ViewFact(
        fact.index, fact.leaf, fact.object, state["size"], state["root"], state["fresh_at"]
    )


def _lines_of(body: Any) -> Sequence[object]:  # noqa: ANN401 - a body not yet checked
    found = (body.get("lines"), body.get("before"))
    return [line for lines in found if isinstance(lines, list) for line in lines]


def _wait_for_clock(lines: Sequence[object], latest_s: int) -> None:
    """Stop before a line that our clock does not allow yet (protocol.md section 0)."""
    for line in lines:
        if isinstance(line, bytes) and len(line) == LINE_BYTES:
            time_s = int.from_bytes(line[_LINE_TIME])
            if time_s > latest_s:
                raise Wait(None, until_s=time_s)


def _find(
    effects: Effects, state: LogState, index: int, error: LedgerError, *, subject: str
) -> None:
    effects.findings.append(
        FindingRow(
            origin=state.origin,
            index=index,
            code=error.code,
            severity=Severity.BREACH.value,
            subject=subject,
            detail=str(error),
            evidence=((state.origin, index),),
        )
    )
