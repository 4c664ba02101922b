"""What is owed on records about a case is told with the case's clocks."""

from typing import Any

import pytest

from authz.deadline import Standing
from authz.dues import OWED
from authz.obligation import TERM_DAYS, WORDS, Obligation
from authz.tables import LIVES, RECORD_KINDS
from tests.authz.days import Days, at, clock
from tests.authz.world import CASE, CLERK, SICHUAN, WINDOW

RATING = "510000/evaluation/1"
RATED = {"case": CASE, "grade": "dissatisfied", "token": bytes(32), "to": WINDOW}
RECTIFIED = {"cause": "slow", "reply": "已整改", "evidence": bytes(32)}


def rated() -> Days:
    days = Days().open()
    days.to("2026-10-28T10:00")
    due_s = at("2026-10-30T10:00")
    days.world.do("evaluation.rate", SICHUAN, RATING, RATED | {"due": due_s})
    return days


def test_a_bad_rating_is_put_right_by_the_moment_that_it_names() -> None:
    rectify = clock(rated().told("2026-10-29T10:00"), Obligation.RECTIFY)
    assert (rectify.unit, rectify.days, rectify.due_s) == (WINDOW, None, at("2026-10-30T10:00"))
    late = clock(rated().told("2026-10-31T10:00"), Obligation.RECTIFY)
    assert late.overdue_since(at("2026-10-31T10:00")) == at("2026-10-30T10:00")
    assert [it.unit for it in late.held] == [WINDOW]


def test_a_bad_rating_that_is_not_settled_is_owed_again() -> None:
    days = rated()
    days.to("2026-10-29T10:00").world.do("evaluation.rectify", CLERK, RATING, RECTIFIED)
    told = days.told("2026-10-31T10:00")
    assert clock(told, Obligation.RECTIFY).standing(told.as_of_s or 0) is Standing.MET
    unsettled = {"outcome": "unsettled", "evidence": bytes(32)}
    days.world.do("evaluation.feedback", SICHUAN, RATING, unsettled)
    told = days.told("2026-10-31T10:00")
    assert clock(told, Obligation.RECTIFY, 1).standing(told.as_of_s or 0) is Standing.OVERDUE


@pytest.mark.parametrize(
    ("kind", "standing"), [("part.answer", Standing.MET), ("part.withdraw", Standing.MOOT)]
)
def test_what_is_taken_back_is_owed_no_more_and_was_not_done(kind: str, standing: Standing) -> None:
    days, part = Days().open(), "510000/part/1"
    due_s = at("2026-10-30T10:00")
    asked = {"case": CASE, "to": WINDOW, "part": "check", "due": due_s}
    days.world.do("part.ask", CLERK, part, asked)
    answers: dict[str, dict[str, Any]] = {
        "part.answer": {"outcome": "done", "result": bytes(32)},
        "part.withdraw": {"reason": "不再需要"},
    }
    days.world.do(kind, CLERK, part, answers[kind])
    told = days.told("2026-10-29T10:00")
    assert clock(told, Obligation.PART).standing(told.as_of_s or 0) is standing


def test_each_record_that_is_waited_for_is_one_of_the_tables() -> None:
    lives = {life.subject: life for life in LIVES}
    for subject, owed in OWED.items():
        assert owed.state in lives[subject].steps.values()
        due = {
            name
            for kind in RECORD_KINDS
            if kind.subject == subject
            for name in kind.fields
            if name in {"due", "case"}
        }
        assert due == {"due", "case"}
    assert {owed.obligation for owed in OWED.values()} == set(Obligation) - set(TERM_DAYS) - {
        Obligation.PROMISE,
        Obligation.ACCEPT,
    }


def test_each_obligation_has_its_words() -> None:
    assert WORDS.keys() == set(Obligation)
