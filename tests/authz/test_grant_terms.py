"""What a grant covers beyond one window and one item, what it rests on, and how it is prolonged."""

from typing import Any

import pytest

from tests.authz.refusals import refused
from tests.authz.test_decision import ask
from tests.authz.world import (
    CASE,
    CHIEF,
    CLERK,
    CLERK_2,
    DECIDER,
    FROM_S,
    GRANT,
    GRANT_BODY,
    HALL,
    HALL_CQ,
    HEAD,
    HEAD_SC,
    HEALTH,
    HRSS_SC,
    ITEM,
    ITEM_BODY,
    LENT,
    OPEN_BODY,
    OUTSIDER,
    SICHUAN,
    TIBET,
    UNTIL_S,
    WINDOW,
    WINDOW_2,
    World,
    officer,
)

PUBLISHED = World().enrol()
PUBLISHED.do("item.publish", HEAD, ITEM, ITEM_BODY)
ITEM_2, OTHERS = "540000/item/000500000002", "540000/item/000500000003"
HASH, OTHER = bytes(32), bytes([1]) * 32
WHY = {"reason": "续期"}
ACCEPT = {"window": WINDOW, "item": ITEM}


def offered(**changes: Any) -> World:
    world = PUBLISHED.copy()
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY | changes)
    return world


def accepted(answer: dict[str, Any], **changes: Any) -> World:
    world = offered(**changes)
    world.do("grant.accept", CHIEF, GRANT, answer)
    return world


# ---- halls, lists of items, training ----------------------------------------------------------


def test_what_is_lent_to_a_hall_every_window_in_it_may_use_and_no_other() -> None:
    world = accepted({"window": HALL, "item": ITEM}, window=HALL)
    world.do("case.open", CLERK, CASE, OPEN_BODY)
    world.do("case.open", CLERK_2, "510000/case/2", OPEN_BODY | {"window": WINDOW_2})
    world.do("party.enrol", SICHUAN, "510000/hall/east", {"name": "东区政务大厅"})
    east, clerk = "510000/window/e1", "510000/officer/e1-01"
    world.do(
        "party.enrol",
        SICHUAN,
        east,
        {"name": "一号窗口", "hall": "510000/hall/east", "department": "510000/department/hrss"},
    )
    world.do("party.enrol", SICHUAN, clerk, officer(east, clerk, ["receive"]))
    with refused("window-not-granted"):
        world.do("case.open", clerk, "510000/case/3", OPEN_BODY | {"window": east})


def test_a_grant_to_a_hall_is_accepted_by_that_hall() -> None:
    world = offered(window=HALL)
    with refused("not-entitled"):
        world.do("grant.accept", HEAD_SC, GRANT, {"window": HALL, "item": ITEM})
    with refused("window-not-granted"):
        world.do("grant.accept", CHIEF, GRANT, ACCEPT)
    with refused("window-not-granted"):
        offered(window=HALL_CQ).do("grant.accept", CHIEF, GRANT, {"window": HALL, "item": ITEM})
    with refused("bad-field"):
        offered(window=HEALTH)


def test_one_grant_may_cover_several_items_of_its_department() -> None:
    world = PUBLISHED.copy()
    with refused("unknown-object"):
        world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"also": [ITEM_2]})
    world.do("item.publish", HEAD, ITEM_2, ITEM_BODY | {"code": "000500000002"})
    world.do("item.publish", OUTSIDER, OTHERS, ITEM_BODY | {"department": HEALTH})
    with refused("not-competent"):
        world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"also": [OTHERS]})
    gone = world.copy()
    gone.do("item.withdraw", HEAD, ITEM_2, WHY)
    with refused("item-not-live"):
        gone.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"also": [ITEM_2]})
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"also": [ITEM_2]})
    with refused("item-not-granted"):
        world.do("grant.accept", CHIEF, GRANT, ACCEPT)
    world.do("grant.accept", CHIEF, GRANT, {**ACCEPT, "also": [ITEM_2]})
    for number, item in enumerate((ITEM, ITEM_2)):
        assert ask(world, "intake", item=item).grant == GRANT
        world.do("case.open", CLERK, f"510000/case/{number}", OPEN_BODY | {"item": item})
    with refused("item-not-granted"):
        theirs = OPEN_BODY | {"item": OTHERS, "department": HEALTH}
        world.do("case.open", CLERK, "510000/case/9", theirs)


def test_a_grant_may_ask_its_user_for_a_training() -> None:
    world = accepted(ACCEPT, training="000500000001")
    with refused("not-entitled"):
        world.do("case.open", CLERK, CASE, OPEN_BODY)
    assert ask(world, "intake", officer=CLERK).code == "not-entitled"
    assert ask(world, "intake").allowed == "yes"
    trained = "510000/officer/w3-02"
    world.do(
        "party.enrol",
        SICHUAN,
        trained,
        officer(WINDOW, trained, ["receive"], training=["000500000001"]),
    )
    assert ask(world, "intake", officer=trained).allowed == "yes"
    world.do("case.open", trained, CASE, OPEN_BODY)


def test_the_grant_given_in_return_is_one_of_the_other_side() -> None:
    with refused("wrong-state"):
        offered(reciprocal="500000/grant/1")
    offered(reciprocal="510000/grant/1")


LENT_ONCE = World().enrol().lend(quota=1)
UNDER = {"grant": GRANT, "window": WINDOW}
OURS, THEIRS = "540000/grant/ours", "510000/grant/theirs"
ITEM_SC = "510000/item/000500000001"
WINDOW_T = "540000/window/t1"


def mutual(**changes: Any) -> World:
    """Sichuan has lent its item to a window in Tibet, for one that is to be lent in return."""
    world = PUBLISHED.copy()
    world.do("item.publish", HEAD_SC, ITEM_SC, ITEM_BODY | {"department": HRSS_SC})
    given = {"item": ITEM_SC, "window": WINDOW_T, "reciprocal": OURS}
    world.do("grant.offer", HEAD_SC, THEIRS, GRANT_BODY | given | changes)
    return world


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({}, ""),
        ({"rights": ["intake"]}, "rights"),
        ({"valid_until": UNTIL_S - 1, "quota": 5}, "until, quota"),
        ({"training": "medical"}, "train"),
    ],
)
def test_grants_given_in_return_for_one_another_are_marked_where_their_terms_differ(
    change: dict[str, Any], detail: str
) -> None:
    world = mutual(**change)
    flags = world.do("grant.offer", HEAD, OURS, GRANT_BODY | {"reciprocal": THEIRS}).flags
    told = [f"{THEIRS} differs in {detail}"] if detail else []
    assert [(it.code, it.detail) for it in flags] == [("terms-differ", it) for it in told]
    cited = [it.role for it in world.logs[TIBET].statements[-1].act.citations]
    assert cited == ["view", "return"]


def test_the_first_of_two_grants_is_given_before_there_is_another() -> None:
    world = PUBLISHED.copy()
    judged = world.do("grant.offer", HEAD, OURS, GRANT_BODY | {"reciprocal": THEIRS})
    assert judged.flags == ()


# ---- published lists, quotas ---------------------------------------------------------------------

LISTED = {
    "version": 1,
    "title": "通办事项清单",
    "digest": HASH,
    "count": 1,
    "share": 30,
    "items": ["000500000001"],
}
LIST = "540000/item-list/2026"


def test_a_grant_that_names_a_published_list_lends_what_stands_on_it() -> None:
    world = PUBLISHED.copy()
    named = GRANT_BODY | {"list": LIST}
    with refused("unknown-object"):
        world.do("grant.offer", HEAD, GRANT, named)
    world.do("item-list.publish", TIBET, LIST, LISTED)
    world.do("item.publish", HEAD, ITEM_2, ITEM_BODY | {"code": "000500000002"})
    with refused("item-not-listed"):
        world.do("grant.offer", HEAD, GRANT, named | {"also": [ITEM_2]})
    world.copy().do("grant.offer", HEAD, GRANT, named)
    without = {name: it for name, it in LISTED.items() if name != "items"}
    bare = world.copy()
    bare.do("item-list.publish", TIBET, LIST, without | {"version": 2})
    with refused("item-not-listed"):  # the new version names no items at all
        bare.do("grant.offer", HEAD, GRANT, named)
    world.do("item-list.withdraw", TIBET, LIST, WHY)
    with refused("ground-not-live"):
        world.do("grant.offer", HEAD, GRANT, named)


def test_a_case_counts_once_for_a_grant_that_is_for_a_number_of_cases() -> None:
    world = LENT_ONCE.copy()
    world.do("case.open", CLERK, CASE, OPEN_BODY)
    world.do("case.notice", CLERK, CASE, {"missing": ["proof"], **UNDER})
    world.do("case.supplement", CLERK, CASE, {"received": ["proof"], **UNDER})
    with refused("quota-spent"):
        world.do("case.open", CLERK, "510000/case/2", OPEN_BODY)


def test_a_grant_that_lends_no_intake_counts_the_cases_that_use_it() -> None:
    world = LENT.copy()
    verify = "540000/grant/verify"
    world.do("grant.offer", HEAD, verify, GRANT_BODY | {"rights": ["verify"], "quota": 1})
    world.do("grant.accept", CHIEF, verify, ACCEPT)
    under = {"documents": ["form"], "result": "match", "method": "original"} | {
        "grant": verify,
        "window": WINDOW,
    }
    first, second = CASE, "510000/case/2"
    for case in (first, second):
        world.do("case.open", CLERK, case, OPEN_BODY)
    judged = world.do("case.verify", CLERK, first, under)
    assert [it.state for it in judged.changes if "/quota/" in it.object] == [{"n": 1}]
    again = world.do("case.verify", CLERK, first, under | {"documents": ["id-copy"]})
    assert not [it for it in again.changes if "/quota/" in it.object]
    with refused("quota-spent"):
        world.do("case.verify", CLERK, second, under)


# ---- grounds -----------------------------------------------------------------------------------

MODEL, PROCESS = "540000/template/1", "540000/process/1"
TEXT = {"version": 1, "title": "授权文件模板", "digest": HASH}
TERM = {"valid_from": FROM_S, "valid_until": UNTIL_S}
AGREEMENT = "510000/agreement/1"
AGREED = {
    "to": TIBET,
    "title": "川藏通办协议",
    "here": ["intake"],
    "there": ["decide"],
    **TERM,
    "digest": HASH,
    "due": UNTIL_S,
}


def test_a_grant_follows_a_template_in_force_and_a_changed_clause_is_flagged() -> None:
    world = PUBLISHED.copy()
    with refused("unknown-object"):
        world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"model": MODEL})
    world.do("template.publish", TIBET, MODEL, TEXT | TERM)
    same = GRANT_BODY | {"model": MODEL, "template": HASH}
    assert world.copy().do("grant.offer", HEAD, GRANT, same).flags == ()
    (flag,) = world.copy().do("grant.offer", HEAD, GRANT, same | {"template": OTHER}).flags
    assert flag.code == "template-deviation"
    with refused("outlives-basis"):
        world.do("grant.offer", HEAD, GRANT, same | {"valid_until": UNTIL_S + 1})
    world.do("template.withdraw", TIBET, MODEL, WHY)
    with refused("ground-not-live"):
        world.do("grant.offer", HEAD, GRANT, same)


def test_a_grant_names_a_procedure_in_force() -> None:
    world = PUBLISHED.copy()
    with refused("unknown-object"):
        world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"process": PROCESS})
    world.do("process.publish", TIBET, PROCESS, TEXT)
    world.copy().do("grant.offer", HEAD, GRANT, GRANT_BODY | {"process": PROCESS})
    world.do("process.withdraw", TIBET, PROCESS, WHY)
    with refused("ground-not-live"):
        world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"process": PROCESS})


@pytest.mark.parametrize("side", ["proposed here", "proposed there"])
def test_a_grant_under_an_agreement_rests_on_both_signatures(side: str) -> None:
    world = PUBLISHED.copy()
    name, first, second, body = AGREEMENT, HEAD_SC, HEAD, AGREED
    if side == "proposed here":
        name, first, second = "540000/agreement/1", HEAD, HEAD_SC
        body = AGREED | {"to": SICHUAN}
    under = GRANT_BODY | {"agreement": name}
    with refused("unknown-object"):
        world.do("grant.offer", HEAD, GRANT, under)
    world.do("agreement.propose", first, name, body)
    with refused("unknown-object"):
        world.do("grant.offer", HEAD, GRANT, under)
    world.do("agreement.sign", second, name, {"digest": HASH})
    with refused("outlives-basis"):
        world.do("grant.offer", HEAD, GRANT, under | {"valid_until": UNTIL_S + 1})
    with refused("unknown-object" if side == "proposed here" else "not-competent"):
        world.do("grant.offer", HEAD, GRANT, under | {"window": "500000/window/w1"})
    world.copy().do("grant.offer", HEAD, GRANT, under)
    declined = PUBLISHED.copy()
    declined.do("agreement.propose", first, name, body)
    declined.do("agreement.decline", second, name, WHY)
    with refused("ground-not-live"):
        declined.do("grant.offer", HEAD, GRANT, under)
    world.do("agreement.end", HEAD, name, WHY)
    with refused("ground-not-live"):
        world.do("grant.offer", HEAD, GRANT, under)


def test_an_item_version_that_names_a_proposal_is_published_once_that_is_confirmed() -> None:
    world = World().enrol()
    name = "540000/proposal/1"
    body = ITEM_BODY | {"proposal": name, "standard": HASH}
    with refused("unknown-object"):
        world.do("item.publish", HEAD, ITEM, body)
    submit = {
        "code": "000500000001",
        "change": "add",
        "digest": HASH,
        "reason": "新增",
        "to": TIBET,
        "due": UNTIL_S,
    }
    world.do("proposal.submit", HEAD, name, submit)
    passed = {"before": TIBET, "verdict": "passed"}
    world.do("proposal.review", TIBET, name, {**passed, "to": TIBET})
    with refused("not-confirmed"):
        world.do("item.publish", HEAD, ITEM, body)
    world.do("proposal.confirm", TIBET, name, passed)
    with refused("wrong-document"):
        world.do("item.publish", HEAD, ITEM, body | {"standard": OTHER})
    world.do("item.publish", HEAD, ITEM, body)


# ---- renewal ------------------------------------------------------------------------------------


def test_a_grant_is_renewed_for_longer_and_stays_accepted() -> None:
    world = LENT.copy()
    later = {"valid_until": UNTIL_S + 500, **WHY}
    for who in (DECIDER, OUTSIDER):
        with refused("not-entitled" if who == DECIDER else "not-competent"):
            world.do("grant.renew", who, GRANT, later)
    with refused("wrong-state"):
        world.do("grant.renew", HEAD, GRANT, {"valid_until": UNTIL_S, **WHY})
    lapsed = world.copy()
    lapsed.now_s = UNTIL_S
    with refused("grant-not-live"):
        lapsed.do("grant.renew", HEAD, GRANT, later)
    world.do("grant.renew", HEAD, GRANT, later)
    world.now_s = UNTIL_S + 1
    world.do("case.open", CLERK, CASE, OPEN_BODY)
    world.do("grant.suspend", HEAD, GRANT, WHY)
    with refused("wrong-state"):
        world.do("grant.renew", HEAD, GRANT, {"valid_until": UNTIL_S + 900, **WHY})


def test_no_renewal_outlives_what_the_grant_rests_on() -> None:
    world = PUBLISHED.copy()
    basis = {"title": "方案", "document": "藏政办发〔2021〕21号", **TERM}
    world.do("basis.publish", TIBET, "540000/basis/1", basis)
    longer = TERM | {"valid_until": UNTIL_S + 50}
    world.do("template.publish", TIBET, MODEL, TEXT | longer)
    for ground in ({"basis": "540000/basis/1"}, {"model": MODEL}):
        under = world.copy()
        under.do("grant.offer", HEAD, GRANT, GRANT_BODY | ground)
        with refused("outlives-basis"):
            under.do("grant.renew", HEAD, GRANT, {"valid_until": UNTIL_S + 51, **WHY})


# ---- the answer names what came nearest ---------------------------------------------------------


def test_a_no_names_the_grant_that_came_nearest_and_what_it_lacks() -> None:
    world = LENT.copy()
    world.do("grant.offer", HEAD, "540000/grant/2", GRANT_BODY | {"rights": ["deliver"]})
    world.do("grant.accept", CHIEF, "540000/grant/2", ACCEPT)
    world.do("grant.suspend", HEAD, GRANT, WHY)
    answer = ask(world, "intake")
    assert (answer.allowed, answer.code) == ("no", "right-not-granted")
    assert (answer.nearest, answer.grant) == ("540000/grant/2", None)
    assert ask(world, "deliver").nearest is None
    assert ask(World().enrol().lend(), "intake", window=WINDOW_2).nearest is None
