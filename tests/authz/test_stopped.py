"""A unit that is suspended or retired begins nothing; what is there it may give back."""

from typing import Any

import pytest

from tests.authz.refusals import refused
from tests.authz.slow.cases import GOES_ON
from tests.authz.test_branch import BRANCH, HEAD_CQ, OF_CASE, REPORT, SPLIT
from tests.authz.test_branch import OPENED as JOINT
from tests.authz.test_case_bundle import bundle_of, judged
from tests.authz.test_decision import ask
from tests.authz.world import (
    CASE,
    CHIEF,
    CHONGQING,
    CLERK,
    CLERK_2,
    DECIDE_BODY,
    DECIDER,
    GRANT,
    GRANT_BODY,
    HALL,
    HEAD,
    HEAD_SC,
    HRSS,
    HRSS_CQ,
    HRSS_SC,
    ITEM,
    ITEM_BODY,
    KINDS,
    LENT,
    OPEN_BODY,
    OPENED,
    SICHUAN,
    TIBET,
    WINDOW,
    WINDOW_2,
    World,
    officer,
)

HASH = bytes(32)
WHY = {"reason": "整改"}
UNDER = {"grant": GRANT, "window": WINDOW}
STOPS = [
    ("party.suspend", WINDOW),
    ("party.retire", WINDOW),
    ("party.suspend", HALL),
    ("party.retire", HRSS_SC),
]
BESIDE = {"case": CASE, "grant": GRANT}
NEW: list[tuple[str, str, dict[str, Any]]] = [
    ("case.open", "510000/case/2", OPEN_BODY),
    ("case.note", CASE, {"remark": "待补"}),
    ("case.notice", CASE, UNDER | {"missing": ["form"]}),
    ("case.withdraw", CASE, UNDER | {"reason": "不办了"}),
    ("review.form", "510000/form-review/1", BESIDE | {"checklist": HASH, "result": "complete"}),
    ("contact.first", "510000/first-contact/1", {"matter": "a1"}),
    (
        "branch.open",
        "510000/branch/1",
        {"case": CASE, "part": "insurance", "department": HRSS_CQ},
    ),
]


def stopped(world: World, kind: str, unit: str) -> World:
    world = world.copy()
    world.do(kind, SICHUAN, unit, WHY)
    return world


@pytest.mark.parametrize(("kind", "unit"), STOPS)
@pytest.mark.parametrize(("event", "name", "body"), NEW, ids=[it[0] for it in NEW])
def test_nothing_new_is_done_at_a_unit_that_is_stopped_or_part_of_one(
    kind: str, unit: str, event: str, name: str, body: dict[str, Any]
) -> None:
    with refused("unit-stopped"):
        stopped(OPENED, kind, unit).do(event, CLERK, name, body)


@pytest.mark.parametrize(("kind", "unit"), STOPS)
def test_a_case_is_handed_on_from_a_unit_that_is_stopped(kind: str, unit: str) -> None:
    world = stopped(OPENED, kind, unit)
    world.do("handoff.offer", CLERK, CASE, {"unit": HRSS})
    world.do("handoff.cancel", CLERK, CASE, {})
    world.hand_over(CLERK, HRSS, HEAD)
    assert world.holders() == [TIBET]


def test_what_a_stopped_unit_holds_its_region_hands_on_where_nobody_is_left_to() -> None:
    out = {"unit": HRSS}
    with refused("not-holder"):  # of a unit in service
        OPENED.copy().do("handoff.offer", SICHUAN, CASE, out)
    for kind in ("party.suspend", "party.retire"):
        world = stopped(OPENED, kind, WINDOW)
        with refused("unknown-object"):  # that is nobody else's region
            world.copy().do("handoff.offer", CHONGQING, CASE, out)
        world.do("party.retire", SICHUAN, CLERK, WHY)
        world.do("handoff.offer", SICHUAN, CASE, out)
        world.do("handoff.accept", HEAD, CASE, {"holder": SICHUAN})
        world.do("handoff.release", SICHUAN, CASE, {})
        assert world.holders() == [TIBET]
        with refused("not-holder"):  # it is there no more
            world.do("handoff.offer", SICHUAN, CASE, {"unit": WINDOW_2})


def test_a_grant_is_declined_for_a_window_that_is_stopped_and_not_accepted() -> None:
    world = World().enrol()
    world.do("item.publish", HEAD, ITEM, ITEM_BODY)
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY)
    world.do("party.suspend", SICHUAN, WINDOW, WHY)
    with refused("window-not-live"):  # by an officer of its department, which is in service
        world.copy().do("grant.accept", HEAD_SC, GRANT, {"window": WINDOW, "item": ITEM})
    world.do("grant.decline", HEAD_SC, GRANT, {"window": WINDOW, **WHY})


def test_a_stopped_window_takes_no_case_over_and_says_so() -> None:
    world = OPENED.copy().deciding()
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    world.do("handoff.offer", HEAD, CASE, {"unit": WINDOW})
    world.do("party.suspend", SICHUAN, WINDOW, WHY)
    with refused("unit-stopped"):
        world.do("handoff.accept", CLERK, CASE, {"holder": TIBET})
    world.do("handoff.decline", CLERK, CASE, {"holder": TIBET, **WHY})
    world.do("handoff.cancel", TIBET, CASE, {})
    world.hand_over(HEAD, WINDOW_2, CLERK_2)
    assert world.holders() == [SICHUAN]


def test_a_branch_comes_home_to_a_stopped_window_so_that_the_case_can_go_on_whole() -> None:
    world = JOINT.copy()
    world.do("branch.open", CLERK, BRANCH, SPLIT)
    out = {"unit": HRSS_CQ}
    world.do("handoff.offer", CLERK, BRANCH, out)
    world.do("handoff.accept", HEAD_CQ, BRANCH, {"holder": SICHUAN})
    world.do("handoff.release", SICHUAN, BRANCH, {})
    world.do("branch.report", HEAD_CQ, BRANCH, REPORT)
    world.do("party.suspend", SICHUAN, WINDOW, WHY)
    with refused("not-joined"):
        world.do("handoff.offer", CLERK, CASE, {"unit": HRSS})
    world.do("handoff.offer", HEAD_CQ, BRANCH, {"unit": WINDOW})
    elsewhere = world.copy()
    world.do("handoff.accept", CLERK, BRANCH, {"holder": CHONGQING})
    world.do("handoff.release", CHONGQING, BRANCH, {})
    world.do("branch.join", CLERK, BRANCH, OF_CASE)
    world.hand_over(CLERK, HRSS, HEAD)
    assert world.holders() == [TIBET]
    # A branch that is no part of what the window holds is something new.
    elsewhere.do("handoff.cancel", HEAD_CQ, BRANCH, {})
    elsewhere.do("handoff.offer", HEAD_CQ, BRANCH, {"unit": WINDOW_2})
    elsewhere.do("party.suspend", SICHUAN, WINDOW_2, WHY)
    with refused("unit-stopped"):
        elsewhere.do("handoff.accept", CLERK_2, BRANCH, {"holder": CHONGQING})


def test_a_branch_that_was_never_here_is_something_new_to_a_stopped_unit() -> None:
    world = JOINT.copy()
    world.do("branch.open", CLERK, BRANCH, SPLIT)
    world.do("handoff.offer", CLERK, BRANCH, {"unit": HRSS_CQ})
    world.do("party.suspend", CHONGQING, HRSS_CQ, WHY)
    with refused("unit-stopped"):
        world.do("handoff.accept", HEAD_CQ, BRANCH, {"holder": SICHUAN})


def test_a_representative_decides_nothing_at_a_stopped_window() -> None:
    hall, window = "540000/hall/main", "540000/window/w1"
    clerk, chief, case = "540000/officer/w1-01", "540000/officer/w1-02", "540000/case/1"
    world = LENT.copy()
    world.do("party.enrol", TIBET, hall, {"name": "大厅"})
    world.do("party.enrol", TIBET, window, {"name": "窗口", "hall": hall, "department": HRSS})
    for who, roles in ((clerk, ["receive"]), (chief, ["decide", "receive"])):
        world.do("party.enrol", TIBET, who, officer(window, who, roles))
    appointed = {"version": 1, "officer": chief, "items": [ITEM.split("/")[2]]}
    term = {name: GRANT_BODY[name] for name in ("valid_from", "valid_until")}
    world.do("representative.appoint", HEAD, "540000/representative/1", appointed | term)
    own = {name: it for name, it in OPEN_BODY.items() if name not in {"grant", "window"}}
    world.do("case.open", clerk, case, own | {"window": window})
    assert ask(world, "decide", window=window, officer=chief).allowed == "yes"
    world.copy().do("case.decide", chief, case, DECIDE_BODY)
    world.do("party.suspend", TIBET, window, WHY)
    with refused("unit-stopped"):
        world.do("case.decide", chief, case, DECIDE_BODY)
    assert ask(world, "decide", window=window, officer=chief).code == "unit-stopped"


def test_a_stopped_department_lends_nothing_more_and_may_take_back_what_it_lent() -> None:
    world = LENT.copy()
    world.do("party.suspend", TIBET, HRSS, WHY)
    with refused("unit-stopped"):
        world.do("grant.offer", HEAD, "540000/grant/2", GRANT_BODY)
    with refused("unit-stopped"):
        world.do("item.publish", HEAD, ITEM, ITEM_BODY | {"version": 2})
    world.do("grant.suspend", HEAD, GRANT, WHY)
    with refused("unit-stopped"):
        world.do("grant.resume", HEAD, GRANT, WHY)
    world.do("grant.revoke", HEAD, GRANT, WHY)


def test_a_stopped_window_answers_for_what_it_did() -> None:
    world = OPENED.copy()
    opened = len(world.logs[SICHUAN].statements) - 1
    notice = {"to": WINDOW, "matter": "核验不严", "due": world.now_s + 9}
    world.do("supervision.notice", CHIEF, "510000/supervision/1", notice)
    world.do("party.suspend", CHIEF, WINDOW, WHY)
    reply = {"reply": "已改正", "evidence": HASH}
    world.do("supervision.reply", CLERK, "510000/supervision/1", reply)
    wrong = {"index": opened, "reason": "误录", "remark": "应为窗口"}
    world.do("act.correct", CLERK, CASE, wrong, corrects=opened)


def test_a_unit_that_is_resumed_goes_on() -> None:
    world = stopped(OPENED, "party.suspend", HALL)
    assert ask(world, "intake").code == "unit-stopped"
    world.do("party.resume", SICHUAN, HALL, WHY)
    assert ask(world, "intake").allowed == "yes"
    world.do("case.note", CLERK, CASE, {"remark": "待补"})


@pytest.mark.parametrize(("kind", "unit"), STOPS)
def test_check_says_that_a_window_is_stopped_with_what_it_is_part_of(kind: str, unit: str) -> None:
    made = ask(stopped(LENT, kind, unit), "intake", officer=CLERK)
    assert (made.allowed, made.code) == ("no", "unit-stopped")
    assert "移交" in made.reason_zh


def test_the_region_s_own_key_is_stopped_by_nothing() -> None:
    world = stopped(OPENED, "party.suspend", HRSS_SC)
    public = {"version": 1, "key": HASH}
    world.do("vault.key", SICHUAN, f"{SICHUAN}/vault-key/x25519", public)
    with refused("unit-stopped"):
        world.do("party.suspend", HEAD_SC, WINDOW, WHY)


def test_what_goes_on_at_a_stopped_unit_is_this_and_no_more() -> None:
    marked = {kind.name for kind in KINDS.values() if kind.while_stopped}
    assert marked == GOES_ON | {"handoff.accept"}


def test_offline_the_evidence_of_a_case_says_what_was_done_at_a_stopped_window() -> None:
    world = World(real_views=True).enrol().lend().open()
    world.do("party.suspend", SICHUAN, HALL, WHY)
    with refused("unit-stopped"):
        world.do("case.note", CLERK, CASE, {"remark": "待补"}, force=True)
    told = [(line.kind, line.findings) for line in judged(bundle_of(world)).lines]
    assert told == [("case.open", ()), ("case.note", ("unit-stopped",))]
