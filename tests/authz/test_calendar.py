from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.calendar import (
    BEIJING_S,
    OFF_DAYS_MAX,
    ON_DAYS_MAX,
    Calendar,
    calendar_names,
    calendar_object,
    calendar_of,
    day_named,
    day_of,
    end_of_day,
    is_weekend,
    year_of,
)
from ledger.errors import MalformedError
from ledger.kind import Fact
from tests.authz.refusals import refused
from tests.authz.world import CHONGQING, CLERK_CQ, ROSTER, SICHUAN, WINDOW_CQ, World, officer

STEWARD = ROSTER.steward
YEAR_2026 = {
    "version": 1,
    "off": [
        *("2026-01-01", "2026-01-02", "2026-01-03"),
        *(f"2026-02-{day}" for day in range(15, 24)),
        *("2026-04-04", "2026-04-05", "2026-04-06"),
        *(f"2026-05-0{day}" for day in range(1, 6)),
        *("2026-06-19", "2026-06-20", "2026-06-21"),
        *("2026-09-25", "2026-09-26", "2026-09-27"),
        *(f"2026-10-0{day}" for day in range(1, 8)),
    ],
    "on": ["2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"],
}
"""As the State Council set it."""


def publish(world: World, year: str = "2026", region: str = STEWARD, **changes: object) -> None:
    subject = f"{region}/calendar/{year}"
    world.do("calendar.publish", region, subject, YEAR_2026 | changes)


def fact(origin: str, version: int, off: list[str], index: int = 1) -> Fact:
    name = calendar_object(STEWARD, 2026)
    return Fact(origin, name, index, bytes(32), {"v": version, "off": off, "on": []})


@given(st.dates(date(1970, 1, 2), date(9999, 12, 31)))
def test_days_are_numbered_as_the_calendar_of_the_library_does(day: date) -> None:
    number = day_named(day.isoformat())
    assert date(1970, 1, 1) + timedelta(number) == day
    assert is_weekend(number) == (day.weekday() >= 5)
    assert year_of(number) == day.year


def test_a_day_begins_and_ends_at_midnight_in_beijing() -> None:
    day = day_named("2026-10-01")
    assert day_of(1_790_784_000) == day  # 2026-10-01T00:00:00+08:00
    assert day_of(1_790_784_000 - 1) == day - 1
    assert end_of_day(day - 1) == 1_790_784_000
    assert BEIJING_S == 28_800


def test_what_lies_past_the_year_9999_is_a_year_that_nobody_publishes() -> None:
    assert year_of(day_named("9999-12-31") + 1) == 10_000
    assert calendar_names([STEWARD], [253_402_300_799 - BEIJING_S]) == [f"{STEWARD}/calendar/9999"]
    assert calendar_names([STEWARD], [253_402_300_799]) == []


@pytest.mark.parametrize("text", ["2026-02-29", "20261001", "2026-W40-4", "2026-1-01", "x", ""])
def test_a_day_has_one_spelling(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        day_named(text)
    assert caught.value.code == "bad-field"


def test_the_steward_publishes_a_year_and_all_count_by_it() -> None:
    world = World().enrol()
    publish(world)
    found = world.newest(STEWARD, f"{STEWARD}/calendar/2026")
    assert found is not None
    made = calendar_of([found])
    assert made.years == {2026}
    for text, worked in {
        "2026-10-07": False,  # a Wednesday
        "2026-10-08": True,
        "2026-10-10": True,  # a Saturday
        "2026-10-11": False,
        "2026-02-28": True,  # a Saturday
        "2026-09-25": False,
    }.items():
        assert made.is_worked(day_named(text)) is worked, text


def test_of_a_year_that_nobody_published_each_weekday_is_worked() -> None:
    assert Calendar().is_worked(day_named("2027-10-01"))
    assert not Calendar().is_worked(day_named("2027-10-02"))
    assert not Calendar().is_published(day_named("2027-10-01"))


def test_the_greatest_version_counts_whoever_published_it_and_in_whatever_order() -> None:
    first, second = fact("a", 1, ["2026-10-01"]), fact("b", 2, ["2026-10-02"])
    for rows in ([first, second], [second, first]):
        assert calendar_of(rows).off == {day_named("2026-10-02")}
    assert calendar_of([fact("a", 1, []), fact("a", 1, ["2026-10-01"], 9)]).off


def test_rows_of_other_objects_are_passed_over() -> None:
    other = Fact("a", "540000/item/1", 1, bytes(32), {"v": 1})
    assert calendar_of([other]) == Calendar()


def test_nobody_but_the_steward_sets_the_calendar() -> None:
    world = World().enrol()
    other = next(region for region in (SICHUAN, CHONGQING) if region != STEWARD)
    with refused("not-competent"):
        publish(world, region=other)
    with refused("not-competent"):
        world.do("calendar.publish", STEWARD, f"{other}/calendar/2026", YEAR_2026)


def test_an_officer_of_the_steward_sets_it_only_with_the_role_to_manage() -> None:
    world = World().enrol()
    clerk = f"{CHONGQING}/officer/w1-02"
    world.do("party.enrol", CHONGQING, clerk, officer(WINDOW_CQ, clerk, ["receive"]))
    subject = f"{CHONGQING}/calendar/2026"
    with refused("not-entitled"):
        world.do("calendar.publish", clerk, subject, YEAR_2026)
    world.do("calendar.publish", CLERK_CQ, subject, YEAR_2026)


def test_a_later_version_has_a_greater_number() -> None:
    world = World().enrol()
    publish(world)
    with refused("wrong-state"):
        publish(world)
    publish(world, version=7)
    with refused("wrong-state"):
        publish(world, version=6)
    with refused("wrong-state"):
        publish(world, "2027", version=0)


@pytest.mark.parametrize("year", ["26", "02026", "0000", "2o26"])
def test_a_calendar_is_named_by_its_year(year: str) -> None:
    with refused("bad-field"):
        publish(World().enrol(), year, off=[], on=[])


@pytest.mark.parametrize(
    "changes",
    [
        {"off": ["2025-10-01"]},
        {"off": ["2026-02-30"]},
        {"on": ["2027-01-02"]},
        {"on": ["2026-10-12"]},  # a Monday
        {"off": ["2026-10-10"], "on": ["2026-10-10"]},
        {"off": [str(date(2026, 1, 1) + timedelta(it)) for it in range(OFF_DAYS_MAX + 1)]},
        {
            "off": [],
            "on": [str(date(2026, 1, 3) + timedelta(7 * it)) for it in range(ON_DAYS_MAX + 1)],
        },
        {"off": ["2026-10-02", "2026-10-01"]},
        {"off": ["20261001"]},
        {"off": ["2026-02-29"]},
    ],
)
def test_days_are_of_that_year_and_no_more_than_any_year_had(changes: dict[str, list[str]]) -> None:
    with refused("bad-field"):
        publish(World().enrol(), **changes)
