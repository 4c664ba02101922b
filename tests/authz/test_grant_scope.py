"""What a grant is lent for: scenarios, a whole department, machines, hours, equipment, outlets."""

from typing import Any

import pytest

from authz.calendar import day_of, day_text
from authz.hours import WINDOWS_MAX, is_within
from ledger.kind import Judgement
from tests.authz.refusals import refused
from tests.authz.test_calendar import STEWARD
from tests.authz.test_case_bundle import bundle_of, judged
from tests.authz.test_decision import ask
from tests.authz.world import (
    ALL_RIGHTS,
    CASE,
    CHIEF,
    CLERK,
    CLERK_2,
    GRANT,
    GRANT_BODY,
    HALL,
    HEAD,
    HEALTH,
    HRSS,
    HRSS_SC,
    ITEM,
    ITEM_BODY,
    OPEN_BODY,
    OUTSIDER,
    SICHUAN,
    WINDOW,
    WINDOW_2,
    World,
    officer,
)

HASH = bytes(32)
ITEM_2, OTHERS = "540000/item/000500000002", "540000/item/000500000003"
SCENARIO, OTHER_SCENARIO = "540000/scenario/first", "540000/scenario/again"
DEVICE, MACHINE = "510000/device/d1", "510000/officer/d1"
BANK, TELLER = "510000/window/bank-1", "510000/officer/bank-1-01"
WHY = {"reason": "调整"}
DAY_S, HOUR_S = 86_400, 3_600
MONDAY_S = 1_793_548_800
"""2026-11-02, 00:00 in Beijing."""


def published(world: World) -> World:
    """Everybody, an item with two scenarios, a second item, and one of another department."""
    world.enrol()
    world.do("item.publish", HEAD, ITEM, ITEM_BODY)
    world.do("item.publish", HEAD, ITEM_2, ITEM_BODY | {"code": "000500000002"})
    world.do("item.publish", OUTSIDER, OTHERS, ITEM_BODY | {"department": HEALTH})
    scenario = {"version": 1, "item": ITEM, "item_version": 1, "title": "首次备案"}
    world.do("scenario.publish", HEAD, SCENARIO, scenario | {"materials": ["form"]})
    world.do("scenario.publish", HEAD, OTHER_SCENARIO, scenario | {"materials": ["proof"]})
    return world


PUBLISHED = published(World())
NOTICE = {"grant": GRANT, "window": WINDOW}


def lent(answer: dict[str, Any] | None = None, world: World = PUBLISHED, **changes: Any) -> World:
    world = world.copy()
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY | changes)
    body = {"window": changes.get("window", WINDOW), "item": ITEM} | (answer or {})
    world.do("grant.accept", CHIEF, GRANT, body)
    return world


# ---- scenarios ----------------------------------------------------------------------------------


def test_a_grant_for_some_scenarios_covers_no_case_of_another() -> None:
    world = lent(scenarios=[SCENARIO])
    for scenario in ({}, {"scenario": OTHER_SCENARIO}):
        with refused("scenario-not-granted"):
            world.do("case.open", CLERK, CASE, OPEN_BODY | scenario)
        assert ask(world, "intake", **scenario).code == "scenario-not-granted"
    assert ask(world, "intake", scenario=SCENARIO).grant == GRANT
    judgement = world.do("case.open", CLERK, CASE, OPEN_BODY | {"scenario": SCENARIO})
    assert [use.need for use in judgement.uses] == ["grant", "version", "scenario"]
    world.do("case.notice", CLERK, CASE, NOTICE | {"missing": ["form"]})


def test_a_case_of_a_scenario_is_asked_for_the_papers_of_that_scenario_alone() -> None:
    world = lent()
    world.do("case.open", CLERK, CASE, OPEN_BODY | {"scenario": SCENARIO})
    with refused("extra-material"):
        world.do("case.notice", CLERK, CASE, NOTICE | {"missing": ["form", "proof"]})
    again = {"version": 2, "item": ITEM, "item_version": 1, "title": "首次备案"}
    world.do("scenario.publish", HEAD, SCENARIO, again | {"materials": ["proof"]})
    with refused("extra-material"):
        world.do("case.notice", CLERK, CASE, NOTICE | {"missing": ["proof"]})
    world.do("case.notice", CLERK, CASE, NOTICE | {"missing": ["form"]})


def test_a_case_is_opened_under_a_scenario_in_force_of_its_own_item_version() -> None:
    world = lent({"also": [ITEM_2]}, also=[ITEM_2])
    with refused("unknown-object"):
        world.do("case.open", CLERK, CASE, OPEN_BODY | {"scenario": "540000/scenario/none"})
    with refused("item-not-live"):
        world.do("case.open", CLERK, CASE, OPEN_BODY | {"scenario": SCENARIO, "item": ITEM_2})
    world.do("scenario.withdraw", HEAD, SCENARIO, WHY)
    with refused("item-not-live"):
        world.do("case.open", CLERK, CASE, OPEN_BODY | {"scenario": SCENARIO})


@pytest.mark.parametrize(
    ("names", "item", "code"),
    [
        ([SCENARIO, "540000/scenario/none"], ITEM, "unknown-object"),
        ([ITEM], ITEM, "unknown-object"),
        ([SCENARIO], ITEM_2, "item-not-granted"),
    ],
)
def test_a_grant_names_scenarios_of_the_items_that_it_names(
    names: list[str], item: str, code: str
) -> None:
    with refused(code):
        PUBLISHED.copy().do(
            "grant.offer", HEAD, GRANT, GRANT_BODY | {"scenarios": sorted(names), "item": item}
        )


def test_a_scenario_that_is_withdrawn_is_not_lent() -> None:
    world = PUBLISHED.copy()
    world.do("scenario.withdraw", HEAD, SCENARIO, WHY)
    with refused("item-not-live"):
        world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"scenarios": [SCENARIO]})


# ---- a whole department ---------------------------------------------------------------


def test_a_department_may_lend_all_its_items_at_once_and_no_other_s() -> None:
    with refused("item-not-granted"):
        lent(department=HRSS)
    world = lent({"department": HRSS}, department=HRSS)
    for number, item in enumerate((ITEM, ITEM_2)):
        assert ask(world, "intake", item=item).grant == GRANT
        world.do("case.open", CLERK, f"510000/case/{number}", OPEN_BODY | {"item": item})
    assert ask(world, "intake", item=OTHERS).code == "no-grant"
    with refused("item-not-granted"):
        world.do("case.open", CLERK, CASE, OPEN_BODY | {"item": OTHERS, "department": HEALTH})
    later = "540000/item/000500000009"
    world.do("item.publish", HEAD, later, ITEM_BODY)
    assert ask(world, "intake", item=later).grant == GRANT
    with refused("not-competent"):
        lent(department=HEALTH)


# ---- machines -----------------------------------------------------------------------------------

DEVICE_BODY = {
    "window": WINDOW,
    "host": "某银行",
    "certificate": HASH,
    "firmware": HASH,
    "items": ["000500000001"],
}
CLERICAL = ["deliver", "intake"]
BY_DEVICE = {"mode": "kiosk", "device": DEVICE}


def with_device() -> World:
    world = PUBLISHED.copy()
    world.do("device.enrol", CHIEF, DEVICE, DEVICE_BODY)
    return world


def lent_to_device() -> World:
    return lent(world=with_device(), window=DEVICE, rights=CLERICAL)


def test_a_grant_to_a_machine_is_for_that_machine_and_its_window_has_nothing_of_it() -> None:
    world = lent_to_device()
    assert ask(world, "intake", device=DEVICE).grant == GRANT
    assert ask(world, "intake").code == "no-grant"
    with refused("window-not-granted"):
        world.do("case.open", CLERK, CASE, OPEN_BODY)
    world.do("case.open", CLERK, CASE, OPEN_BODY | BY_DEVICE)
    at_window = lent(world=with_device())
    with refused("window-not-granted"):
        at_window.do("case.open", CLERK, CASE, OPEN_BODY | BY_DEVICE)
    assert ask(at_window, "intake", device=DEVICE).code == "no-grant"


def test_a_case_that_a_machine_takes_in_names_the_machine() -> None:
    with refused("device-not-live"):
        lent().do("case.open", CLERK, CASE, OPEN_BODY | {"mode": "kiosk"})


def test_a_machine_is_lent_what_is_done_without_judgement() -> None:
    with refused("right-not-granted"):
        with_device().do("grant.offer", HEAD, GRANT, GRANT_BODY | {"window": DEVICE})


def test_only_the_hall_that_set_a_machine_up_answers_for_it() -> None:
    world = with_device()
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"window": DEVICE, "rights": CLERICAL})
    with refused("not-entitled"):
        world.do("grant.accept", "510000/officer/hrss-01", GRANT, {"window": DEVICE, "item": ITEM})


def test_a_machine_serves_where_it_stands_what_it_is_set_up_for_and_while_in_service() -> None:
    world = lent_to_device()
    with refused("device-not-live"):
        world.do("case.open", CLERK, CASE, OPEN_BODY | {"device": "510000/device/none"})
    with refused("window-not-granted"):
        world.do("case.open", CLERK_2, CASE, OPEN_BODY | BY_DEVICE | {"window": WINDOW_2})
    update = {"firmware": HASH, "items": ["000500000002"]}
    other = world.copy()
    other.do("device.update", CHIEF, DEVICE, update)
    with refused("item-not-granted"):
        other.do("case.open", CLERK, CASE, OPEN_BODY | BY_DEVICE)
    assert ask(other, "intake", device=DEVICE).code == "item-not-granted"
    world.do("device.suspend", CHIEF, DEVICE, WHY)
    with refused("device-not-live"):
        world.do("case.open", CLERK, CASE, OPEN_BODY | BY_DEVICE)


def test_a_machine_is_set_up_by_the_hall_of_its_window() -> None:
    world = PUBLISHED.copy()
    with refused("window-not-live"):
        world.do("device.enrol", CHIEF, DEVICE, DEVICE_BODY | {"window": "510000/window/none"})
    with refused("not-entitled"):
        world.do("device.enrol", SICHUAN, DEVICE, DEVICE_BODY)


def test_a_machine_s_own_key_speaks_for_that_machine_alone() -> None:
    world = lent_to_device()
    machine = officer(WINDOW, MACHINE, ["receive"], device=DEVICE)
    with refused("bad-field"):
        world.do("party.enrol", SICHUAN, MACHINE, machine | {"roles": ["decide", "receive"]})
    with refused("unknown-object"):
        world.do("party.enrol", SICHUAN, MACHINE, machine | {"unit": WINDOW_2})
    world.do("party.enrol", SICHUAN, MACHINE, machine)
    with refused("not-entitled"):
        world.do("case.open", MACHINE, CASE, OPEN_BODY)
    world.do("case.open", MACHINE, CASE, OPEN_BODY | BY_DEVICE)


# ---- hours --------------------------------------------------------------------------------------

HOURS = {"days": ["fri", "mon", "thu", "tue", "wed"], "opens": "09:00", "closes": "17:30"}
PUBLISHED_HOURS = HOURS | {"version": 1, "windows": [WINDOW]}
RECORD = "510000/hours/centre"


def at(world: World, hour: float, day: int = 0) -> Judgement:
    world.now_s = MONDAY_S + day * DAY_S + int(hour * HOUR_S)
    return world.do("case.open", CLERK, CASE, OPEN_BODY)


@pytest.mark.parametrize(
    ("day", "hour", "within"),
    [(0, 8.99, False), (0, 9, True), (4, 17.49, True), (4, 17.5, False), (5, 12, False)],
)
def test_hours_begin_and_end_to_the_minute_on_their_days(
    day: int, hour: float, *, within: bool
) -> None:
    time_s = MONDAY_S + day * DAY_S + round(hour * HOUR_S)
    assert is_within([HOURS["days"], 9 * 60, 17 * 60 + 30], time_s) is within


FROM = {"valid_from": MONDAY_S, "valid_until": MONDAY_S + 30 * DAY_S}


def test_what_is_done_beyond_hours_counts_and_is_marked() -> None:
    world = lent(**FROM, **HOURS)
    world.do("hours.publish", CHIEF, RECORD, PUBLISHED_HOURS | {"opens": "10:00"})
    assert at(world.copy(), 10).flags == ()
    (window,) = at(world.copy(), 9).flags
    assert (window.code, window.detail) == ("beyond-hours", "beyond the hours of the window")
    assert [it.detail[-6:] for it in at(world.copy(), 12, 5).flags] == ["window", " grant"]
    world.do("hours.withdraw", CHIEF, RECORD, WHY)
    assert at(world, 9).flags == ()


def test_an_authority_s_own_window_keeps_its_hours_too() -> None:
    world = PUBLISHED.copy()
    hall, window, chief, clerk = (
        f"540000/{it}" for it in ("hall/h", "window/w", "officer/h", "officer/w")
    )
    world.do("party.enrol", "540000", hall, {"name": "大厅"})
    place = {"name": "一号窗口", "hall": hall, "department": HRSS}
    world.do("party.enrol", "540000", window, place)
    world.do("party.enrol", "540000", chief, officer(hall, chief, ["manage"]))
    world.do("party.enrol", "540000", clerk, officer(window, clerk, ["receive"]))
    world.do("hours.publish", chief, "540000/hours/h", PUBLISHED_HOURS | {"windows": [window]})
    world.now_s = MONDAY_S
    body = {name: it for name, it in OPEN_BODY.items() if name != "grant"} | {"window": window}
    (flag,) = world.do("case.open", clerk, "540000/case/1", body).flags
    assert flag.code == "beyond-hours"


def test_a_machine_by_itself_keeps_no_hours() -> None:
    world = lent(world=with_device(), window=DEVICE, rights=CLERICAL, **FROM)
    world.do("hours.publish", CHIEF, RECORD, PUBLISHED_HOURS)
    world.now_s = MONDAY_S
    assert world.do("case.open", CLERK, CASE, OPEN_BODY | BY_DEVICE).flags == ()


def test_the_newest_hours_count_and_only_for_the_windows_that_they_name() -> None:
    world = lent(**FROM)
    world.do("hours.publish", CHIEF, RECORD, PUBLISHED_HOURS)
    other = "510000/hours/evening"
    world.do("hours.publish", CHIEF, other, PUBLISHED_HOURS | {"closes": "24:00"})
    world.do("hours.withdraw", CHIEF, RECORD, WHY)
    assert len(at(world.copy(), 8).flags) == 1
    world.do("hours.publish", CHIEF, other, PUBLISHED_HOURS | {"version": 2, "windows": [WINDOW_2]})
    assert at(world, 8).flags == ()


@pytest.mark.parametrize(
    "change",
    [
        {"opens": "9:00"},
        {"opens": "24:01"},
        {"opens": "10:60"},
        {"opens": "x1:00"},
        {"closes": "09:00"},
        {"days": []},
        {"windows": [f"510000/window/x{at:02}" for at in range(WINDOWS_MAX + 1)]},
    ],
)
def test_hours_are_days_and_times_of_a_day(change: dict[str, Any]) -> None:
    if "windows" not in change:
        with refused("bad-field"):
            PUBLISHED.copy().do("grant.offer", HEAD, GRANT, GRANT_BODY | HOURS | change)
    with refused("bad-field"):
        PUBLISHED.copy().do("hours.publish", CHIEF, RECORD, PUBLISHED_HOURS | change)


def test_a_grant_names_all_of_its_hours_or_nothing_of_them() -> None:
    with refused("bad-field"):
        PUBLISHED.copy().do("grant.offer", HEAD, GRANT, GRANT_BODY | {"opens": "09:00"})


def test_a_hall_publishes_the_hours_of_its_own_windows() -> None:
    with refused("window-not-live"):
        PUBLISHED.copy().do(
            "hours.publish", CHIEF, RECORD, PUBLISHED_HOURS | {"windows": ["500000/window/w1"]}
        )
    world = PUBLISHED.copy()
    east, window = "510000/hall/east", "510000/window/e1"
    world.do("party.enrol", SICHUAN, east, {"name": "东区政务大厅"})
    place = {"name": "一号窗口", "hall": east, "department": HRSS_SC}
    world.do("party.enrol", SICHUAN, window, place)
    with refused("not-entitled"):
        world.do("hours.publish", CHIEF, RECORD, PUBLISHED_HOURS | {"windows": [window]})


YEAR = f"{STEWARD}/calendar/2026"
FRIDAY = 4


def with_calendar(**changes: Any) -> World:
    """Hours from Monday to Friday, by a year in which one Friday is off and a Saturday worked."""
    world = lent(**FROM, **changes)
    day = day_of(MONDAY_S)
    off, on = day_text(day + FRIDAY), day_text(day + FRIDAY + 1)
    name = f"{STEWARD}/calendar/{off[:4]}"
    world.do("calendar.publish", STEWARD, name, {"version": 1, "off": [off], "on": [on]})
    world.do("hours.publish", CHIEF, RECORD, PUBLISHED_HOURS | {"calendar": name})
    return world


def test_a_window_that_follows_a_calendar_year_is_closed_on_its_days_off_alone() -> None:
    world = with_calendar()
    marked = {
        day: [it.code for it in at(world.copy(), 10, day).flags] for day in (3, FRIDAY, 5, 6, 7)
    }
    beyond = ["beyond-hours"]
    assert marked == {3: [], FRIDAY: beyond, 5: [], 6: beyond, 7: []}
    assert at(world, 8, 5).flags != ()  # a worked Saturday has the same hours


def test_a_grant_may_be_for_days_off_too() -> None:
    world = with_calendar(holidays=True)
    assert at(world.copy(), 10, FRIDAY).flags == ()
    assert [it.detail for it in at(world.copy(), 8, FRIDAY).flags] == [
        "beyond the hours of the window"
    ]


def test_hours_follow_a_year_that_is_published() -> None:
    with refused("unknown-object"):
        PUBLISHED.copy().do("hours.publish", CHIEF, RECORD, PUBLISHED_HOURS | {"calendar": YEAR})


def test_hours_that_name_no_year_any_more_are_withdrawn_like_others() -> None:
    world = with_calendar()
    world.do("hours.publish", CHIEF, RECORD, PUBLISHED_HOURS | {"version": 2})
    assert at(world.copy(), 10, FRIDAY).flags == ()
    assert "calendar" not in world.state(SICHUAN, RECORD)
    again = with_calendar()
    again.do("hours.withdraw", CHIEF, RECORD, WHY)
    assert at(again, 8, FRIDAY).flags == ()


# ---- equipment, outlets ---------------------------------------------------------------

READY = {
    "version": 1,
    "window": WINDOW,
    "staff": True,
    "video": True,
    "scan": False,
    "print": False,
    "evidence": HASH,
}


def test_a_grant_is_used_at_a_window_that_has_what_it_asks_for() -> None:
    world = lent(equipment=["staff", "video"])
    with refused("not-equipped"):
        world.do("case.open", CLERK, CASE, OPEN_BODY)
    assert ask(world, "intake").code == "not-equipped"
    name = "510000/readiness/w3"
    half = world.copy()
    half.do("readiness.attest", CHIEF, name, READY | {"video": False})
    with refused("not-equipped"):
        half.do("case.open", CLERK, CASE, OPEN_BODY)
    world.do("readiness.attest", CHIEF, name, READY)
    with refused("wrong-state"):
        other = {"version": 2, "window": WINDOW_2}
        world.do("readiness.attest", CHIEF, name, READY | other)
    assert ask(world, "intake").allowed == "yes"
    world.copy().do("case.open", CLERK, CASE, OPEN_BODY)
    world.do("readiness.withdraw", CHIEF, name, WHY)
    with refused("not-equipped"):
        world.do("case.open", CLERK, CASE, OPEN_BODY)


def test_what_a_hall_was_lent_an_outlet_in_it_has_not() -> None:
    world = PUBLISHED.copy()
    place = {"name": "银行网点", "hall": HALL, "department": HRSS_SC, "outlet": True}
    world.do("party.enrol", SICHUAN, BANK, place)
    world.do("party.enrol", SICHUAN, TELLER, officer(BANK, TELLER, ["receive"]))
    world = lent(world=world, window=HALL, rights=ALL_RIGHTS)
    with refused("window-not-granted"):
        world.do("case.open", TELLER, CASE, OPEN_BODY | {"window": BANK})
    assert ask(world, "intake", window=BANK).code == "no-grant"
    world.do("case.open", CLERK, CASE, OPEN_BODY)


def test_a_window_s_own_grant_that_has_ended_does_not_hide_its_hall_s() -> None:
    world = lent()
    hall = "540000/grant/hall"
    world.do("grant.offer", HEAD, hall, GRANT_BODY | {"window": HALL})
    world.do("grant.accept", CHIEF, hall, {"window": HALL, "item": ITEM})
    world.do("grant.revoke", HEAD, GRANT, WHY)
    assert ask(world, "intake").grant == hall


def test_the_evidence_of_a_case_shows_all_that_its_grant_is_for() -> None:
    world = published(World(real_views=True))
    world.do("device.enrol", CHIEF, DEVICE, DEVICE_BODY)
    terms = {"also": [ITEM_2], "scenarios": [SCENARIO], "window": DEVICE, "rights": CLERICAL}
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY | terms)
    answer = {"window": DEVICE, "item": ITEM, "also": [ITEM_2]}
    world.do("grant.accept", CHIEF, GRANT, answer)
    world.do("party.enrol", SICHUAN, MACHINE, officer(WINDOW, MACHINE, ["receive"], device=DEVICE))
    world.do("case.open", MACHINE, CASE, OPEN_BODY | BY_DEVICE | {"scenario": SCENARIO})
    told = judged(bundle_of(world))
    assert [line.kind for line in told.lines] == ["case.open"]
    assert told.findings == ()


def test_the_evidence_of_a_case_shows_what_its_window_is_equipped_for() -> None:
    world = lent(world=published(World(real_views=True)), equipment=["video"])
    world.do("readiness.attest", CHIEF, "510000/readiness/w3", READY)
    world.do("case.open", CLERK, CASE, OPEN_BODY)
    assert judged(bundle_of(world)).findings == ()
