"""Accepted offers whose holder neither releases nor cancels: the finding ``release-withheld``.

For an offer in the holder's log and the acceptance that cites it, let v be the first view in the
holder's log that covers the acceptance, T its ``seen_by`` and S the staleness bound. The finding
stands iff the log has an entry above v with ``seen_by`` later than T + S, and up to the first such
entry neither release nor cancel of that offer. Inside one region the acceptance itself takes the
place of v. A release that comes later moves custody all the same and takes the finding not back:
the log proves for ever that it was late. So the finding is a function of the two logs' prefixes,
whatever arrived when.

What a closed log offered is awaited from the log that goes on from it: its first entry takes the
place of v where the closed log had one below its cut. The finding is then one of that log.

What is pending is kept in the store, so that neither memory nor a step's work grows with what a
hostile holder leaves open.

Source: protocol.md section 5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from authz.custody import OPEN_OFFER
from ledger.kind import Severity, ViewFact
from ledger.lineage import before, heir_of, is_one_log
from ledger.roster_fields import Closing
from ledger.statement import Statement, UnverifiedStatement
from nodes.core.duties import OFFER_ROLE
from nodes.core.effects import Effects
from nodes.core.ready import (
    DateAnswers,
    DropAnswers,
    FindingRow,
    InheritAnswers,
    PutAnswers,
    PutEvidence,
    PutFindings,
    ViewAnswers,
    Write,
)
from nodes.core.sight import INDEX_PAST_ALL
from nodes.ports import AnswerRow, LateAnswer, Reader

CODE: Final = "release-withheld"
ACCEPT: Final = "handoff.accept"
PAGE_MAX: Final = 256
"""Accepted offers looked at in one step; the rest in the next."""


@dataclass(slots=True)
class Withheld:
    """Follows accepted offers until their holder's log shows that their time was up.

    Args:
        staleness_s: S.
        origins: Of all logs.
        closed: By the newest roster.
    """

    staleness_s: int
    origins: Sequence[str]
    closed: Mapping[str, Closing]
    viewed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By holder and log, of logs that are judged again: how much the holder's log had viewed then.
    What was accepted below was noticed before, and may be settled."""
    judged: Mapping[str, int] = field(default_factory=dict)
    """By origin, how far each log was judged at the start; of a log that is not named nobody knows.
    """
    is_waiting: bool = False
    """Whether a log is judged again, so that nobody can say yet what it has accepted."""
    _looked_at: dict[str, int] = field(default_factory=dict)
    """Logs to be looked at: what is due before this time is."""
    _unviewed: dict[tuple[str, str], int] = field(default_factory=dict)
    """By holder's log and log of the answers: past the last answer that may not be viewed so far;
    0: every one is."""
    _inherited: set[str] = field(default_factory=set)
    """Logs that have begun, and hold all that is known of the closed ones before them."""

    def __post_init__(self) -> None:
        # After a start: what a step before it may have left over.
        self._looked_at = dict.fromkeys(self.origins, INDEX_PAST_ALL)

    @property
    def is_behind(self) -> bool:
        """Whether more is to be looked at than one step may."""
        return bool(self._looked_at) and not self.is_waiting

    def note(self, judged: Sequence[tuple[str, Effects]]) -> tuple[Write, ...]:
        """Return what newly judged entries say of answers, when they were viewed, and by when seen.

        Args:
            judged: Effects by origin of the log.
        """
        answers = [
            answer
            for origin, effects in judged
            for index, statement in effects.noticed
            for answer in answers_in(statement, origin, index, self.closed)
            if answer.answer_index >= self.viewed.get((answer.holder, origin), 0)
        ]
        writes: list[Write] = [PutAnswers(tuple(answers))] if answers else []
        for answer in answers:
            if answer.view_index is None:
                self._await_view(answer)
            self._inherited.discard(heir_of(self.closed, answer.holder) or "")
        for origin, effects in judged:
            # A log's first entry dates what the closed one before it left open.
            writes += [self._date(row) for row in effects.evidence if row.origin != origin]
            old = before(self.closed, origin)
            if old is not None and origin not in self._inherited:
                self._inherited.add(origin)
                writes.append(InheritAnswers(old, origin))
                self._unviewed, self.judged = {}, {}
            writes += [
                ViewAnswers(origin, view.origin, view.size, view.index)
                for view in effects.views
                if self._may_cover(origin, view)
            ]
            writes += [self._date(row) for row in effects.evidence if row.origin == origin]
        return tuple(writes)

    def _await_view(self, answer: AnswerRow) -> None:
        awaited = (answer.holder, answer.answer_origin)
        self._unviewed[awaited] = max(self._end(*awaited), answer.answer_index + 1)

    def _end(self, holder: str, answered: str) -> int:
        known = self._unviewed.get((holder, answered))
        return self.judged.get(answered, INDEX_PAST_ALL) if known is None else known

    def _may_cover(self, holder: str, view: ViewFact) -> bool:
        """Say whether a view may be the first to cover an answer: most cover none."""
        end = self._end(holder, view.origin)
        if end <= view.size:
            self._unviewed[holder, view.origin] = 0
        return end > 0

    def _date(self, row: PutEvidence) -> DateAnswers:
        self._looked_at[row.origin] = max(self._looked_at.get(row.origin, 0), row.seen_by_s)
        return DateAnswers(row.origin, row.low, row.high, row.seen_by_s + self.staleness_s)

    def settle(self, reader: Reader) -> tuple[Write, ...]:
        """Find the releases that are withheld; what ``note`` returned is carried out already."""
        findings: list[FindingRow] = []
        dropped: dict[str, list[int]] = {}
        left = PAGE_MAX
        for origin in sorted(self._looked_at):
            page = reader.late_answers(origin, self._looked_at[origin], left) if left else ()
            if len(page) < left:
                del self._looked_at[origin]
            left -= len(page)
            for late in page:
                dropped.setdefault(late.answer.origin, []).append(late.answer.index)
                if self._is_open(late, reader):
                    findings.append(_found(late))
        writes: list[Write] = [
            DropAnswers(offered, tuple(indexes)) for offered, indexes in dropped.items()
        ]
        if findings:
            writes.append(PutFindings(tuple(findings)))
        return tuple(writes)

    @staticmethod
    def _is_open(late: LateAnswer, reader: Reader) -> bool:
        """Say whether the very offer that was accepted still stood open at the late entry."""
        answer = late.answer
        accepted, held = reader.facts(
            [
                (answer.answer_origin, answer.case, answer.answer_index + 1),
                (answer.holder, answer.case, late.index + 1),
            ]
        )
        if accepted is None or held is None:
            return False
        is_same = held.state.get("n") == accepted.state.get("n")
        return is_same and held.state.get("at") in OPEN_OFFER


def answers_in(
    statement: Statement | UnverifiedStatement,
    origin: str,
    index: int,
    closed: Mapping[str, Closing],
) -> Sequence[AnswerRow]:
    """Return what an act answers; empty for any other than an acceptance.

    Args:
        statement: An act that counts.
        origin: Of the log that it is in.
        index: Its place there.
        closed: By the newest roster.
    """
    if statement.act.kind != ACCEPT:
        return ()
    rows = []
    for citation in statement.act.citations:
        if citation.role != OFFER_ROLE:
            continue
        is_own = is_one_log(closed, citation.origin, origin)
        row = AnswerRow(
            origin=citation.origin,
            index=citation.index,
            holder=origin if is_own else citation.origin,
            case=statement.subject,
            answer_origin=origin,
            answer_index=index,
            view_index=index if is_own else None,
        )
        rows.append(row)
    return rows


def _found(late: LateAnswer) -> FindingRow:
    answer = late.answer
    places = (
        (answer.origin, answer.index),
        (answer.answer_origin, answer.answer_index),
        (answer.holder, answer.view_index or 0),
        (answer.holder, late.index),
    )
    # By the place of the offer, unless that log was closed: then by what begins the heir's time.
    is_heir = answer.holder != answer.origin
    return FindingRow(
        origin=answer.holder,
        index=answer.view_index or 0 if is_heir else answer.index,
        code=CODE,
        severity=Severity.FLAG.value,
        subject=answer.case,
        detail="the offer was accepted, and in time neither released nor cancelled",
        evidence=tuple(dict.fromkeys(places)),
    )
