from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from authz import term
from authz.calendar import day_named, day_of, end_of_day
from authz.case import Event
from authz.deadline import Counted, Obligation, Pause, Step, VersionDays, clocks
from authz.promise import Halt, last_days, promise
from tests.authz.days import CALENDAR

LAST_DAY = last_days(CALENDAR)
MONDAY = day_named("2024-03-04")
ITEM = "540000/item/i"


def step(kind: str, index: int, day: int, stage: str) -> Step:
    row = {"item": ITEM, "v": 1, "dept": "d", "unit": "d", "at": "held", "stage": stage}
    return Step(
        origin="n/540000",
        index=index,
        kind=kind,
        at=Counted(end_of_day(day) - 3_600, proven=True),
        row=row,
        holder="d",
    )


def test_working_days_are_counted_from_the_day_after() -> None:
    owed = promise([5, MONDAY], LAST_DAY, CALENDAR)
    assert owed is not None
    assert (owed.day, owed.provisional) == (MONDAY + 7, False)
    assert promise([None, MONDAY], LAST_DAY, CALENDAR) is None


def test_a_notice_in_time_waits_for_the_papers_and_a_late_one_does_not() -> None:
    assert promise([5, MONDAY, MONDAY + 7], LAST_DAY, CALENDAR) is None
    whole = promise([5, MONDAY, MONDAY + 7, MONDAY + 14], LAST_DAY, CALENDAR)
    late = promise([5, MONDAY, MONDAY + 8, MONDAY + 14], LAST_DAY, CALENDAR)
    assert whole is not None
    assert late is not None
    assert (whole.day, late.day) == (MONDAY + 21, MONDAY + 7)


def test_a_year_that_nobody_has_published_makes_it_provisional() -> None:
    owed = promise([5, day_named("2026-12-30")], LAST_DAY, CALENDAR)
    assert owed is not None
    assert owed.provisional


days = st.integers(0, 12)


@settings(max_examples=200)
@given(
    promised=st.integers(0, 30),
    notices=st.lists(st.tuples(days, days), max_size=3),
    last=days,
    halted=st.none() | st.tuples(st.integers(-3, 30), st.integers(0, 20)),
)
def test_the_days_of_a_row_tell_the_same_as_the_clock_of_the_case(
    promised: int,
    notices: list[tuple[int, int]],
    last: int,
    halted: tuple[int, int] | None,
) -> None:
    """Random notices, supplements and one procedure, against ``clocks`` over the same acts."""
    day = MONDAY
    row = term.opened(promised, end_of_day(day) - 1)
    steps = [step(Event.OPEN, 0, day, "received")]
    for wait, answer in notices:
        day += wait
        row = term.noticed(row, end_of_day(day) - 1)
        steps.append(step(Event.NOTICE, len(steps), day, "noticed"))
        day += answer
        row = term.supplemented(row, end_of_day(day) - 1)
        steps.append(step(Event.SUPPLEMENT, len(steps), day, "supplemented"))
        assert term.supplemented(row, end_of_day(day)) == row
    day += last
    steps.append(step(Event.DECIDE, len(steps), day, "decided"))
    halts, pauses = [], []
    if halted is not None:
        begun, length = MONDAY + halted[0], halted[1]
        halts = [Halt(begun, begun + length)]
        pauses = [Pause(end_of_day(begun) - 60, end_of_day(begun + length) - 60)]
    told = clocks(steps, CALENDAR, VersionDays({(ITEM, 1): promised}, {}), pauses)
    [clock] = [
        it
        for it in told
        if it.obligation is Obligation.PROMISE and it.end == ("n/540000", len(steps) - 1)
    ]
    owed = promise(row, LAST_DAY, CALENDAR, halts)
    assert owed is not None
    assert clock.due_s is not None
    assert day_of(clock.due_s - 1) == owed.day
    assert clock.late == (day > owed.day)
    assert replace(clock, provisional=owed.provisional) == clock
