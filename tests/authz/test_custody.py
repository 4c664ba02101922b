from itertools import product
from typing import Any

import pytest

from authz import custody
from authz.custody import At, Event
from ledger.errors import LedgerError, RefusedError
from ledger.statement import Act
from tests.authz.refusals import refused
from tests.authz.world import (
    CASE,
    CHONGQING,
    CLERK,
    CLERK_2,
    CLERK_CQ,
    DECIDE_BODY,
    DECIDER,
    HEAD,
    HEAD_SC,
    HRSS,
    HRSS_SC,
    OPENED,
    OUTSIDER,
    REGIONS,
    SICHUAN,
    TIBET,
    WINDOW,
    WINDOW_2,
    WINDOW_CQ,
    World,
    officer,
)

WHY = {"reason": "不属本部门"}
OFFER: dict[str, Any] = {"unit": HRSS}
ANSWER = {"holder": SICHUAN}
NOTE = {"remark": "已电话联系"}


def offered() -> World:
    world = OPENED.copy()
    world.do("handoff.offer", CLERK, CASE, OFFER)
    return world


def ever_held(world: World) -> frozenset[str]:
    return custody.ever_held(
        fact.state for (_, name), rows in world.facts.items() if name == CASE for fact in rows
    )


def test_who_held_a_case_once_is_told_from_all_its_rows() -> None:
    world = offered()
    assert ever_held(world) == {WINDOW}
    world.do("handoff.accept", HEAD, CASE, ANSWER)
    assert ever_held(world) == {WINDOW}
    world.do("handoff.release", SICHUAN, CASE, {})
    assert ever_held(world) == {WINDOW, HRSS}, "from the release on, before the first act"
    world.do("handoff.offer", HEAD, CASE, {"unit": WINDOW_CQ})
    world.do("handoff.decline", CLERK_CQ, CASE, {"holder": HRSS[:6], **WHY})
    assert ever_held(world) == {WINDOW, HRSS}, "an offer that was declined moves nothing"


@pytest.mark.parametrize(("at", "event"), list(product(At, Event)))
def test_custody_moves_by_the_table_and_no_other_way(at: At, event: Event) -> None:
    after = custody.TRANSITIONS.get((at, event))
    if after is not None:
        assert custody.next_at(at, event) is after
    else:
        with pytest.raises(RefusedError):
            custody.next_at(at, event)


def test_only_a_case_that_is_held_moves_on() -> None:
    """Opening and a release seen are the only ways to become the holder."""
    for (at, event), after in custody.TRANSITIONS.items():
        if after in custody.HOLDING and at not in custody.HOLDING:
            assert event in {Event.OPEN, Event.ARRIVE}
    assert not [at for at, _ in custody.TRANSITIONS if at is At.CLOSED]


def test_custody_moves_at_the_release_and_not_before() -> None:
    world = offered()
    assert world.holders() == [SICHUAN]
    world.do("handoff.accept", HEAD, CASE, ANSWER)
    assert world.holders() == [SICHUAN]
    with refused("not-holder"):
        world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    world.do("handoff.release", SICHUAN, CASE, {})
    assert world.holders() == [TIBET]
    with refused("not-holder"):
        world.do("case.note", CLERK, CASE, NOTE)
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    assert world.holders() == [TIBET]
    row = world.state(TIBET, CASE)
    assert (row["at"], row["unit"], row["by"], row["win"]) == ("held", HRSS, CLERK, WINDOW)


def test_the_first_act_of_the_receiver_cites_the_release() -> None:
    world = OPENED.copy().hand_over(CLERK, HRSS, HEAD)

    def without(act: Act) -> Act:
        return act._replace(citations=tuple(it for it in act.citations if it.role != "release"))

    with refused("void-citation"):
        world.do("case.note", HEAD, CASE, NOTE, change=without)
    world.do("case.note", HEAD, CASE, NOTE)
    # From then on its own log says so.
    world.do("case.note", HEAD, CASE, NOTE, change=without)


def test_a_view_from_before_the_release_does_not_show_it() -> None:
    world = offered()
    world.do("handoff.accept", HEAD, CASE, ANSWER)
    world.view(TIBET, SICHUAN)
    world.do("handoff.release", SICHUAN, CASE, {})
    with refused("not-holder"):
        world.do("case.note", HEAD, CASE, NOTE, stale=True)


def test_a_release_wants_the_acceptance_of_that_very_offer() -> None:
    world = offered()
    with refused("wrong-state"):
        world.do("handoff.release", SICHUAN, CASE, {})
    world.do("handoff.accept", HEAD, CASE, ANSWER)
    world.do("handoff.cancel", CLERK, CASE, {})
    world.do("handoff.offer", CLERK, CASE, OFFER)
    # Offer 1 was accepted, offer 2 was not.
    with refused("wrong-state"):
        world.do("handoff.release", SICHUAN, CASE, {})
    world.do("handoff.accept", HEAD, CASE, ANSWER)
    world.do("handoff.release", SICHUAN, CASE, {})
    assert world.holders() == [TIBET]


def test_an_acceptance_of_another_region_s_offer_releases_nothing() -> None:
    world = OPENED.copy().hand_over(CLERK, HRSS, HEAD)
    world.do("handoff.offer", HEAD, CASE, {"unit": WINDOW_CQ})
    world.do("handoff.accept", CLERK_CQ, CASE, {"holder": TIBET})
    with refused("not-holder"):
        world.do("handoff.release", SICHUAN, CASE, {})


def test_an_offer_is_answered_once() -> None:
    world = offered()
    world.do("handoff.accept", HEAD, CASE, ANSWER)
    for kind, body in (("handoff.accept", ANSWER), ("handoff.decline", ANSWER | WHY)):
        with refused("already-answered"):
            world.do(kind, HEAD, CASE, body)


@pytest.mark.parametrize("other", [OUTSIDER, CLERK_CQ])
def test_only_the_unit_asked_answers(other: str) -> None:
    with refused("not-entitled"):
        offered().do("handoff.accept", other, CASE, ANSWER)


def test_what_is_not_offered_is_not_accepted() -> None:
    with refused("wrong-state"):
        OPENED.copy().do("handoff.accept", HEAD, CASE, ANSWER)
    with refused("unknown-object"):
        OPENED.copy().do("handoff.accept", HEAD, CASE, {"holder": CHONGQING})
    world = offered()
    world.do("handoff.cancel", CLERK, CASE, {})
    with refused("wrong-state"):
        world.do("handoff.accept", HEAD, CASE, ANSWER)
    with refused("unknown-object"):
        world.do("handoff.accept", HEAD, CASE, {"holder": "990000"})


def test_a_decline_moves_nothing_and_the_node_answers_it_with_a_cancel() -> None:
    world = offered()
    with refused("wrong-state"):
        world.do("handoff.cancel", SICHUAN, CASE, {})
    world.do("handoff.decline", HEAD, CASE, ANSWER | WHY)
    assert world.holders() == [SICHUAN]
    with refused("wrong-state"):
        world.do("handoff.release", SICHUAN, CASE, {})
    world.do("handoff.cancel", SICHUAN, CASE, {})
    assert world.state(SICHUAN, CASE)["at"] == "held"
    world.do("handoff.offer", CLERK, CASE, OFFER)
    # The old decline is no answer to the new offer.
    with refused("wrong-state"):
        world.do("handoff.cancel", SICHUAN, CASE, {})


def test_while_an_offer_is_open_the_holder_records_but_decides_nothing() -> None:
    world = offered()
    world.do("case.note", CLERK, CASE, NOTE)
    with refused("offer-open"):
        world.do("handoff.offer", CLERK, CASE, OFFER)
    for kind, body in (
        ("case.close", {}),
        ("case.withdraw", WHY),
        ("case.decide", DECIDE_BODY),
        ("case.deliver", {"mode": "post"}),
    ):
        with refused("offer-open"):
            world.do(kind, CLERK, CASE, body)


@pytest.mark.parametrize("unit", [WINDOW, HRSS[:6], "510000/hall/centre", "990000/window/w1"])
def test_a_case_is_offered_to_a_department_or_window_of_the_network(unit: str) -> None:
    code = "wrong-state" if unit == WINDOW else "unknown-object"
    with refused(code):
        OPENED.copy().do("handoff.offer", CLERK, CASE, {"unit": unit})


def test_handing_over_and_taking_over_want_a_role() -> None:
    world = OPENED.copy()
    keepers = "510000/officer/w3-09", "540000/officer/hrss-09"
    for keeper, unit in zip(keepers, (WINDOW, HRSS), strict=True):
        world.do("party.enrol", keeper[:6], keeper, officer(unit, keeper, ["keeper"]))
    with refused("not-entitled"):
        world.do("handoff.offer", keepers[0], CASE, OFFER)
    world.do("handoff.offer", CLERK, CASE, OFFER)
    for kind, body in (("handoff.accept", ANSWER), ("handoff.decline", ANSWER | WHY)):
        with refused("not-entitled"):
            world.do(kind, keepers[1], CASE, body)


@pytest.mark.parametrize("stranger", [CLERK_2])
def test_another_window_of_the_region_does_not_act_on_the_case(stranger: str) -> None:
    for kind, body in (("case.note", NOTE), ("handoff.offer", OFFER)):
        with refused("not-holder"):
            OPENED.copy().do(kind, stranger, CASE, body)
    with refused("not-holder"):
        offered().do("handoff.cancel", stranger, CASE, {})


def test_a_region_that_never_held_the_case_does_not_act_on_it() -> None:
    for kind, body in (
        ("case.note", NOTE),
        ("handoff.offer", OFFER),
        ("handoff.cancel", {}),
        ("case.close", {}),
    ):
        with refused("unknown-object"):
            OPENED.copy().do(kind, HEAD, CASE, body)


def test_inside_one_region_the_three_stand_in_one_log_and_need_no_view() -> None:
    world = OPENED.copy()
    views = sum(it.act.kind == "log.view" for it in world.logs[SICHUAN].statements)
    world.do("handoff.offer", CLERK, CASE, {"unit": HRSS_SC})
    with refused("wrong-state"):
        world.do("handoff.release", SICHUAN, CASE, {})
    world.do("handoff.accept", HEAD_SC, CASE, ANSWER)
    with refused("already-answered"):
        world.do("handoff.decline", HEAD_SC, CASE, ANSWER | WHY)
    with refused("wrong-state"):
        world.do("handoff.cancel", SICHUAN, CASE, {})
    with refused("not-holder"):
        world.do("case.note", HEAD_SC, CASE, NOTE)
    world.do("handoff.release", SICHUAN, CASE, {})
    with refused("not-holder"):
        world.do("case.note", CLERK, CASE, NOTE)
    world.do("case.note", HEAD_SC, CASE, NOTE)
    world.do("handoff.offer", HEAD_SC, CASE, {"unit": WINDOW})
    world.do("handoff.decline", CLERK, CASE, ANSWER | WHY)
    with refused("wrong-state"):
        world.do("handoff.release", SICHUAN, CASE, {})
    world.do("handoff.cancel", SICHUAN, CASE, {})
    assert world.state(SICHUAN, CASE)["unit"] == HRSS_SC
    assert world.holders() == [SICHUAN]
    assert sum(it.act.kind == "log.view" for it in world.logs[SICHUAN].statements) == views


def test_a_case_that_comes_back_cites_the_newest_release() -> None:
    world = OPENED.copy().hand_over(CLERK, HRSS, HEAD).hand_over(HEAD, WINDOW, CLERK)
    world.hand_over(CLERK, HRSS, HEAD)
    world.do("case.note", HEAD, CASE, NOTE)
    assert world.state(TIBET, CASE)["n"] == 3
    assert world.holders() == [TIBET]


def test_everyone_sees_the_holder_that_an_outsider_computes() -> None:
    world = OPENED.copy()
    for step in (
        lambda: world.do("handoff.offer", CLERK, CASE, OFFER),
        lambda: world.do("handoff.accept", HEAD, CASE, ANSWER),
        lambda: world.do("handoff.release", SICHUAN, CASE, {}),
        lambda: world.do("case.note", HEAD, CASE, NOTE),
    ):
        step()
        rows = {it: fact.state for it in REGIONS if (fact := world.newest(it, CASE))}
        holder = custody.holder_of(rows)
        assert holder is not None
        assert [holder[:6]] == world.holders()


# ---- every way through a small world ------------------------------------------------------------

STEPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("handoff.offer", CLERK, {"unit": HRSS}),
    ("handoff.offer", CLERK, {"unit": WINDOW_CQ}),
    ("handoff.offer", HEAD, {"unit": WINDOW_CQ}),
    ("handoff.offer", HEAD, {"unit": WINDOW}),
    ("handoff.accept", HEAD, {"holder": SICHUAN}),
    ("handoff.decline", HEAD, {"holder": SICHUAN, "reason": "不收"}),
    ("handoff.accept", CLERK_CQ, {"holder": SICHUAN}),
    ("handoff.accept", CLERK_CQ, {"holder": TIBET}),
    ("handoff.accept", CLERK, {"holder": TIBET}),
    ("handoff.release", SICHUAN, {}),
    ("handoff.release", TIBET, {}),
    ("handoff.cancel", CLERK, {}),
    ("handoff.cancel", SICHUAN, {}),
    ("handoff.cancel", HEAD, {}),
    ("case.note", HEAD, {"remark": "收到"}),
    ("case.note", CLERK_CQ, {"remark": "收到"}),
)


def fingerprint(world: World) -> tuple[Any, ...]:
    rows = []
    for region in REGIONS:
        own = world.newest(region, CASE)
        rows.append(None if own is None else str(sorted(own.state.items())))
        for other in REGIONS:
            view = world.viewed.get((region, other))
            seen = None if view is None else world.newest(other, CASE, view.size)
            rows.append(None if seen is None else str(sorted(seen.state.items())))
    return tuple(rows)


def test_on_no_way_are_there_ever_two_holders() -> None:
    """All ways of up to three offers, under fresh views and under whatever views are there."""
    seen = {fingerprint(OPENED)}
    frontier = [OPENED]
    while frontier:
        world = frontier.pop()
        for (kind, who, body), stale in product(STEPS, (False, True)):
            after = world.copy()
            try:
                after.do(kind, who, CASE, body, stale=stale)
            except LedgerError:
                continue
            assert len(after.holders()) == 1
            own = after.newest(SICHUAN, CASE)
            assert own is not None
            counts = [
                fact.state["n"] for it in REGIONS if (fact := after.newest(it, CASE)) is not None
            ]
            mark = fingerprint(after)
            if mark not in seen and max(counts) <= 3:
                seen.add(mark)
                frontier.append(after)
    assert len(seen) > 100


def test_a_void_act_forced_into_a_log_moves_nothing() -> None:
    world = offered()
    with refused("wrong-state"):
        world.do("handoff.release", SICHUAN, CASE, {}, force=True)
    assert world.logs[SICHUAN].statements[-1].act.kind == "handoff.release"
    assert world.holders() == [SICHUAN]
    world.do("handoff.accept", HEAD, CASE, ANSWER)
    with refused("not-holder"):
        world.do("case.decide", DECIDER, CASE, DECIDE_BODY)


def test_a_made_up_citation_of_an_acceptance_is_void() -> None:
    world = offered()
    world.do("handoff.accept", HEAD, CASE, ANSWER)

    def forge(act: Act) -> Act:
        cited = tuple(
            it._replace(leaf=bytes(32)) if it.role == "accept" else it for it in act.citations
        )
        return act._replace(citations=cited)

    with refused("void-citation"):
        world.do("handoff.release", SICHUAN, CASE, {}, change=forge)


def test_what_is_held_and_offered_here_is_not_accepted_from_elsewhere() -> None:
    """An old view still shows the offer by which the case came."""
    world = OPENED.copy()
    world.hand_over(CLERK, HRSS, HEAD)
    world.do("handoff.offer", HEAD, CASE, {"unit": WINDOW})
    world.do("handoff.accept", CLERK, CASE, {"holder": TIBET})
    old = world.viewed[SICHUAN, TIBET]
    world.do("handoff.release", TIBET, CASE, {})
    world.do("handoff.offer", CLERK, CASE, {"unit": WINDOW_2})
    world.viewed[SICHUAN, TIBET] = old
    with refused("wrong-state"):
        world.do("handoff.accept", CLERK, CASE, {"holder": TIBET}, stale=True)
