"""Working days, and the time that an act counts from."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.calendar import (
    TERM_DAYS_MAX,
    day_named,
    day_of,
    end_of_day,
)
from authz.deadline import (
    Counted,
    Due,
    Pause,
    counted_time,
    due,
)
from tests.authz.days import ALONE, CALENDAR, DAY_S, YEARS, at, last_day

# ---- working days -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "days", "last"),
    [
        ("2024-02-07T09:00", 5, "2024-02-20"),  # Spring Festival, with the 18th worked
        ("2024-02-02T09:00", 1, "2024-02-04"),  # a Sunday that is worked
        ("2024-04-26T17:00", 1, "2024-04-28"),
        ("2024-09-13T10:00", 2, "2024-09-18"),
        ("2024-12-31T23:59", 1, "2025-01-02"),
        ("2025-01-24T10:00", 3, "2025-02-05"),  # the 26th is worked
        ("2025-09-26T10:00", 5, "2025-10-10"),
        ("2025-09-30T10:00", 1, "2025-10-09"),
        ("2026-02-13T10:00", 1, "2026-02-14"),
        ("2026-02-14T10:00", 1, "2026-02-24"),
        ("2026-09-30T23:59", 3, "2026-10-10"),
        ("2026-10-01T00:00", 3, "2026-10-10"),
        ("2026-11-20T10:00", 5, "2026-11-27"),
        ("2026-11-20T10:00", 0, "2026-11-20"),
    ],
)
def test_a_term_ends_with_the_last_working_day_of_the_published_years(
    start: str, days: int, last: str
) -> None:
    found = due(CALENDAR, at(start), days)
    assert last_day(found) == last
    assert found is not None
    assert not found.provisional


def test_a_term_that_runs_into_an_unpublished_year_is_provisional() -> None:
    assert due(CALENDAR, at("2026-12-30T10:00"), 1) == Due(at("2027-01-01T00:00"), False)
    found = due(CALENDAR, at("2026-12-30T10:00"), 2)
    assert found == Due(at("2027-01-02T00:00"), True)  # a Friday, as weekdays are assumed
    assert due(CALENDAR, at("2027-03-01T10:00"), 0) == Due(at("2027-03-02T00:00"), True)


def slow(start: date, days: int, off: set[date], on: set[date]) -> date:
    worked = [start]
    day = start
    while len(worked) <= days:
        day += timedelta(1)
        if day in on or (day.weekday() < 5 and day not in off):
            worked.append(day)
    return worked[-1]


@given(st.dates(date(2024, 1, 1), date(2026, 9, 1)), st.integers(0, 60), st.integers(0, DAY_S - 1))
def test_terms_agree_with_a_slow_count_of_dates(start: date, days: int, second: int) -> None:
    off = {date.fromisoformat(it) for year in YEARS.values() for it in year["off"]}
    on = {date.fromisoformat(it) for year in YEARS.values() for it in year["on"]}
    begun = end_of_day(day_named(start.isoformat()) - 1) + second
    assert last_day(due(CALENDAR, begun, days)) == slow(start, days, off, on).isoformat()


@given(st.integers(0, 253_402_300_799), st.integers(0, 2**53))
def test_any_start_and_any_promise_have_an_end(start_s: int, days: int) -> None:
    found = due(ALONE, start_s, days)
    assert found is not None
    assert found.provisional
    assert found.due_s > start_s
    assert day_of(found.due_s) - day_of(start_s) <= 1 + TERM_DAYS_MAX * 7 // 5 + 3


def test_days_of_a_pause_are_not_counted() -> None:
    start = at("2026-11-02T10:00")  # a Monday
    pause = Pause(at("2026-11-04T09:00"), at("2026-11-06T09:00"))
    assert last_day(due(CALENDAR, start, 5)) == "2026-11-09"
    assert last_day(due(CALENDAR, start, 5, [pause])) == "2026-11-11"
    assert last_day(due(CALENDAR, start, 1, [pause])) == "2026-11-03"


def test_a_term_that_is_paused_has_no_end_yet() -> None:
    start = at("2026-11-02T10:00")
    lasting = Pause(at("2026-11-04T09:00"), None)
    assert due(CALENDAR, start, 5, [lasting]) is None
    assert last_day(due(CALENDAR, start, 1, [lasting])) == "2026-11-03"


# ---- the time of an act -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "fresh", "seen", "expected"),
    [
        (1_000, 900, 1_100, Counted(1_000, True)),
        (1_000, 500, 1_100, Counted(1_000, True)),
        (1_000, 499, 1_100, Counted(1_100, False)),  # e - b > S
        (1_110, 900, 1_100, Counted(1_110, True)),
        (1_111, 900, 1_100, Counted(1_100, False)),  # later than it was seen
        (890, 900, 1_100, Counted(890, True)),
        (889, 900, 1_100, Counted(1_100, False)),  # earlier than what stands below it
        (1_000, None, 1_100, Counted(1_100, False)),
        (1_000, 900, None, Counted(1_000, False)),
    ],
)
def test_a_declared_time_counts_where_evidence_narrows_it_down(
    declared: int, fresh: int | None, seen: int | None, expected: Counted
) -> None:
    assert counted_time(declared, fresh, seen, staleness_s=600, delta_s=10) == expected
