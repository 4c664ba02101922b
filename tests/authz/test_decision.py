from typing import Any

import pytest

from authz import decision
from authz.decision import CheckFacts, CheckRequest, Decision, GrantFacts, indexes_of, seats_of
from authz.grant import quota_object
from ledger.errors import LedgerError
from ledger.kind import ViewFact
from tests.authz.world import (
    CHIEF,
    CLERK,
    CLERK_2,
    DECIDER,
    ENROLLED,
    GRANT,
    GRANT_BODY,
    HALL,
    HEAD,
    HRSS,
    ITEM,
    ITEM_BODY,
    LENT,
    OPEN_BODY,
    OUTSIDER,
    SICHUAN,
    TIBET,
    WINDOW,
    WINDOW_2,
    World,
    officer,
)

OWN_WINDOW = "540000/window/w1"
WHY = {"reason": "轮岗"}
STALENESS_S, REFRESH_S = 600, 60


def ask(
    world: World,
    right: str,
    *,
    window: str = WINDOW,
    item: str = ITEM,
    age_s: int = 0,
    is_viewed: bool = True,
    **more: Any,
) -> Decision:
    """Gather the facts as a node does, and ask."""
    region = window[:6]
    request = CheckRequest(window=window, right=right, item=item, now_s=world.now_s, **more)
    sat, over = world.newest(region, window), world.newest(item[:6], item)
    lists = [world.newest(region, it) for it in indexes_of(request, sat, over)]
    grants = []
    for name, _ in (row for it in lists if it is not None for row in it.state["g"]):
        log = world.logs[name[:6]]
        size = len(log.statements) if is_viewed else 0
        view = ViewFact(0, bytes(32), log.origin, size, bytes(32), world.now_s - age_s)
        grants.append(
            GrantFacts(
                grant=world.newest(name[:6], name),
                acceptance=world.newest(region, name),
                used=world.newest(region, quota_object(region, name)),
                view=None if name[:6] == region else view,
            )
        )
    officer, device = more.get("officer"), more.get("device")
    who = None if officer is None else world.newest(officer[:6], officer)
    return decision.check(
        request,
        CheckFacts(
            window=sat,
            item=over,
            officer=who,
            device=None if device is None else world.newest(region, device),
            grants=grants,
            seats=[row for it in seats_of(sat, who) if (row := world.newest(region, it))],
        ),
        staleness_s=STALENESS_S,
        refresh_s=REFRESH_S,
    )


@pytest.mark.parametrize("right", ["intake", "notice", "verify", "deliver"])
def test_a_window_may_use_what_it_was_lent(right: str) -> None:
    made = ask(LENT, right, officer=CLERK)
    assert (made.allowed, made.code, made.grant, made.item_version) == ("yes", "granted", GRANT, 1)
    assert [(it.origin, it.size) for it in made.relied] == [
        (LENT.logs[TIBET].origin, len(LENT.logs[TIBET].statements))
    ]
    assert made.reason_zh
    assert made.reason_en


@pytest.mark.parametrize(
    ("age_s", "right", "allowed"),
    [
        (540, "intake", "yes"),
        (540, "deliver", "yes"),
        (541, "intake", "open"),
        (541, "notice", "open"),
        (541, "verify", "open"),
        (541, "deliver", "no"),
    ],
)
def test_a_stale_view_leaves_open_what_only_receives_and_stops_the_rest(
    age_s: int, right: str, allowed: str
) -> None:
    made = ask(LENT, right, age_s=age_s)
    assert made.allowed == allowed
    assert made.code == ("granted" if allowed == "yes" else "stale-view")


@pytest.mark.parametrize("right", ["intake", "deliver"])
def test_where_nothing_of_the_grantor_s_log_is_within_sight_an_act_would_be_refused(
    right: str,
) -> None:
    """The log goes on from a closed one, whose rows are read through it."""
    made = ask(LENT, right, is_viewed=False, age_s=10_000)
    assert (made.allowed, made.code, made.relied) == ("no", "stale-view", ())
    assert "no view" in made.detail


def test_a_grant_may_ask_for_fresher_views_than_the_roster() -> None:
    world = ENROLLED.copy().lend(staleness_s=180)
    assert ask(world, "intake", age_s=120).allowed == "yes"
    assert ask(world, "intake", age_s=121).allowed == "open"


def test_the_decision_is_nobody_s_but_the_owner_s() -> None:
    assert ask(LENT, "decide", officer=CLERK).code == "decision-stays"


def test_a_right_that_does_not_exist_is_refused() -> None:
    assert ask(LENT, "rule").code == "right-not-granted"


def test_a_window_without_a_grant_is_told_so() -> None:
    made = ask(LENT, "intake", window=WINDOW_2)
    assert (made.allowed, made.code, made.grant) == ("no", "no-grant", None)


@pytest.mark.parametrize(
    ("kind", "code"), [("grant.revoke", "grant-not-live"), ("grant.suspend", "grant-not-live")]
)
def test_an_ended_grant_is_named_as_the_reason(kind: str, code: str) -> None:
    world = LENT.copy()
    world.do(kind, HEAD, GRANT, WHY)
    assert ask(world, "intake").code == code


def test_any_of_several_grants_will_do() -> None:
    world = ENROLLED.copy()
    world.do("item.publish", HEAD, ITEM, ITEM_BODY)
    for name, rights in (("540000/grant/a", ["deliver"]), ("540000/grant/b", ["intake"])):
        world.do("grant.offer", HEAD, name, GRANT_BODY | {"rights": rights})
        world.do("grant.accept", CHIEF, name, {"window": WINDOW, "item": ITEM})
    assert ask(world, "deliver").grant == "540000/grant/a"
    assert ask(world, "intake").grant == "540000/grant/b"
    assert ask(world, "verify").code == "right-not-granted"


def test_a_spent_grant_is_of_no_use() -> None:
    world = ENROLLED.copy().lend(quota=1)
    assert ask(world, "intake").allowed == "yes"
    world.open()
    assert ask(world, "intake").code == "quota-spent"


def test_a_suspended_window_or_officer_may_nothing() -> None:
    world = LENT.copy()
    world.do("party.suspend", SICHUAN, CLERK, WHY)
    assert ask(world, "intake", officer=CLERK).code == "officer-not-live"
    assert ask(world, "intake").allowed == "yes"
    world.do("party.suspend", SICHUAN, WINDOW, WHY)
    assert ask(world, "intake").code == "unit-stopped"
    assert ask(world, "intake", window=HALL).code == "window-not-live"


def test_an_officer_sits_at_the_window_and_has_the_role() -> None:
    assert ask(LENT, "intake", officer=CLERK_2).code == "not-entitled"
    world, keeper = LENT.copy(), "510000/officer/w3-09"
    world.do("party.enrol", SICHUAN, keeper, officer(WINDOW, keeper, ["keeper"]))
    assert ask(world, "intake", officer=keeper).code == "not-entitled"
    assert ask(LENT, "intake", officer="510000/officer/none").code == "officer-not-live"


def test_an_officer_has_the_training_that_the_item_asks_for_to_take_papers_in() -> None:
    world = ENROLLED.copy()
    world.do("item.publish", HEAD, ITEM, ITEM_BODY | {"training": "medical"})
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY)
    world.do("grant.accept", CHIEF, GRANT, {"window": WINDOW, "item": ITEM})
    assert ask(world, "intake", officer=CLERK).code == "not-entitled"
    assert ask(world, "notice", officer=CLERK).allowed == "yes"
    world.do("training.attest", CHIEF, CLERK, {"course": "medical", "evidence": bytes(32)})
    assert ask(world, "intake", officer=CLERK).allowed == "yes"


def test_the_key_of_a_machine_speaks_for_that_machine_alone() -> None:
    world, device, key_ = LENT.copy(), "510000/device/d1", "510000/officer/d1"
    enrol = {"window": WINDOW, "host": "大厅", "certificate": bytes(32), "firmware": bytes(32)}
    world.do("device.enrol", CHIEF, device, enrol | {"items": ["000500000001"]})
    world.do("party.enrol", SICHUAN, key_, officer(WINDOW, key_, ["receive"], device=device))
    asked = ask(world, "intake", officer=key_)
    assert (asked.allowed, asked.code) == ("no", "not-entitled")


def test_an_item_must_be_in_force() -> None:
    world = LENT.copy()
    assert ask(world, "intake", item="540000/item/none").code == "unknown-object"
    world.do("item.withdraw", HEAD, ITEM, WHY)
    assert ask(world, "intake").code == "item-not-live"


def test_an_authority_s_own_window_acts_on_its_own_competence() -> None:
    world = LENT.copy()
    world.do("party.enrol", TIBET, "540000/hall/main", {"name": "大厅"})
    body = {"name": "窗口", "hall": "540000/hall/main", "department": HRSS}
    world.do("party.enrol", TIBET, OWN_WINDOW, body)
    made = ask(world, "deliver", window=OWN_WINDOW)
    assert (made.allowed, made.code, made.grant, made.relied) == (
        "yes",
        "own-competence",
        None,
        (),
    )
    assert ask(world, "rule", window=OWN_WINDOW).code == "right-not-granted"
    assert ask(world, "decide", window=OWN_WINDOW).code == "decision-stays"
    assert ask(world, "decide", window=OWN_WINDOW, officer=DECIDER).allowed == "yes"
    other = {"unit": HRSS, "key": bytes(range(32)), "holder": "region", "roles": ["receive"]}
    world.do("party.enrol", TIBET, "540000/officer/hrss-09", other)
    asked = ask(world, "decide", window=OWN_WINDOW, officer="540000/officer/hrss-09")
    assert asked.code == "not-entitled"
    asked = ask(world, "decide", window=OWN_WINDOW, officer=OUTSIDER)
    assert asked.code == "not-competent"


@pytest.mark.parametrize(
    "prepare",
    [
        lambda _world: None,
        lambda world: world.do("grant.revoke", HEAD, GRANT, WHY),
        lambda world: world.do("party.suspend", SICHUAN, WINDOW, WHY),
        lambda world: world.do("item.withdraw", HEAD, ITEM, WHY),
        lambda world: setattr(world, "now_s", GRANT_BODY["valid_until"]),
    ],
)
def test_the_answer_agrees_with_the_rule_of_the_act(prepare: Any) -> None:
    world = LENT.copy()
    prepare(world)
    answer = ask(world, "intake", officer=CLERK)
    verdict = ("yes", "granted")
    try:
        world.do("case.open", CLERK, "510000/case/asked", OPEN_BODY)
    except LedgerError as error:
        verdict = ("no", error.code)
    assert (answer.allowed, answer.code) == verdict


def test_a_grant_that_is_not_accepted_here_is_no_ground() -> None:
    fact = LENT.newest(TIBET, GRANT)
    assert fact is not None
    facts = CheckFacts(
        window=LENT.newest(SICHUAN, WINDOW),
        item=LENT.newest(TIBET, ITEM),
        grants=[GrantFacts(grant=fact, acceptance=None), GrantFacts(grant=None, acceptance=None)],
    )
    request = CheckRequest(window=WINDOW, right="intake", item=ITEM, now_s=LENT.now_s)
    answer = decision.check(request, facts, staleness_s=600, refresh_s=60)
    assert answer.code == "not-accepted"
    bare = facts._replace(grants=[GrantFacts(grant=None, acceptance=None)])
    assert decision.check(request, bare, staleness_s=600, refresh_s=60).code == "no-grant"
