"""Accepted offers whose holder neither releases nor cancels: the finding ``release-withheld``.

The definition. *Line*: a log with those that go on from it (``ledger.lineage``). *Shown*: a view
shows the entries of its log below its size, and, below their cuts, all of the logs which that one
goes on from, of whatever generation.

1. For an offer in a log H of the holder and the acceptance that cites it: v is the first view in H
   that shows the acceptance, T its ``seen_by``, S the staleness bound. The finding stands in H iff
   H has an entry above v with ``seen_by`` later than T + S, and up to the first such entry neither
   release nor cancel of that offer.
2. Inside one region the acceptance itself takes the place of v, in the log in which it stands.
3. Where H was closed, only what lies below its cut counts; and where the finding does not stand in
   H, the offer is awaited from the log that goes on from it, and so on along the line. There the
   first entry takes the place of v if a log before had one, else it is the first view as in (1).
   The finding is then one of that log.

A release that comes later moves custody all the same and takes the finding not back: the log proves
for ever that it was late. So the finding is a function of the prefixes of the two lines and of the
roster, which says how they go on: whatever arrived when, before a closing is known and after, and
judged once or again. A node that cannot judge the first view, since its log is far, concludes
nothing.

What is pending is kept in the store, so that neither memory nor a step's work grows with what a
hostile holder leaves open. A row lies with the newest log of the holder's line that has begun.

Source: protocol.md section 5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from authz.custody import OPEN_OFFER
from ledger.kind import Severity
from ledger.lineage import ancestors, heirs, is_one_log, shown_by
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
            if answer.answer_index >= self._viewed_before(answer)
        ]
        writes: list[Write] = [PutAnswers(tuple(answers))] if answers else []
        for answer in answers:
            if answer.view_index is None:
                self._await_view(answer)
            self._inherited.difference_update(heirs(self.closed, answer.holder))
        for origin, effects in judged:
            # A log's first entry dates what the closed one before it left open.
            writes += [self._date(row) for row in effects.evidence if row.origin != origin]
            if origin not in self._inherited:
                self._inherited.add(origin)
                # All of its line: an answer may come when a log in between has ended already.
                old = [it for it, _ in ancestors(self.closed, origin)]
                writes += [InheritAnswers(it, origin) for it in old]
                if old:
                    self._unviewed, self.judged = {}, {}
            writes += [
                ViewAnswers(origin, shown, size, view.index)
                for view in effects.views
                for shown, size in shown_by(self.closed, view.origin, view.size)
                if self._may_show(origin, shown, size)
            ]
            writes += [self._date(row) for row in effects.evidence if row.origin == origin]
        return tuple(writes)

    def _await_view(self, answer: AnswerRow) -> None:
        awaited = (answer.holder, answer.answer_origin)
        self._unviewed[awaited] = max(self._end(*awaited), answer.answer_index + 1)

    def _end(self, holder: str, answered: str) -> int:
        known = self._unviewed.get((holder, answered))
        return self.judged.get(answered, INDEX_PAST_ALL) if known is None else known

    def _may_show(self, holder: str, answered: str, size: int) -> bool:
        """Say whether a view may be the first to show an answer: most show none."""
        end = self._end(holder, answered)
        closing = self.closed.get(answered)
        if end <= size or (closing is not None and closing.size <= size):
            self._unviewed[holder, answered] = 0
        return end > 0

    def _viewed_before(self, answer: AnswerRow) -> int:
        """Return how much of the answer's log the holder's line had viewed, if it is judged again.

        Views of the log itself are all: what goes on from a log begins when that is judged up to
        its cut, and from then on it is judged no more.
        """
        logs = heirs(self.closed, answer.holder)
        return max(self.viewed.get((it, answer.answer_origin), 0) for it in logs)

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

    def _is_open(self, late: LateAnswer, reader: Reader) -> bool:
        """Say whether the very offer that was accepted still stood open at the late entry.

        Where that rests on what is not judged here, nothing is said.
        """
        answer = late.answer
        accepted, held = reader.facts(
            [
                (answer.answer_origin, answer.case, answer.answer_index + 1),
                (answer.holder, answer.case, late.index + 1),
            ]
        )
        if accepted is None or held is None or not (accepted.is_judged and held.is_judged):
            return False
        is_same = held.state.get("n") == accepted.state.get("n")
        is_open = is_same and held.state.get("at") in OPEN_OFFER
        return is_open and not self._is_shown_unjudged(answer, reader)

    def _is_shown_unjudged(self, answer: AnswerRow, reader: Reader) -> bool:
        """Say whether a view that is not judged here showed the answer before the one we know of.

        After such a view of a log none of that log is judged; one of its heir may be.
        """
        logs = list(heirs(self.closed, answer.answer_origin))
        rows = reader.facts([(answer.holder, it, answer.view_index or 0) for it in logs])
        return any(
            row is not None
            and (row.origin, row.is_judged) == (answer.holder, False)
            and (log != answer.answer_origin or row.state["size"] > answer.answer_index)
            for log, row in zip(logs, rows, strict=True)
        )


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
