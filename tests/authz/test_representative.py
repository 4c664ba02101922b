"""Chief representatives: at a window, only who is appointed decides, and what is on the list."""

from typing import Any

import pytest

from tests.authz.refusals import refused
from tests.authz.test_case_bundle import bundle_of, judged
from tests.authz.test_decision import ask
from tests.authz.world import (
    CASE,
    CHIEF,
    CLERK,
    DECIDE_BODY,
    FROM_S,
    HEAD,
    HRSS,
    ITEM,
    OUTSIDER,
    TIBET,
    UNTIL_S,
    WINDOW,
    World,
    officer,
)

HALL_TB, WINDOW_TB = "540000/hall/lhasa", "540000/window/w1"
CHIEF_REP, DEPUTY, OTHER = (f"540000/officer/w1-0{it}" for it in (1, 2, 3))
APPOINTMENT = "540000/representative/hrss"
BODY = {
    "version": 1,
    "officer": CHIEF_REP,
    "deputy": DEPUTY,
    "items": ["000500000001"],
    "valid_from": FROM_S,
    "valid_until": UNTIL_S,
}
WHY = {"reason": "轮岗"}


def at_window(world: World) -> World:
    """The case has come to a window of the department that decides."""
    world.do("party.enrol", TIBET, HALL_TB, {"name": "拉萨市政务服务大厅"})
    place = {"name": "人社窗口", "hall": HALL_TB, "department": HRSS}
    world.do("party.enrol", TIBET, WINDOW_TB, place)
    for who in (CHIEF_REP, DEPUTY, OTHER):
        world.do("party.enrol", TIBET, who, officer(WINDOW_TB, who, ["decide", "receive"]))
    return world.open().hand_over(CLERK, WINDOW_TB, CHIEF_REP)


AT_WINDOW = at_window(World().enrol().lend())
APPOINTED = AT_WINDOW.copy()
APPOINTED.do("representative.appoint", HEAD, APPOINTMENT, BODY)


def decide(world: World, who: str) -> None:
    world.copy().do("case.decide", who, CASE, DECIDE_BODY)


def test_at_a_window_nobody_decides_unless_appointed() -> None:
    with refused("not-representative"):
        decide(AT_WINDOW, CHIEF_REP)
    with refused("not-representative"):
        decide(APPOINTED, OTHER)
    for who in (CHIEF_REP, DEPUTY):
        decide(APPOINTED, who)


def test_check_says_who_decides_on_site() -> None:
    for who, code in ((CHIEF_REP, "own-competence"), (OTHER, "not-representative")):
        assert ask(APPOINTED, "decide", window=WINDOW_TB, officer=who).code == code


@pytest.mark.parametrize(
    "change",
    [
        {"items": ["000500000002"]},
        {"valid_from": FROM_S + 5_000},
    ],
)
def test_a_representative_decides_on_the_list_and_in_the_term(change: dict[str, Any]) -> None:
    world = AT_WINDOW.copy()
    world.do("representative.appoint", HEAD, APPOINTMENT, BODY | change)
    with refused("not-representative"):
        decide(world, CHIEF_REP)


def test_a_term_that_is_over_gives_nothing() -> None:
    world = APPOINTED.copy()
    world.now_s = UNTIL_S
    with refused("not-representative"):
        decide(world, CHIEF_REP)


def test_who_is_dismissed_or_followed_by_another_decides_no_more() -> None:
    world = APPOINTED.copy()
    world.do("representative.dismiss", HEAD, APPOINTMENT, WHY)
    for who in (CHIEF_REP, DEPUTY):
        with refused("not-representative"):
            decide(world, who)
    other = APPOINTED.copy()
    later = {"version": 2, "officer": OTHER, "deputy": CHIEF_REP}
    other.do("representative.appoint", HEAD, APPOINTMENT, BODY | later)
    with refused("not-representative"):
        decide(other, DEPUTY)
    for who in (OTHER, CHIEF_REP):
        decide(other, who)


def test_an_appointment_that_another_has_followed_takes_nothing_back() -> None:
    world = APPOINTED.copy()
    second = "540000/representative/second"
    world.do("representative.appoint", HEAD, second, BODY)
    world.do("representative.dismiss", HEAD, APPOINTMENT, WHY)
    decide(world, CHIEF_REP)


def test_a_department_appoints_two_of_its_own_for_a_term_to_come() -> None:
    for change, code in (
        ({"deputy": CHIEF_REP}, "bad-field"),
        ({"deputy": "540000/officer/none"}, "officer-not-live"),
        ({"deputy": OUTSIDER}, "not-competent"),
        ({"valid_until": FROM_S}, "outlives-basis"),
    ):
        with refused(code):
            AT_WINDOW.copy().do("representative.appoint", HEAD, APPOINTMENT, BODY | change)
    with refused("not-entitled"):
        AT_WINDOW.copy().do("representative.appoint", CHIEF, "510000/representative/1", BODY)


def test_a_representative_does_not_decide_on_what_another_place_owns() -> None:
    assert ask(APPOINTED, "decide", window=WINDOW_TB, item=ITEM).code == "decision-stays"
    world = APPOINTED.copy()
    lent = ask(world, "decide", window="510000/window/w3", officer=CLERK)
    assert lent.code == "decision-stays"


def test_the_evidence_of_a_case_shows_who_was_appointed_and_the_hours_that_were_kept() -> None:
    """What stands in rows of officers and windows is proven by the records that put it there."""
    world = World(real_views=True).enrol().lend()
    hours = {"version": 1, "windows": [WINDOW], "days": ["sun"], "opens": "00:00"}
    world.do("hours.publish", CHIEF, "510000/hours/centre", hours | {"closes": "00:01"})
    world = at_window(world)
    world.do("representative.appoint", HEAD, APPOINTMENT, BODY)
    world.do("case.decide", CHIEF_REP, CASE, DECIDE_BODY)
    told = judged(bundle_of(world))
    assert [line.kind for line in told.lines][-1] == "case.decide"
    assert told.findings == ()
