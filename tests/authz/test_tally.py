"""What acts count for: each kind that a figure counts, and the kinds that none does."""

from typing import Any

import pytest

from authz.calendar import day_of
from authz.kinds import KINDS
from authz.tally import _OF as COUNTED
from authz.tally import NOBODY, Figure, Tally, tallies
from ledger.kind import Flag

TIME_S = 1_800_000_000
DAY = day_of(TIME_S)
UNIT, DEPT, GRANT = "510000/window/w", "540000/department/d", "540000/grant/g"
CASE = {"unit": UNIT, "dept": DEPT, "item": "540000/item/i", "grant": GRANT, "term": [5, DAY - 2]}
OFFERED = {"st": "offered", "from": TIME_S, "until": TIME_S + 86_400}
BAD = {"to": UNIT, "due": TIME_S + 86_400, "grade": "dissatisfied", "st": "bad"}
LATE = (Flag(code="late", detail="it came late"),)


def count(
    kind: str, after: dict[str, Any], before: Any = NOBODY, flags: tuple[Flag, ...] = ()
) -> set[Tally]:
    return set(tallies(kind, GRANT, TIME_S, before, after, flags))


def test_every_kind_that_counts_is_in_the_table_of_kinds() -> None:
    assert {str(kind) for kind in COUNTED} <= {name for name, _ in KINDS}
    assert count("party.enrol", {}) == set()


def test_a_case_is_taken_in_by_a_unit_and_promised_by_a_department() -> None:
    assert count("case.open", CASE) == {
        Tally(Figure.TAKEN_IN, DAY, UNIT),
        Tally("promised/0005", DAY - 2, DEPT),
    }
    assert count("case.open", {**CASE, "term": [None, DAY]}) == {Tally(Figure.TAKEN_IN, DAY, UNIT)}


def test_a_notice_and_its_supplement_move_the_promise_and_nothing_else_does() -> None:
    noticed = {**CASE, "term": [5, DAY - 2, DAY]}
    assert count("case.notice", noticed, CASE) == {
        Tally(Figure.NOTICES, DAY, UNIT),
        Tally("promised/0005", DAY - 2, DEPT, number=-1),
        Tally("promised/0005", DAY, DEPT, str(DAY - 2)),
    }
    assert count("case.supplement", CASE, CASE) == {Tally(Figure.SUPPLEMENTS, DAY, UNIT)}


def test_a_decision_counts_for_the_department_the_grant_and_the_promise() -> None:
    row = {**CASE, "result": "refused"}
    assert count("case.decide", row, CASE) == {
        Tally(Figure.DECIDED, DAY, DEPT, CASE["item"], total=2),
        Tally(Figure.REFUSED, DAY, DEPT),
        Tally(Figure.GRANT_DECIDED, DAY, GRANT),
        Tally("over/0005", DAY - 2, DEPT, f";{DAY}"),
    }


@pytest.mark.parametrize(
    ("kind", "done", "late", "owed"),
    [
        ("evaluation.rectify", Figure.RECTIFIED, Figure.RECTIFIED_LATE, Figure.RATING_OWED),
        ("supervision.reply", Figure.ANSWERED, Figure.ANSWERED_LATE, Figure.ANSWER_OWED),
    ],
)
def test_what_is_answered_is_owed_no_more(kind: str, done: str, late: str, owed: str) -> None:
    settled = {Tally(done, DAY, UNIT), Tally(owed, DAY + 1, UNIT, number=-1)}
    assert count(kind, BAD) == settled
    assert count(kind, BAD, flags=LATE) == settled | {Tally(late, DAY, UNIT)}


def test_bad_ratings_and_notices_are_owed_an_answer_until_it_settles() -> None:
    owed = Tally(Figure.RATING_OWED, DAY + 1, UNIT)
    assert count("evaluation.rate", BAD) == {owed, Tally(Figure.RATED_BAD, DAY, UNIT)}
    good = {**BAD, "grade": "fair"}
    assert count("evaluation.rate", good) == {Tally(Figure.RATED_GOOD, DAY, UNIT)}
    assert count("evaluation.feedback", BAD) == {owed}
    assert count("evaluation.feedback", {**BAD, "st": "closed"}) == set()
    asked = Tally(Figure.ANSWER_OWED, DAY + 1, UNIT)
    assert count("supervision.notice", BAD) == {asked, Tally(Figure.URGED, DAY, UNIT)}
    assert count("supervision.return", BAD) == {asked}
    assert count("supervision.withdraw", BAD) == {asked._replace(number=-1)}


def test_a_grant_is_lent_from_its_offer_to_its_end_and_taken_by_its_answer() -> None:
    lent = Tally(Figure.LENT, DAY, GRANT, f"{DAY},{day_of(TIME_S + 86_399)}")
    assert count("grant.offer", OFFERED) == {lent}
    assert count("grant.revoke", {**OFFERED, "st": "revoked"}, OFFERED) == {
        lent._replace(number=-1)
    }
    assert count("grant.accept", {"ans": "accepted"}) == {Tally(Figure.ACCEPTED, DAY, GRANT)}


def test_claims_and_lists_are_counted_code_by_code() -> None:
    row = {"by": DEPT, "code": "000131127004", "live": True}
    claim = Tally(Figure.CLAIMED, DAY, DEPT, "000131127004")
    assert count("claim.make", row) == {claim}
    assert count("claim.release", {**row, "live": False}, row) == {claim._replace(number=-1)}
    before, after = {"by": "540000", "items": ["a", "b"]}, {"by": "540000", "items": ["b", "c"]}
    assert count("item-list.publish", after, before) == {
        Tally(Figure.LISTED, DAY, "540000", "a", -1),
        Tally(Figure.LISTED, DAY, "540000", "c"),
    }
