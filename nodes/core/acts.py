"""Acts by the table of kinds: what they cite, whether they stand, and what they change."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import NamedTuple

from authz.tally import NOBODY, tallies
from authz.ties import fields_followed, ties_of
from ledger.errors import LedgerError, RefusedError, UnverifiedError
from ledger.judge import CORRECTS, SIGNER, corrected, judge, kind_of, seats_of, wants
from ledger.keys import key_thumbprint
from ledger.kind import (
    UNJUDGED,
    Acting,
    Corrected,
    Draft,
    Fact,
    Judgement,
    Kind,
    Need,
    Severity,
    ViewFact,
)
from ledger.names import region_of_origin
from ledger.roster import Roster
from ledger.salvage import as_judged, check_salvage, salvage_mark, salvaged_object
from ledger.statement import (
    ROLE_VIEW,
    Statement,
    UnverifiedStatement,
    check_statement,
    decode_statement,
)
from nodes.core.duties import ANSWERS
from nodes.core.effects import Effects
from nodes.core.ground import Ground
from nodes.core.log_state import LogState
from nodes.core.ready import FindingRow
from nodes.core.unjudged import NotJudgedError, Reach, unknown
from nodes.ports import Reader, UseRow


class Verdict(NamedTuple):
    """An act that stands: what it changes, and what it was judged by."""

    kind: Kind
    judgement: Judgement
    facts: dict[str, Fact | None]
    views: dict[str, ViewFact]
    own: Fact | None


class Acts:
    """Judges acts, as they would stand in a log, and takes in those that do.

    Args:
        ground: What they are judged by.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._followed = fields_followed(ground.kinds)
        self._reach = Reach(ground.kinds)

    def check_signature(
        self, roster: Roster, origin: str, unverified: UnverifiedStatement, reader: Reader
    ) -> None:
        """Check that the issuer's key, as this log knows it, signed a statement.

        Raises:
            UnverifiedError: ``unknown-key``, ``bad-algorithm`` or ``bad-signature``.
            RefusedError: ``suite-not-named``.
        """
        check_statement(
            unverified,
            self.public_of(roster, origin, unverified, reader),
            self._ground.sm2_of(roster),
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
            NotJudgedError: Whose key it is, is not known here.
        """
        region = roster.region_of_origin(origin)
        issuer, kid = statement.issuer, statement.kid
        if issuer == region:
            public = roster.members[region].keys.issuer
            if key_thumbprint(public) != kid:
                raise UnverifiedError("not the region's issuer key", code="unknown-key")
            return public
        fact = self._ground.sight.newest(reader, origin, key_object(region, kid))
        if fact is not None and not fact.is_judged:
            raise NotJudgedError((statement.subject,))
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
        needs: tuple[Need, ...] | None = None,
    ) -> Verdict:
        """Judge an act by the table of kinds, as it would stand at ``index``.

        ``needs`` is what ``wants`` returned for this very act, where the caller still has it.

        Raises:
            NotJudgedError: It rests on what is not known here.
            LedgerError: The act is void, or may not be appended.
        """
        act = statement.act
        kind = kind_of(self._ground.kinds, act.kind, act.version)
        origin, roster = state.origin, self._ground.roster_of(state)
        region = roster.region_of_origin(origin)
        own = self._ground.sight.newest(reader, origin, statement.subject)
        # Made for every act: by position, here and below, takes half as long as by name.
        draft = Draft(
            act.kind,
            act.version,
            statement.issuer,
            statement.subject,
            statement.time_s,
            act.body,
        )
        try:
            if needs is None:
                needs = wants(kind, draft, own, region, roster)
        except (LedgerError, LookupError, TypeError, ValueError, AttributeError) as error:
            if own is not None and not own.is_judged:
                # What it wants depends on what is not known.
                raise NotJudgedError((statement.subject,)) from error
            if isinstance(error, LedgerError):
                raise
            raise _unjudgeable(kind, error) from error
        cited = [it.role for it in act.citations]
        views, is_judged = (
            self._views(state, statement, index, reader) if ROLE_VIEW in cited else ({}, True)
        )
        facts = self.resolve(origin, needs, views, reader)
        newest = partial(self._ground.sight.newest, reader, origin)
        signer = facts.get(SIGNER)
        seats = seats_of(signer, newest)
        said = None
        if CORRECTS in cited:
            said = self._corrected(statement, origin, newest, reader)
        rests_on = (own, *facts.values(), *seats, None if said is None else said.author)
        if not is_judged or _is_any_unjudged(rests_on):
            raise NotJudgedError(self._reach.of(statement.subject, needs))
        if act.citations:
            self._check_leaves(origin, statement, index, facts, reader)
        acting = Acting(
            statement,
            origin,
            region,
            index,
            roster,
            own,
            signer,
            facts,
            views,
            is_salvaged,
            seats,
            said,
        )
        try:
            return Verdict(kind, judge(kind, acting, needs), facts, views, own)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _unjudgeable(kind, error) from error

    def _corrected(
        self,
        statement: Statement | UnverifiedStatement,
        origin: str,
        newest: Callable[[str], Fact | None],
        reader: Reader,
    ) -> Corrected | None:
        """Return who made the act that this one corrects, as ``ledger.judge.corrected`` says."""

        def below(index: int) -> Fact | None:
            return self._ground.sight.below(reader, origin, statement.subject, index)

        def made_at(index: int) -> UnverifiedStatement | Statement | None:
            found = reader.entries(origin, index, index + 1)
            return as_judged(decode_statement(found[0])) if found else None

        return corrected(
            statement.act, statement.subject, origin, below=below, made_at=made_at, newest=newest
        )

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
        origin, roster = state.origin, self._ground.roster_of(state)
        judged = check_salvage(
            statement,
            origin,
            index,
            roster,
            self._ground.rosters.chain,
            public_of=lambda inner: self.public_of(roster, origin, inner, reader),
            newest=lambda name: self._ground.sight.newest(reader, origin, name),
            leaf_at=lambda old, at: reader.leaves([(old, at)])[0],
            sm2=self._ground.sm2_of(roster),
        )
        try:
            verdict = self.judge_act(state, judged, index, reader, is_salvaged=True)
        except NotJudgedError as error:
            mark = salvage_mark(origin, statement)
            raise NotJudgedError((*error.touched, mark.object)) from error
        changes = (*verdict.judgement.changes, salvage_mark(origin, statement))
        return judged, verdict._replace(judgement=verdict.judgement._replace(changes=changes))

    def salvaged(self, origin: str, leaf: bytes, reader: Reader) -> Fact | None:
        """Return the row that says that a lost act was salvaged; None: it was not."""
        return self._ground.sight.newest(reader, origin, salvaged_object(origin, leaf))

    def resolve(
        self, origin: str, needs: Iterable[Need], views: dict[str, ViewFact], reader: Reader
    ) -> dict[str, Fact | None]:
        """Return the facts that needs name, each as of the view of its log."""
        facts: dict[str, Fact | None] = {}
        newest, below = self._ground.sight.newest, self._ground.sight.below
        for name, object_, foreign, _ in needs:
            if foreign is None:
                facts[name] = newest(reader, origin, object_)
            else:
                view = views.get(foreign)
                facts[name] = None if view is None else below(reader, foreign, object_, view.size)
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
            object_: Fact(origin, object_, index, leaf, row) for object_, row in judgement.changes
        }
        if statement.subject not in rows:
            # An act that changes nothing is still the one that the next act's ``previous`` names.
            kept = {} if verdict.own is None else verdict.own.state
            rows[statement.subject] = Fact(origin, statement.subject, index, leaf, kept)
        effects.facts += rows.values()
        self._ground.sight.add(rows.values())
        for use in judgement.uses:
            fact, roster = verdict.facts[use.need], self._ground.roster_of(state)
            view = None if fact is None else self.view_over(roster, fact, verdict.views)
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
                    staleness_s=min(use.staleness_s, roster.constants.staleness_s),
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
        counted = tallies(
            statement.act.kind,
            statement.subject,
            statement.time_s,
            NOBODY if before is None else before.state,
            rows[statement.subject].state,
            judgement.flags,
        )
        if counted:
            effects.tally(state.published_size, index, counted)
        self.tie(state, statement, index, verdict.facts.get(SIGNER), effects, signed=True)
        if statement.act.kind in ANSWERS:
            effects.noticed.append((index, statement))

    def take_unjudged(  # noqa: PLR0917 - in the order of ``take``
        self,
        state: LogState,
        statement: UnverifiedStatement,
        index: int,
        touched: Iterable[str],
        effects: Effects,
        reader: Reader,
    ) -> None:
        """Take an act in that is not judged here: what it may have changed is not known any more.

        Args:
            state: Of the log.
            statement: The act.
            index: Where it stands.
            touched: The objects that it may have changed.
            effects: Takes what follows.
            reader: Of the store.
        """
        origin, sight = state.origin, self._ground.sight
        rows = [
            Fact(origin, name, index, statement.leaf, unknown(sight.newest(reader, origin, name)))
            for name in sorted(touched)
        ]
        effects.facts += rows
        sight.add(rows)
        state.unjudged += 1
        self.tie(state, statement, index, None, effects, signed=True)

    def tie(
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
        origin, time_s = state.origin, statement.time_s
        effects.ties += [
            (origin, name, index, time_s)
            for name in ties_of(statement, fields, unit, signed=signed)
        ]

    def view_over(
        self, roster: Roster, fact: Fact, views: Mapping[str, ViewFact]
    ) -> ViewFact | None:
        """Return the view through which an act found a foreign fact; None for one of its own log.

        That is of the log that the region writes by ``roster``, the version which the citing log is
        under: the fact's own log, or one that goes on from it. That one may be closed by now, too.
        """
        return views.get(roster.origin_of(region_of_origin(fact.origin)))

    def _views(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        index: int,
        reader: Reader,
    ) -> tuple[dict[str, ViewFact], bool]:
        """Return the views that an act cites, each found in this log below the act.

        With them, whether all of them are judged here.

        Raises:
            RefusedError: ``void-citation``.
        """
        views: dict[str, ViewFact] = {}
        is_judged = True
        for citation in statement.act.citations:
            if citation.role != ROLE_VIEW:
                continue
            view = state.views.get(citation.origin)
            if view is None or view.index != citation.index:
                fact = None
                if citation.origin != state.origin and citation.index < index:
                    fact = self._ground.sight.below(
                        reader, state.origin, citation.origin, citation.index + 1
                    )
                view = None
                if fact is not None and fact.origin == state.origin and "fresh_at" in fact.state:
                    view = view_of(fact)
                    is_judged = is_judged and fact.is_judged
            if view is None or (view.index, view.leaf) != (citation.index, citation.leaf):
                raise RefusedError(
                    f"entry {citation.index} is no view of {citation.origin}", code="void-citation"
                )
            views[citation.origin] = view
        return views, is_judged

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
        for citation in statement.act.citations:
            if citation.role == ROLE_VIEW:
                continue
            at = (citation.origin, citation.index)
            leaf = _leaf_among(facts, citation.role, at)
            if leaf is None:
                if citation.origin == origin and citation.index >= index:
                    continue  # refused by the judge, which says so better
                (leaf,) = reader.leaves([at])
                if leaf is None and citation.origin == origin:
                    leaf = self._ground.sight.made_at(origin, citation.index)
            if leaf != citation.leaf:
                raise RefusedError(
                    f"the leaf of {citation.origin} {citation.index} is another",
                    code="void-citation",
                )


def _leaf_among(facts: Mapping[str, Fact | None], role: str, at: tuple[str, int]) -> bytes | None:
    """Return the leaf hash of the entry at a place, if a row came from it: mostly its role's."""
    named = facts.get(role)
    if named is not None and (named.origin, named.index) == at:
        return named.leaf
    for fact in facts.values():
        if fact is not None and (fact.origin, fact.index) == at:
            return fact.leaf
    return None


def _unjudgeable(kind: Kind, error: Exception) -> RefusedError:
    """Refuse what a rule fails on; else one entry would stop every reader."""
    return RefusedError(f"the rule of {kind.name} cannot judge this: {error!r}", code="unjudgeable")


def _is_any_unjudged(rows: Iterable[Fact | None]) -> bool:
    # Asked for every act: a property and a generator would take three times as long.
    for row in rows:  # noqa: SIM110
        if row is not None and UNJUDGED in row.state:
            return True
    return False


# Asked three times for each act, of the same few keys.
@lru_cache(maxsize=4_096)
def key_object(region: str, kid: bytes) -> str:
    """Return the name of the object that says whose key this is."""
    return f"{region}/key/{kid.hex()[:32]}"


def view_of(fact: Fact) -> ViewFact:
    """Return the view that a row of a viewed log, in the viewing log, stands for."""
    state = fact.state
    return ViewFact(
        fact.index, fact.leaf, fact.object, state["size"], state["root"], state["fresh_at"]
    )
