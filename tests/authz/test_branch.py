"""Branches of a case, parts and papers that stand between it and its result."""

from itertools import product
from typing import Any

import pytest

from authz import branch
from authz.branch import Event, Stage
from ledger.errors import RefusedError
from tests.authz.bodies import without
from tests.authz.refusals import refused
from tests.authz.test_case_bundle import bundle_of, judged
from tests.authz.world import (
    CASE,
    CHONGQING,
    CLERK,
    CLERK_2,
    DECIDE_BODY,
    DECIDER,
    GRANT,
    HEAD,
    HEAD_SC,
    HRSS,
    HRSS_CQ,
    HRSS_SC,
    ITEM,
    OPEN_BODY,
    SICHUAN,
    TIBET,
    WINDOW,
    WINDOW_2,
    World,
    officer,
)

BRANCH = "510000/branch/2026-000017.1"
SECOND = "510000/branch/2026-000017.2"
HEAD_CQ = "500000/officer/hrss-01"
OF_CASE = {"case": CASE}
SPLIT: dict[str, Any] = {**OF_CASE, "part": "insurance", "department": HRSS_CQ}
REPORT = {"result": "granted", "basis": "社会保险法", "document": bytes(32)}
WHY = {"reason": "不再需要"}
UNDER = {"grant": GRANT, "window": WINDOW}


def opened(*, real_views: bool = False) -> World:
    world = World(real_views=real_views).enrol().lend().open(mode="joint")
    world.do(
        "party.enrol",
        CHONGQING,
        HEAD_CQ,
        officer(HRSS_CQ, HEAD_CQ, ["decide", "manage", "receive"]),
    )
    return world


OPENED = opened()


def split() -> World:
    world = OPENED.copy()
    world.do("branch.open", CLERK, BRANCH, SPLIT)
    return world


def hand(world: World, giver: str, unit: str, taker: str, name: str = BRANCH) -> None:
    world.do("handoff.offer", giver, name, {"unit": unit})
    world.do("handoff.accept", taker, name, {"holder": giver[:6]})
    world.do("handoff.release", giver[:6], name, {})


def back() -> World:
    """The branch went to Chongqing, came out there, and is back at the window."""
    world = split()
    hand(world, CLERK, HRSS_CQ, HEAD_CQ)
    world.do("branch.report", HEAD_CQ, BRANCH, REPORT)
    hand(world, HEAD_CQ, WINDOW, CLERK)
    return world


@pytest.mark.parametrize(("stage", "event"), list(product(Stage, Event)))
def test_a_branch_comes_along_by_the_table_and_no_other_way(stage: Stage, event: Event) -> None:
    after = branch.TRANSITIONS.get((stage, event))
    if after is not None:
        assert branch.next_stage(stage, event) is after
    else:
        with pytest.raises(RefusedError):
            branch.next_stage(stage, event)


def test_a_branch_has_one_holder_at_every_moment_while_the_case_stays() -> None:
    world = split()
    assert world.holders(BRANCH) == [SICHUAN]
    world.do("handoff.offer", CLERK, BRANCH, {"unit": HRSS_CQ})
    world.do("handoff.accept", HEAD_CQ, BRANCH, {"holder": SICHUAN})
    assert world.holders(BRANCH) == [SICHUAN]
    with refused("not-holder"):
        world.do("branch.report", HEAD_CQ, BRANCH, REPORT)
    world.do("handoff.release", SICHUAN, BRANCH, {})
    assert (world.holders(BRANCH), world.holders()) == ([CHONGQING], [SICHUAN])
    world.do("branch.report", HEAD_CQ, BRANCH, REPORT)
    assert world.state(CHONGQING, BRANCH)["stage"] == "reported"


def test_the_one_result_waits_until_every_branch_is_joined() -> None:
    world = back()
    world.do("branch.open", CLERK, SECOND, {**SPLIT, "part": "household"})
    world.do("branch.join", CLERK, BRANCH, OF_CASE)
    with refused("not-joined"):
        world.do("handoff.offer", CLERK, CASE, {"unit": HRSS})
    world.do("branch.drop", CLERK, SECOND, OF_CASE | WHY)
    assert world.holders(BRANCH) == world.holders(SECOND) == []
    world.hand_over(CLERK, HRSS, HEAD)
    world.do("case.note", HEAD, CASE, {"remark": "已收到"})
    world.do("branch.open", HEAD, "540000/branch/1", SPLIT)
    with refused("not-joined"):
        world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    world.do("branch.drop", HEAD, "540000/branch/1", OF_CASE | WHY)
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)


def test_a_case_with_a_branch_out_is_not_closed() -> None:
    world = split()
    world.do("case.withdraw", CLERK, CASE, WHY | UNDER)
    with refused("not-joined"):
        world.do("case.close", CLERK, CASE, {})
    world.do("branch.drop", CLERK, BRANCH, OF_CASE | WHY)
    world.do("case.close", CLERK, CASE, {})


def test_only_who_holds_the_case_splits_it_while_it_is_whole_and_undecided() -> None:
    world = OPENED.copy()
    with refused("not-holder"):
        world.do("branch.open", CLERK_2, "510000/branch/9", SPLIT)
    with refused("not-competent"):
        world.do("branch.open", CLERK, "500000/branch/9", SPLIT)
    for nobody in (WINDOW, "120000/department/hrss"):
        with refused("unknown-object"):
            world.do("branch.open", CLERK, BRANCH, SPLIT | {"department": nobody})
    world.do("handoff.offer", CLERK, CASE, {"unit": HRSS})
    with refused("offer-open"):
        world.do("branch.open", CLERK, BRANCH, SPLIT)
    world.do("handoff.accept", HEAD, CASE, {"holder": SICHUAN})
    world.do("handoff.release", SICHUAN, CASE, {})
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    with refused("wrong-state"):
        world.do("branch.open", HEAD, "540000/branch/9", SPLIT)


def test_a_branch_is_opened_once_and_by_one_who_may() -> None:
    world = split()
    with refused("exists"):
        world.do("branch.open", CLERK, BRANCH, SPLIT)
    guard = "510000/officer/w3-09"
    world.do("party.enrol", SICHUAN, guard, officer(WINDOW, guard, ["manage"]))
    with refused("not-entitled"):
        world.do("branch.open", guard, SECOND, SPLIT)


def test_a_part_is_decided_by_the_department_that_owes_it_and_by_no_receiver() -> None:
    world = split()
    with refused("not-entitled"):
        world.do("branch.report", CLERK, BRANCH, REPORT)
    hand(world, CLERK, HRSS, HEAD)
    with refused("not-competent"):
        world.do("branch.report", HEAD, BRANCH, REPORT)
    # Whoever took the case in does not decide a part of it either.
    own = OPENED.copy()
    own.do("item.publish", HEAD_SC, "510000/item/1", _ITEM_SC)
    own.do("case.open", HEAD_SC, "510000/case/2", _OPEN_SC)
    mine = {**SPLIT, "case": "510000/case/2", "department": HRSS_SC}
    own.do("branch.open", HEAD_SC, BRANCH, mine)
    with refused("receiver-decides"):
        own.do("branch.report", HEAD_SC, BRANCH, REPORT)


_ITEM_SC = {
    "version": 1,
    "title": "生育登记",
    "code": "000500000002",
    "department": HRSS_SC,
    "materials": ["form"],
    "days": 3,
}
_OPEN_SC = {"item": "510000/item/1", "item_version": 1, "department": HRSS_SC, "mode": "counter"}


def test_only_who_holds_both_joins_a_branch_that_came_out() -> None:
    world = split()
    with refused("wrong-state"):
        world.do("branch.join", CLERK, BRANCH, OF_CASE)  # nothing came out yet
    world.do("handoff.offer", CLERK, BRANCH, {"unit": HRSS_CQ})
    with refused("offer-open"):
        world.do("branch.drop", CLERK, BRANCH, OF_CASE | WHY)
    world = back()
    with refused("not-holder"):
        world.do("branch.join", CLERK_2, BRANCH, OF_CASE)
    with refused("wrong-state"):
        world.do("branch.drop", CLERK, BRANCH, OF_CASE | WHY)
    hand(world, CLERK, WINDOW_2, CLERK_2)
    with refused("not-holder"):
        world.do("branch.join", CLERK_2, BRANCH, OF_CASE)  # the case is at the other window
    with refused("not-holder"):
        world.do("branch.join", CLERK, BRANCH, OF_CASE)  # the branch is at the other window
    hand(world, CLERK_2, WINDOW, CLERK)
    keeper = "510000/officer/w3-09"
    world.do("party.enrol", SICHUAN, keeper, officer(WINDOW, keeper, ["keeper"]))
    with refused("not-entitled"):
        world.do("branch.join", keeper, BRANCH, OF_CASE)
    world.do("branch.join", CLERK, BRANCH, OF_CASE)
    for kind, body in (("branch.join", OF_CASE), ("handoff.offer", {"unit": HRSS_CQ})):
        with refused("wrong-state"):
            world.do(kind, CLERK, BRANCH, body)


def test_no_part_is_reported_while_its_branch_is_offered() -> None:
    world = split()
    hand(world, CLERK, HRSS_CQ, HEAD_CQ)
    world.do("handoff.offer", HEAD_CQ, BRANCH, {"unit": WINDOW})
    with refused("offer-open"):
        world.do("branch.report", HEAD_CQ, BRANCH, REPORT)


def test_a_branch_is_joined_to_its_own_case() -> None:
    world = back()
    other = "510000/case/2026-000018"
    world.do("case.open", CLERK, other, OPEN_BODY)
    with refused("wrong-state"):
        world.do("branch.join", CLERK, BRANCH, {"case": other})


# ---- what goes along with a case that is handed over ------------------------------------------

PART = "510000/part/1"
PART_BODY = {**OF_CASE, "to": HRSS_CQ, "part": "insurance", "due": OPENED.now_s + 1_000}
TOLERANCE = "510000/tolerance/1"
TOLERANCE_BODY = {
    **OF_CASE,
    "item": ITEM,
    "item_version": 1,
    "missing": ["proof"],
    "consent": bytes(32),
    "due": OPENED.now_s + 1_000,
    "grant": GRANT,
}
SETTLED = {"received": ["proof"], "materials": [bytes(32)]}
DELIVERED = {"mode": "post"}


def test_a_part_asked_for_before_the_handover_is_waited_for_after_it() -> None:
    world = OPENED.copy()
    world.do("part.ask", CLERK, PART, PART_BODY)
    world.hand_over(CLERK, HRSS, HEAD)
    with refused("not-joined"):
        world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    world.do("part.answer", HEAD_CQ, PART, {"outcome": "done", "result": bytes(32)})
    with refused("not-joined"):
        world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    world.do("part.join", CLERK, PART, {"result": bytes(32)})
    with refused("not-joined"):  # not within sight yet
        world.do("case.decide", DECIDER, CASE, DECIDE_BODY, stale=True)
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)


def test_a_part_that_is_withdrawn_is_waited_for_no_more() -> None:
    world = OPENED.copy()
    world.do("part.ask", CLERK, PART, PART_BODY)
    world.do("part.withdraw", CLERK, PART, WHY)
    world.hand_over(CLERK, HRSS, HEAD)
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)


def tolerated() -> World:
    """A paper is to follow at the window, and Tibet has granted without it."""
    world = OPENED.copy()
    world.do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY)
    world.hand_over(CLERK, HRSS, HEAD)
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    return world


def test_the_owning_place_delivers_nothing_while_the_window_waits_for_a_paper() -> None:
    world = tolerated()
    with refused("unsettled"):
        world.do("case.deliver", HEAD, CASE, DELIVERED)
    world.do("tolerance.settle", CLERK, TOLERANCE, SETTLED)
    with refused("unsettled"):
        world.do("case.deliver", HEAD, CASE, DELIVERED, stale=True)
    world.do("case.deliver", HEAD, CASE, DELIVERED)


def test_the_window_delivers_nothing_while_it_waits_for_a_paper() -> None:
    world = tolerated().hand_over(HEAD, WINDOW, CLERK)
    under = DELIVERED | UNDER
    with refused("unsettled"):
        world.do("case.deliver", CLERK, CASE, under)
    world.do("tolerance.settle", CLERK, TOLERANCE, SETTLED)
    world.do("case.deliver", CLERK, CASE, under)


def test_a_refusal_is_handed_over_though_the_paper_never_came() -> None:
    world = OPENED.copy()
    world.do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY)
    world.hand_over(CLERK, HRSS, HEAD)
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY | {"result": "refused"})
    world.do("case.deliver", HEAD, CASE, DELIVERED)


@pytest.mark.parametrize(
    ("kind", "name", "body"),
    [("part.ask", PART, PART_BODY), ("tolerance.accept", TOLERANCE, TOLERANCE_BODY)],
)
def test_nothing_is_left_open_behind_an_offer_or_a_decision(
    kind: str, name: str, body: dict[str, Any]
) -> None:
    world = OPENED.copy()
    world.do("handoff.offer", CLERK, CASE, {"unit": HRSS})
    with refused("offer-open"):
        world.do(kind, CLERK, name, body)
    world.do("handoff.accept", HEAD, CASE, {"holder": SICHUAN})
    world.do("handoff.release", SICHUAN, CASE, {})
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    with refused("wrong-state"):
        world.do(kind, HEAD, name.replace(SICHUAN, TIBET), without(body, "grant"))


def test_a_bundle_of_the_case_proves_that_all_was_joined_and_settled() -> None:
    """Offline the same rules reach the same verdict: what they rest on is cited, so it is there."""
    world = opened(real_views=True)
    world.do("branch.open", CLERK, BRANCH, SPLIT)
    hand(world, CLERK, HRSS_CQ, HEAD_CQ)
    world.do("branch.report", HEAD_CQ, BRANCH, REPORT)
    hand(world, HEAD_CQ, WINDOW, CLERK)
    world.do("branch.join", CLERK, BRANCH, OF_CASE)
    world.do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY)
    world.hand_over(CLERK, HRSS, HEAD)
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    world.do("tolerance.settle", CLERK, TOLERANCE, SETTLED)
    world.do("case.deliver", HEAD, CASE, DELIVERED)
    told = judged(bundle_of(world))
    assert not [it.findings for it in told.lines if it.findings]
    assert told.lines[-1].kind == "case.deliver"
