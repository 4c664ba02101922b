"""Accepted offers whose holder neither releases nor cancels: the finding ``release-withheld``.

For an offer in the holder's log and the acceptance that cites it, let v be the first view in the
holder's log that covers the acceptance, T its ``seen_by`` and S the staleness bound. The finding
stands iff the log has an entry above v with ``seen_by`` later than T + S, and up to the first such
entry neither release nor cancel of that offer. Inside one region the acceptance itself takes the
place of v. A release that comes later moves custody all the same and takes the finding not back:
the log proves for ever that it was late. So the finding is a function of the two logs' prefixes,
whatever arrived when.

What is pending is kept in the store, so that neither memory nor a step's work grows with what a
hostile holder leaves open.

Source: protocol.md section 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from authz.custody import OPEN_OFFER
from ledger.kind import Severity
from nodes.core.duties import OFFER_ROLE
from nodes.core.effects import Effects
from nodes.core.ready import (
    DateAnswers,
    DropAnswers,
    FindingRow,
    PutAnswers,
    PutFindings,
    ViewAnswers,
    Write,
)
from nodes.core.sight import INDEX_PAST_ALL
from nodes.ports import AnswerRow, LateAnswer, Reader

ACCEPT: Final = "handoff.accept"
PAGE_MAX: Final = 256
"""Accepted offers looked at in one step; the rest in the next."""


@dataclass(slots=True)
class Withheld:
    """Follows accepted offers until their holder's log shows that their time was up.

    Args:
        staleness_s: S.
        origins: Of all logs.
    """

    staleness_s: int
    origins: Sequence[str]
    _looked_at: dict[str, int] = field(default_factory=dict)
    """Logs to be looked at: what is due before this time is."""

    def __post_init__(self) -> None:
        # After a start: what a step before it may have left over.
        self._looked_at = dict.fromkeys(self.origins, INDEX_PAST_ALL)

    @property
    def is_behind(self) -> bool:
        """Whether more is to be looked at than one step may."""
        return bool(self._looked_at)

    def note(self, judged: Sequence[tuple[str, Effects]]) -> tuple[Write, ...]:
        """Return what newly judged entries say of answers, when they were viewed, and by when seen.

        Args:
            judged: Effects by origin of the log.
        """
        answers: list[AnswerRow] = []
        writes: list[Write] = []
        for origin, effects in judged:
            for index, statement in effects.noticed:
                if statement.act.kind != ACCEPT:
                    continue
                answers += [
                    AnswerRow(
                        origin=citation.origin,
                        index=citation.index,
                        case=statement.subject,
                        answer_origin=origin,
                        answer_index=index,
                        view_index=index if citation.origin == origin else None,
                    )
                    for citation in statement.act.citations
                    if citation.role == OFFER_ROLE
                ]
        if answers:
            writes.append(PutAnswers(tuple(answers)))
        for origin, effects in judged:
            writes += [
                ViewAnswers(origin, view.origin, view.size, view.index) for view in effects.views
            ]
        for origin, effects in judged:
            for row in effects.evidence:
                due_s = row.seen_by_s + self.staleness_s
                writes.append(DateAnswers(origin, row.low, row.high, due_s))
                self._looked_at[origin] = max(self._looked_at.get(origin, 0), row.seen_by_s)
        return tuple(writes)

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
                dropped.setdefault(origin, []).append(late.answer.index)
                if self._is_open(late, reader):
                    findings.append(_found(late))
        writes: list[Write] = [
            DropAnswers(origin, tuple(indexes)) for origin, indexes in dropped.items()
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
                (answer.origin, answer.case, late.index + 1),
            ]
        )
        if accepted is None or held is None:
            return False
        is_same = held.state.get("n") == accepted.state.get("n")
        return is_same and held.state.get("at") in OPEN_OFFER


def _found(late: LateAnswer) -> FindingRow:
    answer = late.answer
    places = (
        (answer.origin, answer.index),
        (answer.answer_origin, answer.answer_index),
        (answer.origin, answer.view_index or 0),
        (answer.origin, late.index),
    )
    return FindingRow(
        origin=answer.origin,
        index=answer.index,
        code="release-withheld",
        severity=Severity.FLAG.value,
        subject=answer.case,
        detail="the offer was accepted, and in time neither released nor cancelled",
        evidence=tuple(dict.fromkeys(places)),
    )
