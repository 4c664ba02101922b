from itertools import product
from typing import Any

import pytest

from authz import grant
from authz.grant import INDEXED_GRANTS_MAX, Event, Side
from ledger.errors import RefusedError
from tests.authz.refusals import refused
from tests.authz.world import (
    ALL_RIGHTS,
    CASE,
    CHIEF,
    CLERK,
    CLERK_2,
    CLERK_CQ,
    DECIDER,
    ENROLLED,
    FROM_S,
    GRANT,
    GRANT_BODY,
    HEAD,
    HEAD_SC,
    HRSS_SC,
    ITEM,
    ITEM_BODY,
    LENT,
    OPEN_BODY,
    OUTSIDER,
    ROSTER,
    SICHUAN,
    TIBET,
    UNTIL_S,
    WINDOW,
    WINDOW_CQ,
    officer,
)

PUBLISHED = ENROLLED.copy()
PUBLISHED.do("item.publish", HEAD, ITEM, ITEM_BODY)
OFFERED = PUBLISHED.copy()
OFFERED.do("grant.offer", HEAD, GRANT, GRANT_BODY)
ANSWER = {"window": WINDOW, "item": ITEM}
WHY = {"reason": "政策调整"}
BASIS = "540000/basis/2021-21"
BASIS_BODY = {
    "title": "西南五省跨省通办实施方案",
    "document": "藏政办发〔2021〕21号",
    "valid_from": FROM_S,
    "valid_until": UNTIL_S,
}


@pytest.mark.parametrize(("side", "event"), list(product(Side, Event)))
def test_a_grant_moves_by_the_table_and_no_other_way(side: Side, event: Event) -> None:
    after = grant.TRANSITIONS.get((side, event))
    if after is not None:
        assert grant.next_side(side, event) is after
    else:
        with pytest.raises(RefusedError):
            grant.next_side(side, event)


def test_a_grant_is_live_only_when_both_sides_have_spoken() -> None:
    world = OFFERED.copy()
    with refused("not-accepted"):
        world.open()
    world.do("grant.accept", CHIEF, GRANT, ANSWER)
    assert world.open().state(SICHUAN, CASE)["grant"] == GRANT


@pytest.mark.parametrize("answerer", [CHIEF, HEAD_SC])
def test_hall_and_department_of_the_window_may_accept(answerer: str) -> None:
    world = OFFERED.copy()
    world.do("grant.accept", answerer, GRANT, ANSWER)
    assert world.state(SICHUAN, GRANT)["ans"] == "accepted"
    assert world.state(SICHUAN, grant.index_object(WINDOW, ITEM)) == {"g": [[GRANT, ALL_RIGHTS]]}


@pytest.mark.parametrize("answerer", [CLERK, CLERK_2])
def test_a_clerk_does_not_accept_a_grant(answerer: str) -> None:
    with refused("not-entitled"):
        OFFERED.copy().do("grant.accept", answerer, GRANT, ANSWER)


def test_a_manager_of_another_unit_does_not_answer_for_the_window() -> None:
    world = OFFERED.copy()
    civil, manager = "510000/department/civil", "510000/officer/civil-01"
    world.do("party.enrol", SICHUAN, civil, {"name": "民政厅"})
    world.do("party.enrol", SICHUAN, manager, officer(civil, manager, ["grant", "manage"]))
    for kind, body in (
        ("grant.accept", ANSWER),
        ("grant.decline", {"window": WINDOW, **WHY}),
    ):
        with refused("not-entitled"):
            world.do(kind, manager, GRANT, body)


def test_another_region_does_not_answer_for_the_window() -> None:
    with refused("window-not-granted"):
        OFFERED.copy().do("grant.accept", CLERK_CQ, GRANT, ANSWER)
    with refused("window-not-granted"):
        OFFERED.copy().do("grant.accept", CLERK_CQ, GRANT, ANSWER | {"window": WINDOW_CQ})


def test_only_an_offer_within_sight_is_accepted() -> None:
    with refused("unknown-object"):
        PUBLISHED.copy().do("grant.accept", CHIEF, GRANT, ANSWER)
    with refused("item-not-granted"):
        OFFERED.copy().do("grant.accept", CHIEF, GRANT, ANSWER | {"item": "540000/item/other"})


def test_a_grant_is_answered_once() -> None:
    world = LENT.copy()
    with refused("already-answered"):
        world.do("grant.accept", CHIEF, GRANT, ANSWER)
    with refused("already-answered"):
        world.do("grant.decline", CHIEF, GRANT, {"window": WINDOW, **WHY})


def test_a_declined_grant_is_of_no_use() -> None:
    world = OFFERED.copy()
    world.do("grant.decline", CHIEF, GRANT, {"window": WINDOW, **WHY})
    with refused("not-accepted"):
        world.open()


@pytest.mark.parametrize("ending", ["grant.suspend", "grant.revoke"])
def test_an_offer_that_has_ended_is_not_accepted(ending: str) -> None:
    world = OFFERED.copy()
    world.do(ending, HEAD, GRANT, WHY)
    with refused("grant-not-live"):
        world.do("grant.accept", CHIEF, GRANT, ANSWER)


def test_an_offer_past_its_term_is_not_accepted() -> None:
    world = OFFERED.copy()
    world.now_s = UNTIL_S
    with refused("grant-not-live"):
        world.do("grant.accept", CHIEF, GRANT, ANSWER)


def test_a_suspended_window_accepts_nothing() -> None:
    world = OFFERED.copy()
    world.do("party.suspend", SICHUAN, WINDOW, WHY)
    with refused("window-not-live"):
        world.do("grant.accept", CHIEF, GRANT, ANSWER)


def test_an_outlet_that_is_no_public_body_gets_clerical_rights_only() -> None:
    world = PUBLISHED.copy()
    bank = "510000/window/bank-1"
    world.do(
        "party.enrol",
        SICHUAN,
        bank,
        {
            "name": "银行网点",
            "hall": "510000/hall/centre",
            "department": HRSS_SC,
            "outlet": True,
        },
    )
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"window": bank})
    with refused("right-not-granted"):
        world.do("grant.accept", CHIEF, GRANT, ANSWER | {"window": bank})
    second = "540000/grant/2"
    rights = {"window": bank, "rights": ["deliver", "intake"]}
    world.do("grant.offer", HEAD, second, GRANT_BODY | rights)
    world.do("grant.accept", CHIEF, second, ANSWER | {"window": bank})


# The grantor's side


def test_only_the_competent_department_grants() -> None:
    with refused("not-competent"):
        PUBLISHED.copy().do("grant.offer", OUTSIDER, GRANT, GRANT_BODY)
    with refused("not-entitled"):
        PUBLISHED.copy().do("grant.offer", DECIDER, GRANT, GRANT_BODY)
    with refused("not-entitled"):
        PUBLISHED.copy().do("grant.offer", TIBET, GRANT, GRANT_BODY)


def test_what_is_lent_is_not_lent_on() -> None:
    world = LENT.copy()
    with refused("depth-exceeded"):
        world.do("grant.offer", HEAD_SC, "510000/grant/1", GRANT_BODY | {"window": WINDOW_CQ})


def test_a_region_numbers_only_its_own_grants() -> None:
    with refused("not-competent"):
        PUBLISHED.copy().do("grant.offer", HEAD, "510000/grant/1", GRANT_BODY)


def test_the_decision_is_never_lent() -> None:
    with refused("decision-stays"):
        PUBLISHED.copy().do("grant.offer", HEAD, GRANT, GRANT_BODY | {"rights": ["decide"]})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"rights": []}, "bad-field"),
        ({"rights": ["rule"]}, "bad-field"),
        ({"item": "540000/item/none"}, "unknown-object"),
        ({"item_version": 2}, "item-not-live"),
        ({"window": HRSS_SC}, "bad-field"),
        ({"window": "990000/window/w1"}, "unknown-object"),
        ({"staleness_s": 179}, "bad-field"),
        ({"staleness_s": 601}, "bad-field"),
        ({"valid_until": FROM_S}, "bad-field"),
        ({"basis": BASIS}, "unknown-object"),
    ],
)
def test_an_offer_that_is_not_of_the_form_is_refused(change: dict[str, Any], code: str) -> None:
    with refused(code):
        PUBLISHED.copy().do("grant.offer", HEAD, GRANT, GRANT_BODY | change)


def test_a_withdrawn_item_is_not_lent() -> None:
    world = PUBLISHED.copy()
    world.do("item.withdraw", HEAD, ITEM, WHY)
    with refused("item-not-live"):
        world.do("grant.offer", HEAD, GRANT, GRANT_BODY)


def test_a_grant_does_not_outlive_its_basis() -> None:
    world = PUBLISHED.copy()
    world.do("basis.publish", HEAD, BASIS, BASIS_BODY)
    with refused("exists"):
        world.do("basis.publish", HEAD, BASIS, BASIS_BODY)
    for change in ({"valid_until": UNTIL_S + 1}, {"valid_from": FROM_S - 1}):
        with refused("outlives-basis"):
            world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"basis": BASIS} | change)
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"basis": BASIS})


def test_a_basis_is_published_by_who_may() -> None:
    world = PUBLISHED.copy()
    with refused("not-entitled"):
        world.do("basis.publish", DECIDER, BASIS, BASIS_BODY)
    with refused("not-competent"):
        world.do("basis.publish", HEAD_SC, BASIS, BASIS_BODY)
    with refused("bad-field"):
        world.do("basis.publish", HEAD, BASIS, BASIS_BODY | {"valid_until": FROM_S})


def test_a_grant_is_offered_once() -> None:
    with refused("exists"):
        LENT.copy().do("grant.offer", HEAD, GRANT, GRANT_BODY)


def test_only_the_grantor_moves_its_side() -> None:
    for kind in ("grant.suspend", "grant.revoke"):
        with refused("unknown-object"):
            LENT.copy().do(kind, HEAD_SC, GRANT, WHY)
        with refused("not-competent"):
            LENT.copy().do(kind, OUTSIDER, GRANT, WHY)
        with refused("not-entitled"):
            LENT.copy().do(kind, DECIDER, GRANT, WHY)
        with refused("unknown-object"):
            LENT.copy().do(kind, HEAD, "540000/grant/none", WHY)


@pytest.mark.parametrize("who", [HEAD, TIBET])
def test_a_suspended_grant_is_of_no_use_until_resumed(who: str) -> None:
    world = LENT.copy()
    world.do("grant.suspend", who, GRANT, WHY)
    assert world.state(TIBET, GRANT)["live"] is False
    with refused("grant-not-live"):
        world.open()
    world.do("grant.resume", who, GRANT, WHY)
    world.open()


def test_a_revoked_grant_is_of_no_use_and_stays_revoked() -> None:
    world = LENT.copy()
    world.do("grant.revoke", HEAD, GRANT, WHY)
    with refused("grant-not-live"):
        world.open()
    for kind in ("grant.suspend", "grant.resume", "grant.revoke"):
        with refused("wrong-state"):
            world.do(kind, HEAD, GRANT, WHY)


# Uses


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"item": "540000/item/other"}, "item-not-granted"),
        ({"window": WINDOW_CQ}, "window-not-granted"),
        ({"rights": ["deliver", "notice", "verify"]}, "right-not-granted"),
        ({"valid_until": GRANT_BODY["valid_from"] + 1}, "grant-not-live"),
        ({"valid_from": GRANT_BODY["valid_until"] - 1}, "grant-not-live"),
    ],
)
def test_a_use_outside_the_grant_is_refused(change: dict[str, Any], code: str) -> None:
    world = PUBLISHED.copy()
    world.do("item.publish", HEAD, "540000/item/other", ITEM_BODY)
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY | change)
    with refused(code):
        world.open()


def test_an_act_for_another_place_without_a_grant_is_refused() -> None:
    with refused("no-grant"):
        LENT.copy().open(grant=None)
    with refused("no-grant"):
        LENT.copy().open(grant="540000/grant/none")
    with refused("window-not-granted"):
        LENT.copy().open(window=None)


def test_a_grant_is_used_through_a_view_that_later_ones_settle() -> None:
    judgement = LENT.copy().do("case.open", CLERK, CASE, OPEN_BODY)
    assert [(use.need, use.staleness_s) for use in judgement.uses] == [
        ("grant", 600),
        ("version", ROSTER.constants.staleness_s),
    ]


def test_under_an_old_view_a_revoked_grant_still_seems_live() -> None:
    """The use stands open; the next view unmasks it (protocol.md section 4)."""
    world = LENT.copy()
    world.view(SICHUAN, TIBET)
    world.do("grant.revoke", HEAD, GRANT, WHY)
    judgement = world.do("case.open", CLERK, CASE, OPEN_BODY, stale=True)
    assert judgement.uses


def test_inside_one_region_both_sides_stand_in_one_row_and_need_no_view() -> None:
    world = ENROLLED.copy()
    item, lent, case = "510000/item/1", "510000/grant/1", "510000/case/1"
    world.do("party.enrol", SICHUAN, "510000/department/civil", {"name": "民政厅"})
    civil = "510000/officer/civil-01"
    world.do(
        "party.enrol",
        SICHUAN,
        civil,
        officer("510000/department/civil", civil, ["decide", "grant", "receive"]),
    )
    world.do("item.publish", civil, item, ITEM_BODY | {"department": "510000/department/civil"})
    world.do("grant.offer", civil, lent, GRANT_BODY | {"item": item})
    world.do("grant.accept", CHIEF, lent, {"window": WINDOW, "item": item})
    assert (world.state(SICHUAN, lent)["st"], world.state(SICHUAN, lent)["ans"]) == (
        "offered",
        "accepted",
    )
    body = OPEN_BODY | {"item": item, "grant": lent, "department": "510000/department/civil"}
    judgement = world.do("case.open", CLERK, case, body)
    assert judgement.uses == ()
    world.do("grant.revoke", civil, lent, WHY)
    with refused("grant-not-live"):
        world.do("case.open", CLERK, "510000/case/2", body)
    assert not [it for it in world.logs[SICHUAN].statements if it.act.kind == "log.view"]


def test_a_limited_number_of_uses_is_counted_by_the_grantee() -> None:
    world = ENROLLED.copy().lend(quota=2)
    for number in range(2):
        world.do("case.open", CLERK, f"510000/case/{number}", OPEN_BODY)
    with refused("quota-spent"):
        world.open()
    assert world.state(SICHUAN, grant.quota_object(SICHUAN, GRANT)) == {"n": 2}


def test_the_index_lists_the_newest_grants_first_and_not_without_end() -> None:
    world = PUBLISHED.copy()
    for number in range(INDEXED_GRANTS_MAX + 1):
        name = f"540000/grant/{number:02}"
        world.do("grant.offer", HEAD, name, GRANT_BODY | {"rights": ["intake"]})
        world.do("grant.accept", CHIEF, name, ANSWER)
    listed = world.state(SICHUAN, grant.index_object(WINDOW, ITEM))["g"]
    assert [name for name, _ in listed] == [
        f"540000/grant/{number:02}" for number in range(INDEXED_GRANTS_MAX, 0, -1)
    ]
    assert grant.index_object(WINDOW, ITEM) != grant.index_object(WINDOW_CQ, ITEM)
