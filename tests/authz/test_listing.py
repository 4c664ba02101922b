"""Lists of records: how each stands, what it says, and what is late."""

from typing import Any

import pytest

from authz.listing import WAITING, Kept, Standing, Wanted, stands
from authz.tables import LIVES
from tests.authz.world import (
    CHIEF,
    CLERK,
    ENROLLED,
    GRANT,
    HEAD,
    HRSS,
    SICHUAN,
    TIBET,
    WINDOW,
    World,
)

NOTICE = "540000/supervision/1"
START_S = ENROLLED.now_s
DUE_S = START_S + 1_000
BODY = {"to": WINDOW, "matter": "逾期未推送", "due": DUE_S}
REPLY = {"reply": "已推送", "evidence": bytes(32)}


def acts_on(world: World, name: str) -> list[Kept]:
    """What a node's store answers: every row of a record in every log, with the act behind it."""
    found = []
    for region in (SICHUAN, TIBET):
        log = world.logs[region]
        for fact in world.facts.get((log.origin, name), ()):
            made = log.statements[fact.index]
            body = made.act.body if made.subject == name else {}
            place = (fact.origin, fact.index)
            found.append(Kept(place, made.time_s, made.act.kind, made.issuer, body, fact.state))
    return found


def told(world: World, name: str, at_s: int) -> Standing:
    found = stands(name, acts_on(world, name), at_s)
    assert found is not None
    return found


@pytest.fixture
def noticed() -> World:
    world = ENROLLED.copy()
    world.do("supervision.notice", HEAD, NOTICE, BODY)
    return world


def test_of_two_logs_the_row_with_more_steps_says_where_a_record_stands(noticed: World) -> None:
    noticed.now_s += 10
    noticed.do("supervision.reply", CLERK, NOTICE, REPLY)
    it = told(noticed, NOTICE, noticed.now_s)
    assert (it.row["st"], it.steps, it.place[0]) == ("replied", 2, noticed.logs[SICHUAN].origin)
    assert (it.since_s, it.time_s) == (START_S, START_S + 10)
    assert it.said == BODY | REPLY
    assert (it.kind, it.issuer, it.opened_by) == ("supervision.reply", CLERK, HEAD)
    assert all(Wanted(about=who).has(it, noticed.now_s) for who in (CLERK, HEAD))


def test_a_record_is_told_as_it_stood_on_a_day(noticed: World) -> None:
    noticed.now_s += 10
    noticed.do("supervision.reply", CLERK, NOTICE, REPLY)
    assert told(noticed, NOTICE, START_S + 9).row["st"] == "noticed"
    assert stands(NOTICE, acts_on(noticed, NOTICE), START_S - 1) is None
    assert stands(NOTICE, [], START_S) is None


def test_what_waits_for_an_answer_is_overdue_once_the_answer_was_due(noticed: World) -> None:
    assert not told(noticed, NOTICE, DUE_S).is_overdue(DUE_S)
    assert told(noticed, NOTICE, DUE_S + 1).is_overdue(DUE_S + 1)
    noticed.do("supervision.reply", CLERK, NOTICE, REPLY)
    answered = told(noticed, NOTICE, DUE_S + 1)
    assert not answered.is_overdue(DUE_S + 1)
    assert answered.fields(DUE_S + 1)["overdue"] is False


def test_a_grant_is_told_with_what_both_its_sides_say() -> None:
    world = ENROLLED.copy().lend()
    world.do("grant.suspend", HEAD, GRANT, {"reason": "调整"})
    it = told(world, GRANT, world.now_s)
    assert (it.row["st"], it.row["ans"], it.row["live"]) == ("suspended", "accepted", False)
    assert it.steps == 3
    assert (it.said["window"], it.said["reason"]) == (WINDOW, "调整")


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ({}, True),
        ({"state": "noticed"}, True),
        ({"state": "closed"}, False),
        ({"about": WINDOW}, True),
        ({"about": HEAD}, True),
        ({"about": HRSS}, True),
        ({"about": CHIEF}, False),
        ({"overdue": True}, False),
        ({"older_s": 60}, True),
        ({"older_s": 61}, False),
    ],
)
def test_a_list_has_what_was_asked_for(noticed: World, wanted: dict[str, Any], has: bool) -> None:  # noqa: FBT001 - a parameter
    at_s = START_S + 60
    assert Wanted(**wanted).has(told(noticed, NOTICE, at_s), at_s) is has


def test_a_list_has_records_by_what_stands_in_their_lists() -> None:
    world = ENROLLED.copy()
    hours = {"version": 1, "windows": [WINDOW], "days": ["mon"], "opens": "09:00"}
    world.do("hours.publish", CHIEF, "510000/hours/h", hours | {"closes": "17:00"})
    it = told(world, "510000/hours/h", world.now_s)
    assert Wanted(about=WINDOW).has(it, world.now_s)
    assert Wanted(about="mon").has(it, world.now_s)


def test_an_act_on_another_subject_says_nothing_of_a_record_whose_row_it_changed() -> None:
    world = ENROLLED.copy()
    hours = {"version": 1, "windows": [WINDOW], "days": ["mon"], "opens": "09:00"}
    world.do("hours.publish", CHIEF, "510000/hours/h", hours | {"closes": "17:00"})
    it = told(world, WINDOW, world.now_s)
    assert "opens" not in it.said
    assert it.row["hours"][0] == ["mon"]
    assert (it.kind, it.waits) == ("hours.publish", False)


def test_every_state_that_waits_is_one_of_its_life() -> None:
    lives = {life.subject: life for life in LIVES}
    assert WAITING["task"] == {"assigned"}
    assert WAITING["parcel"] == {"sent"}
    for subject, states in WAITING.items():
        assert states <= {state for state, _ in lives[subject].steps}
