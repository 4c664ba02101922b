from itertools import product
from typing import Any

import pytest

from authz import case
from authz.case import Event, Stage
from authz.item import version_object
from ledger.encoding import encode
from ledger.errors import RefusedError
from tests.authz.refusals import refused
from tests.authz.world import (
    CASE,
    CHIEF,
    CLERK,
    CLERK_2,
    CLERK_CQ,
    DECIDE_BODY,
    DECIDER,
    ENROLLED,
    GRANT,
    GRANT_BODY,
    HEAD,
    HEALTH,
    HRSS,
    ITEM,
    ITEM_BODY,
    LENT,
    OPEN_BODY,
    OPENED,
    OUTSIDER,
    SICHUAN,
    TIBET,
    WINDOW,
    WINDOW_2,
    WINDOW_CQ,
    officer,
)

AT_TIBET = OPENED.copy().hand_over(CLERK, HRSS, HEAD)
DECIDED = AT_TIBET.copy()
DECIDED.do("case.decide", DECIDER, CASE, DECIDE_BODY)
BACK = DECIDED.copy().hand_over(DECIDER, WINDOW, CLERK)
WHY = {"reason": "申请人要求"}
UNDER = {"grant": GRANT, "window": WINDOW}
NOTICE = {"missing": ["proof"], **UNDER}
SUPPLEMENT = {"received": ["proof"], **UNDER}
VERIFY = {"documents": ["id-copy"], "result": "match", "method": "original", **UNDER}
DELIVER = {"mode": "counter", **UNDER}
OWN_ITEM, OWN_CASE = "540000/item/own", "540000/case/own"


@pytest.mark.parametrize(("stage", "event"), list(product(Stage, Event)))
def test_a_case_moves_by_the_table_and_no_other_way(stage: Stage, event: Event) -> None:
    after = case.TRANSITIONS.get((stage, event))
    if after is not None:
        assert case.next_stage(stage, event) is after
    else:
        with pytest.raises(RefusedError):
            case.next_stage(stage, event)


def test_a_closed_case_stays_closed_and_a_decision_is_taken_once() -> None:
    assert not [stage for stage, _ in case.TRANSITIONS if stage is Stage.CLOSED]
    decisions = [stage for stage, event in case.TRANSITIONS if event is Event.DECIDE]
    assert Stage.DECIDED not in decisions
    assert Stage.WITHDRAWN not in decisions


def test_a_notice_asks_for_something_and_a_supplement_brings_something() -> None:
    world = OPENED.copy()
    with refused("bad-field"):  # it would hold the clock, and ask for nothing
        world.do("case.notice", CLERK, CASE, NOTICE | {"missing": []})
    world.do("case.notice", CLERK, CASE, NOTICE)
    with refused("bad-field"):  # it would be no new fact, and let a second notice through
        world.do("case.supplement", CLERK, CASE, SUPPLEMENT | {"received": []})
    with refused("second-notice"):
        world.do("case.notice", CLERK, CASE, NOTICE)


def test_a_case_goes_its_whole_way() -> None:
    world = OPENED.copy()
    world.do("case.notice", CLERK, CASE, NOTICE)
    world.do("case.supplement", CLERK, CASE, SUPPLEMENT)
    world.do("case.verify", CLERK, CASE, VERIFY)
    world.hand_over(CLERK, HRSS, HEAD)
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    world.hand_over(DECIDER, WINDOW, CLERK)
    judgement = world.do("case.deliver", CLERK, CASE, DELIVER)
    assert [use.need for use in judgement.uses] == ["grant"]
    world.do("case.close", CLERK, CASE, {})
    row = world.state(SICHUAN, CASE)
    assert (row["at"], row["stage"], row["live"], row["result"]) == (
        "closed",
        "closed",
        False,
        "granted",
    )
    assert world.holders() == []
    assert len(encode(dict(row))) < 256
    for kind, body in (("case.note", {"remark": "x"}), ("handoff.offer", {"unit": HRSS})):
        with refused("wrong-state"):
            world.do(kind, CLERK, CASE, body)


def test_the_result_is_handed_over_after_the_decision_only() -> None:
    with refused("wrong-state"):
        OPENED.copy().do("case.deliver", CLERK, CASE, DELIVER)


def test_a_withdrawn_case_is_not_decided() -> None:
    world = OPENED.copy()
    world.do("case.withdraw", CLERK, CASE, {**WHY, **UNDER})
    world.hand_over(CLERK, HRSS, HEAD)
    with refused("wrong-state"):
        world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    world.do("case.close", HEAD, CASE, {})


# Opening


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"item_version": 2}, "item-not-live"),
        ({"item": "540000/item/none"}, "unknown-object"),
        ({"item": "990000/item/1"}, "unknown-object"),
        ({"department": HEALTH}, "not-competent"),
        ({"mode": "pigeon"}, "bad-field"),
        ({"window": WINDOW_2}, "not-entitled"),
        ({"window": "510000/window/none"}, "window-not-live"),
    ],
)
def test_a_case_that_does_not_fit_is_not_opened(change: dict[str, Any], code: str) -> None:
    with refused(code):
        LENT.copy().open(**change)


def test_a_case_pins_the_version_in_force() -> None:
    world = LENT.copy()
    world.do(
        "item.publish",
        HEAD,
        ITEM,
        ITEM_BODY | {"version": 2, "materials": ["form"], "tolerable": []},
    )
    with refused("item-not-live"):
        world.open()
    world.open(item_version=2)


def test_a_running_case_keeps_the_version_it_was_opened_under() -> None:
    world = OPENED.copy()
    world.do(
        "item.publish",
        HEAD,
        ITEM,
        ITEM_BODY | {"version": 2, "materials": ["form"], "tolerable": []},
    )
    world.do("case.notice", CLERK, CASE, NOTICE)


def test_under_a_withdrawn_item_no_case_is_opened() -> None:
    world = LENT.copy()
    world.do("item.withdraw", HEAD, ITEM, WHY)
    with refused("item-not-live"):
        world.open()


def test_a_case_number_is_given_out_once_and_by_its_own_region() -> None:
    with refused("exists"):
        OPENED.copy().open()
    with refused("not-competent"):
        LENT.copy().do("case.open", CLERK, "540000/case/1", OPEN_BODY)


def test_only_an_officer_with_the_role_receives() -> None:
    world = LENT.copy()
    keeper = "510000/officer/w3-09"
    world.do("party.enrol", SICHUAN, keeper, officer(WINDOW, keeper, ["keeper"]))
    with refused("not-entitled"):
        world.do("case.open", keeper, CASE, OPEN_BODY)


def test_a_suspended_window_or_officer_opens_nothing() -> None:
    world = LENT.copy()
    world.do("party.suspend", CHIEF, WINDOW, WHY)
    with refused("unit-stopped"):
        world.open()
    world.do("party.suspend", CHIEF, CLERK, WHY)
    with refused("officer-not-live"):
        world.open()


def test_an_officer_is_trained_where_the_item_asks_for_it() -> None:
    world = ENROLLED.copy()
    world.do("item.publish", HEAD, ITEM, ITEM_BODY | {"training": "t-2021"})
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY)
    world.do("grant.accept", CHIEF, GRANT, {"window": WINDOW, "item": ITEM})
    with refused("not-entitled"):
        world.open()
    trained = "510000/officer/w3-08"
    body = officer(WINDOW, trained, ["receive"], training=["t-2021"])
    world.do("party.enrol", SICHUAN, trained, body)
    world.do("case.open", trained, CASE, OPEN_BODY)


def test_an_authority_s_own_acts_rest_on_its_own_competence() -> None:
    world = ENROLLED.copy()
    world.do("item.publish", HEAD, OWN_ITEM, ITEM_BODY)
    body = OPEN_BODY | {"item": OWN_ITEM, "mode": "counter"}
    del body["grant"], body["window"]
    with refused("not-competent"):
        world.do("case.open", OUTSIDER, OWN_CASE, body)
    judgement = world.do("case.open", HEAD, OWN_CASE, body)
    assert judgement.uses == ()
    own_notice = {"missing": ["proof"]}
    world.do("case.notice", HEAD, OWN_CASE, own_notice)
    with refused("receiver-decides"):
        world.do("case.decide", HEAD, OWN_CASE, DECIDE_BODY)
    world.do("case.decide", DECIDER, OWN_CASE, DECIDE_BODY)
    world.do("case.deliver", HEAD, OWN_CASE, {"mode": "counter"})
    world.do("case.close", HEAD, OWN_CASE, {})


# Notices


def test_a_second_notice_wants_a_new_fact() -> None:
    world = OPENED.copy()
    world.do("case.notice", CLERK, CASE, NOTICE)
    with refused("second-notice"):
        world.do("case.notice", CLERK, CASE, NOTICE)
    world.do("case.note", CLERK, CASE, {"remark": "已电话联系"})
    with refused("second-notice"):
        world.do("case.notice", CLERK, CASE, NOTICE)
    world.do("case.supplement", CLERK, CASE, SUPPLEMENT)
    world.do("case.notice", CLERK, CASE, NOTICE)


def test_a_second_notice_is_no_other_place_s_to_give_either() -> None:
    world = OPENED.copy()
    world.do("case.notice", CLERK, CASE, NOTICE)
    world.hand_over(CLERK, HRSS, HEAD)
    with refused("second-notice"):
        world.do("case.notice", HEAD, CASE, {"missing": ["form"]})


def test_nothing_is_asked_for_that_is_not_on_the_list() -> None:
    with refused("extra-material"):
        OPENED.copy().do("case.notice", CLERK, CASE, NOTICE | {"missing": ["bank-slip", "proof"]})


def test_without_the_list_within_sight_nothing_is_asked_for() -> None:
    world = OPENED.copy()
    del world.facts[world.logs[TIBET].origin, version_object(ITEM, 1)]
    with refused("unknown-object"):
        world.do("case.notice", CLERK, CASE, NOTICE)


def test_the_owner_gives_notice_on_its_own_competence() -> None:
    AT_TIBET.copy().do("case.notice", HEAD, CASE, {"missing": ["proof"]})


# Rights


@pytest.mark.parametrize(
    ("right", "kind", "body"),
    [
        ("notice", "case.notice", NOTICE),
        ("intake", "case.supplement", SUPPLEMENT),
        ("verify", "case.verify", VERIFY),
        ("intake", "case.withdraw", {**WHY, **UNDER}),
    ],
)
def test_each_act_wants_its_own_right(right: str, kind: str, body: dict[str, Any]) -> None:
    world = OPENED.copy()
    lesser = "540000/grant/lesser"
    rights = [it for it in ("deliver", "intake", "notice", "verify") if it != right]
    world.do("grant.offer", HEAD, lesser, GRANT_BODY | {"rights": rights})
    world.do("grant.accept", CHIEF, lesser, {"window": WINDOW, "item": ITEM})
    with refused("right-not-granted"):
        world.do(kind, CLERK, CASE, body | {"grant": lesser})
    with refused("no-grant"):
        world.do(kind, CLERK, CASE, {key: it for key, it in body.items() if key not in UNDER})
    judgement = world.do(kind, CLERK, CASE, body)
    assert [use.need for use in judgement.uses] == ["grant"]


def test_delivering_wants_the_right_to_deliver() -> None:
    world = BACK.copy()
    lesser = "540000/grant/lesser"
    rights = ["intake", "notice", "verify"]
    world.do("grant.offer", HEAD, lesser, GRANT_BODY | {"rights": rights})
    world.do("grant.accept", CHIEF, lesser, {"window": WINDOW, "item": ITEM})
    with refused("right-not-granted"):
        world.do("case.deliver", CLERK, CASE, DELIVER | {"grant": lesser})
    with refused("no-grant"):
        world.do("case.deliver", CLERK, CASE, {"mode": "post"})
    world.do("case.deliver", CLERK, CASE, DELIVER)


def test_a_grant_revoked_in_between_carries_no_further_act() -> None:
    world = OPENED.copy()
    world.do("grant.revoke", HEAD, GRANT, WHY)
    with refused("grant-not-live"):
        world.do("case.verify", CLERK, CASE, VERIFY)


# Deciding


def test_a_window_does_not_decide() -> None:
    with refused("decision-stays"):
        OPENED.copy().do("case.decide", CLERK, CASE, DECIDE_BODY)


def test_another_department_does_not_decide() -> None:
    world = OPENED.copy().hand_over(CLERK, HEALTH, OUTSIDER)
    with refused("not-competent"):
        world.do("case.decide", OUTSIDER, CASE, DECIDE_BODY)


def test_deciding_wants_the_role() -> None:
    world = AT_TIBET.copy()
    clerk = "540000/officer/hrss-09"
    world.do("party.enrol", TIBET, clerk, officer(HRSS, clerk, ["receive"]))
    with refused("not-entitled"):
        world.do("case.decide", clerk, CASE, DECIDE_BODY)


def test_a_decision_is_taken_once() -> None:
    with refused("wrong-state"):
        DECIDED.copy().do("case.decide", DECIDER, CASE, DECIDE_BODY)


def test_closing_wants_a_role_too() -> None:
    world = BACK.copy()
    world.do("case.deliver", CLERK, CASE, DELIVER)
    keeper = "510000/officer/w3-09"
    world.do("party.enrol", SICHUAN, keeper, officer(WINDOW, keeper, ["keeper"]))
    with refused("not-entitled"):
        world.do("case.close", keeper, CASE, {})
    with refused("not-holder"):
        world.do("case.close", CLERK_2, CASE, {})


def test_a_case_goes_on_under_its_version_after_that_has_ended() -> None:
    world = OPENED.copy()
    world.do("item.withdraw", HEAD, ITEM, WHY)
    world.do("case.notice", CLERK, CASE, NOTICE)


def test_a_version_that_a_stale_view_does_not_show_yet_tells_no_paper_to_ask_for() -> None:
    """The grant is older than the version that the case was opened under elsewhere."""
    world = LENT.copy()
    lent = "540000/grant/2026-000002"
    there = {"window": WINDOW_CQ}
    world.do("grant.offer", HEAD, lent, GRANT_BODY | there)
    world.do("grant.accept", CLERK_CQ, lent, there | {"item": ITEM})
    world.do("item.publish", HEAD, ITEM, ITEM_BODY | {"version": 2})
    world.open(item_version=2)
    world.hand_over(CLERK, WINDOW_CQ, CLERK_CQ)
    world.do("case.note", CLERK_CQ, CASE, {"remark": "已接收"})
    notice = there | {"grant": lent, "missing": ["form"]}
    with refused("unknown-object"):
        world.copy().do("case.notice", CLERK_CQ, CASE, notice, stale=True)
    world.do("case.notice", CLERK_CQ, CASE, notice)
