from dataclasses import replace
from hashlib import sha256

import pytest

from authz.calendar import Calendar, day_named, day_text
from authz.promise import last_days
from authz.tally import Figure
from authz.work_ledger import (
    Lent,
    Line,
    Promises,
    Sum,
    Tallied,
    digest_of,
    lookback_day,
    month_named,
    work_ledger,
)
from ledger.encoding import encode
from ledger.errors import MalformedError

DEPT, WINDOW = "540000/department/d", "510000/window/w"
MARCH = month_named("2022-03")
APRIL = day_named("2022-04-01")
TALLIED = Tallied(
    known={"n/510000": 7},
    monthly=(),
    owed=(),
    promises=(),
    lent=(),
    claimed=(),
    listed=(),
)


def day(text: str) -> int:
    return day_named(f"2022-{text}")


def test_a_month_has_its_first_and_its_last_day() -> None:
    assert [day_text(it) for it in month_named("2024-02")[1:]] == ["2024-02-01", "2024-02-29"]
    assert day_text(month_named("2021-12").last) == "2021-12-31"
    for text in ("2022-3", "2022-13", "22-03", "2022-03-01", "", "9999-12"):
        with pytest.raises(MalformedError):
            month_named(text)


def test_a_month_that_has_not_begun_has_no_figures() -> None:
    with pytest.raises(MalformedError):
        work_ledger(MARCH, MARCH.first - 1, Calendar(), TALLIED)
    assert work_ledger(MARCH, MARCH.first, Calendar(), TALLIED).lines == {}


def test_a_promise_counts_in_the_month_in_which_it_falls_due() -> None:
    began = [5, day("03-01")]  # due on the eighth
    promises = (
        Promises(DEPT, began, None, 2),
        Promises(DEPT, began, day("03-08"), 3),
        Promises(DEPT, began, day("03-09"), 4),
        Promises(DEPT, [5, day("02-21")], None, 5),  # due on the last of February
        Promises(DEPT, [5, day("03-25")], None, 6),  # due on the first of April
        Promises(DEPT, [5, day("03-01"), day("03-02")], None, 7),  # waits for papers
    )
    told = work_ledger(MARCH, APRIL, Calendar(), replace(TALLIED, promises=promises))
    assert told.lines == {DEPT: Line(due=9, overdue=6)}
    assert told.provisional
    early = work_ledger(MARCH, day("03-08"), Calendar(), replace(TALLIED, promises=promises))
    assert early.lines == {}


def test_sums_become_columns_and_grants_without_a_decision_are_idle() -> None:
    told = work_ledger(
        MARCH,
        APRIL,
        Calendar(),
        replace(
            TALLIED,
            monthly=(
                Sum(Figure.DECIDED, DEPT, "", 2, 9),
                Sum(Figure.RATED_BAD, WINDOW, "", 1),
            ),
            owed=(Sum(Figure.RATING_OWED, WINDOW, "", 1),),
            lent=[
                Lent("540000", f"{MARCH.first},{APRIL}", 1, 1),
                Lent("540000", f"{MARCH.first},{MARCH.last}", 1, 0),
                Lent("540000", f"{MARCH.first},{MARCH.last - 1}", 4, 0),
            ],
            claimed=[(DEPT, "a")],
            listed=[("540000", "a"), ("540000", "b"), ("510000", "a")],
        ),
    )
    assert told.lines == {
        DEPT: Line(decided=2, decided_days=9, claimed=1),
        WINDOW: Line(rated_bad=1, rectifying_overdue=1),
        "540000": Line(lent=2, idle=1, unclaimed=1),
        "510000": Line(unclaimed=1),
    }
    assert told.total == Line(
        decided=2,
        decided_days=9,
        claimed=1,
        rated_bad=1,
        rectifying_overdue=1,
        lent=2,
        idle=1,
        unclaimed=2,
    )


def test_the_digest_is_that_of_the_document_and_of_nothing_else() -> None:
    told = work_ledger(MARCH, APRIL, Calendar(), TALLIED)
    digest = digest_of(told.document())
    assert digest == sha256(encode(told.document())).digest()
    for other in (
        replace(told, known={"n/510000": 8}),
        replace(told, as_of_day=APRIL + 1),
        replace(told, lines={DEPT: Line(decided=1)}),
    ):
        assert digest_of(other.document()) != digest


@pytest.mark.parametrize("promised", [0, 1, 5, 20, 250, 1_000])
def test_no_term_that_falls_due_in_the_month_begins_before_the_look_back(promised: int) -> None:
    last_day = last_days(Calendar())
    low = lookback_day(MARCH, promised, last_day)
    assert last_day(low, promised).day >= MARCH.first > last_day(low - 1, promised).day
