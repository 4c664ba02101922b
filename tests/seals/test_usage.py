from itertools import product
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import RefusedError
from seals import lending, life, usage
from seals.lending import Loan
from seals.life import Event, Life, quota_object
from seals.usage import UseEvent, UseStage
from tests.authz.refusals import refused
from tests.authz.world import (
    CASE,
    CLERK,
    DECIDER,
    FROM_S,
    GRANT,
    GRANT_BODY,
    HEAD,
    HEALTH,
    HRSS,
    ITEM,
    ITEM_BODY,
    OUTSIDER,
    SEAL,
    SICHUAN,
    TIBET,
    UNTIL_S,
    World,
    officer,
)

KEEPER, APPROVER, MAKER = DECIDER, HEAD, "540000/officer/maker-01"
BODY: dict[str, Any] = {
    "name": "审批专用章",
    "owner": HRSS,
    "keepers": [HEAD, DECIDER],
    "approval": True,
    "approvers": [HEAD],
    "certificate": bytes(32),
    "valid_from": FROM_S,
    "valid_until": UNTIL_S,
}
ENROLLED = World().enrol()
ENROLLED.do("party.enrol", TIBET, MAKER, officer(HRSS, MAKER, ["maker"]))
ISSUED = ENROLLED.copy()
ISSUED.do("seal.issue", TIBET, SEAL, BODY)
ONE_PERSON = ENROLLED.copy()
ONE_PERSON.do("seal.issue", MAKER, SEAL, BODY | {"approval": False, "approvers": []})
USE_1, USE_2 = "540000/seal-use/1", "540000/seal-use/2"
USE = {"seal": SEAL, "document": bytes(32), "case": CASE, "purpose": "决定文书"}
WHY = {"reason": "遗失"}


@pytest.mark.parametrize(("stage", "event"), list(product(Life, Event)))
def test_a_seal_moves_by_the_table_and_no_other_way(stage: Life, event: Event) -> None:
    after = life.TRANSITIONS.get((stage, event))
    if after is not None:
        assert life.next_life(stage, event) is after
    else:
        with pytest.raises(RefusedError):
            life.next_life(stage, event)


@pytest.mark.parametrize(("stage", "event"), list(product(UseStage, UseEvent)))
def test_a_use_moves_by_the_table_and_no_other_way(stage: UseStage, event: UseEvent) -> None:
    after = usage.USE_TRANSITIONS.get((stage, event))
    if after is not None:
        assert usage.next_use(stage, event) is after
    else:
        with pytest.raises(RefusedError):
            usage.next_use(stage, event)


@pytest.mark.parametrize(("stage", "event"), list(product(Loan, lending.Event)))
def test_a_loan_moves_by_the_table_and_no_other_way(stage: Loan, event: lending.Event) -> None:
    after = lending.TRANSITIONS.get((stage, event))
    if after is not None:
        assert lending.next_loan(stage, event) is after
    else:
        with pytest.raises(RefusedError):
            lending.next_loan(stage, event)


def test_the_page_on_seals_shows_the_whole_life() -> None:
    page = (Path(__file__).parents[2] / "docs/seals.md").read_text("utf-8")
    steps = [
        *((*it, after) for it, after in life.TRANSITIONS.items()),
        *((*it, after) for it, after in usage.USE_TRANSITIONS.items()),
        *((*it, after) for it, after in lending.TRANSITIONS.items()),
    ]
    for before, event, after in steps:
        assert f"| {before} | `{event}` | {after} |" in page


def test_a_seal_is_used_with_a_second_person_s_approval() -> None:
    world = ISSUED.copy()
    judgement = world.do("seal.approve", APPROVER, USE_1, USE)
    assert judgement.mentions == (CASE,)
    judgement = world.do("seal.use", KEEPER, USE_1, USE)
    assert judgement.mentions == (CASE,)
    assert world.state(TIBET, USE_1) == {
        "st": "used",
        "seal": SEAL,
        "doc": bytes(32),
        "case": CASE,
        "by": KEEPER,
    }


def test_without_approval_it_is_not_used() -> None:
    with refused("approval-missing"):
        ISSUED.copy().do("seal.use", KEEPER, USE_1, USE)


@pytest.mark.parametrize(
    "change",
    [{"document": b"\1" * 32}, {"case": "510000/case/other"}, {"seal": "540000/seal/other"}],
)
def test_an_approval_is_for_one_document_one_case_and_one_seal(change: dict[str, Any]) -> None:
    world = ISSUED.copy()
    world.do("seal.issue", TIBET, "540000/seal/other", BODY)
    world.do("seal.approve", APPROVER, USE_1, USE)
    with refused("approval-missing"):
        world.do("seal.use", KEEPER, USE_1, USE | change)


def test_nobody_approves_their_own_use() -> None:
    world = ISSUED.copy()
    world.do("seal.approve", HEAD, USE_1, USE)
    with refused("approval-missing"):
        world.do("seal.use", HEAD, USE_1, USE)


def test_an_approval_is_used_once() -> None:
    world = ISSUED.copy()
    world.do("seal.approve", APPROVER, USE_1, USE)
    world.do("seal.use", KEEPER, USE_1, USE)
    for kind, who in (("seal.use", KEEPER), ("seal.approve", APPROVER)):
        with refused("exists"):
            world.do(kind, who, USE_1, USE)


def test_only_who_is_named_keeps_and_approves() -> None:
    world = ONE_PERSON.copy()
    with refused("not-keeper"):
        world.do("seal.use", OUTSIDER, USE_1, USE)
    with refused("not-entitled"):
        ISSUED.copy().do("seal.approve", KEEPER, USE_1, USE)
    world.do("seal.use", KEEPER, USE_1, USE)


def test_a_keeper_who_is_suspended_seals_nothing() -> None:
    world = ONE_PERSON.copy()
    world.do("party.suspend", TIBET, KEEPER, WHY)
    with refused("officer-not-live"):
        world.do("seal.use", KEEPER, USE_1, USE)


@pytest.mark.parametrize("ending", ["seal.suspend", "seal.revoke"])
def test_a_seal_that_is_not_live_is_not_used(ending: str) -> None:
    world = ISSUED.copy()
    world.do("seal.approve", APPROVER, USE_1, USE)
    world.do(ending, MAKER, SEAL, WHY)
    with refused("seal-not-live"):
        world.do("seal.use", KEEPER, USE_1, USE)
    with refused("seal-not-live"):
        world.do("seal.approve", APPROVER, USE_2, USE)


@pytest.mark.parametrize("time_s", [FROM_S - 1, UNTIL_S])
def test_a_seal_out_of_its_term_is_not_used(time_s: int) -> None:
    world = ONE_PERSON.copy()
    world.now_s = time_s
    with refused("seal-not-live"):
        world.do("seal.use", KEEPER, USE_1, USE)


def test_a_keeper_who_misses_the_seal_stops_it_and_the_maker_decides_on() -> None:
    world = ISSUED.copy()
    with refused("not-entitled"):
        world.do("seal.suspend", OUTSIDER, SEAL, WHY)
    world.do("seal.suspend", KEEPER, SEAL, WHY)
    for kind in ("seal.resume", "seal.revoke"):
        with refused("not-entitled"):
            world.do(kind, KEEPER, SEAL, WHY)
    world.do("seal.resume", MAKER, SEAL, WHY)
    assert world.state(TIBET, SEAL)["live"] is True
    world.do("seal.revoke", TIBET, SEAL, WHY)
    with refused("wrong-state"):
        world.do("seal.resume", MAKER, SEAL, WHY)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"keepers": []}, "bad-field"),
        ({"approvers": []}, "bad-field"),
        ({"valid_until": FROM_S}, "bad-field"),
    ],
)
def test_a_seal_that_does_not_fit_is_not_issued(change: dict[str, Any], code: str) -> None:
    with refused(code):
        ENROLLED.copy().do("seal.issue", TIBET, SEAL, BODY | change)


def test_a_seal_is_issued_once_by_its_maker_or_the_region() -> None:
    with refused("exists"):
        ISSUED.copy().do("seal.issue", TIBET, SEAL, BODY)
    with refused("not-entitled"):
        ENROLLED.copy().do("seal.issue", HEAD, SEAL, BODY)
    with refused("not-competent"):
        ENROLLED.copy().do("seal.issue", SICHUAN, SEAL, BODY)


def test_a_seal_of_another_region_is_out_of_reach() -> None:
    world = ONE_PERSON.copy()
    with refused("not-competent"):
        world.do("seal.use", KEEPER, "510000/seal-use/1", USE)
    with refused("unknown-object"):
        world.do("seal.use", CLERK, "510000/seal-use/1", USE)
    with refused("unknown-object"):
        world.do("seal.use", KEEPER, USE_1, USE | {"seal": HRSS})
    for kind in ("seal.suspend", "seal.resume", "seal.revoke"):
        with refused("unknown-object"):
            world.do(kind, SICHUAN, SEAL, WHY)


# ---- from the request to the end ----------------------------------------------------------------

REQUEST: dict[str, Any] = {
    "name": "审批专用章",
    "owner": HRSS,
    "keepers": [HEAD, DECIDER],
    "approval": False,
    "reason": "跨省通办",
}
MADE = {"certificate": bytes(32), "valid_from": FROM_S, "valid_until": UNTIL_S}
FILED = {"number": "54010000000001", "register": "拉萨市公安局"}
MAKER_2 = "540000/officer/maker-02"
ENROLLED.do("party.enrol", TIBET, MAKER_2, officer(HRSS, MAKER_2, ["maker"]))


def long_way(**changes: Any) -> World:
    world = ENROLLED.copy()
    world.do("seal.request", HEAD, SEAL, REQUEST | changes)
    world.do("seal.make", MAKER, SEAL, MADE)
    world.do("seal.file", MAKER_2, SEAL, FILED)
    world.do("seal.enable", KEEPER, SEAL, {})
    return world


def test_a_seal_is_asked_for_made_filed_and_taken_into_use_by_different_people() -> None:
    world = ENROLLED.copy()
    with refused("not-competent"):
        world.do("seal.request", OUTSIDER, SEAL, REQUEST)
    world.do("seal.request", MAKER, SEAL, REQUEST)
    with refused("seal-not-live"):
        world.do("seal.use", KEEPER, USE_1, USE)
    with refused("second-person"):
        world.do("seal.make", MAKER, SEAL, MADE)
    with refused("not-entitled"):
        world.do("seal.make", HEAD, SEAL, MADE)
    with refused("bad-field"):
        world.do("seal.make", MAKER_2, SEAL, MADE | {"valid_until": FROM_S})
    world.do("seal.make", MAKER_2, SEAL, MADE)
    with refused("second-person"):
        world.do("seal.file", MAKER_2, SEAL, FILED)
    with refused("not-entitled"):
        world.do("seal.file", HEAD, SEAL, FILED)
    world.do("seal.file", MAKER, SEAL, FILED)
    with refused("seal-not-live"):
        world.do("seal.use", KEEPER, USE_1, USE)
    with refused("not-keeper"):
        world.do("seal.enable", MAKER, SEAL, {})
    world.do("seal.enable", KEEPER, SEAL, {})
    world.do("seal.use", KEEPER, USE_1, USE)


def test_a_request_may_be_declined_by_a_maker_and_is_then_at_its_end() -> None:
    world = ENROLLED.copy()
    world.do("seal.request", HEAD, SEAL, REQUEST)
    with refused("not-entitled"):
        world.do("seal.decline", HEAD, SEAL, WHY)
    world.do("seal.decline", MAKER, SEAL, WHY)
    with refused("wrong-state"):
        world.do("seal.make", MAKER, SEAL, MADE)
    assert "stop" not in world.state(TIBET, SEAL)


def test_a_lost_seal_stops_since_its_loss_and_another_person_takes_it_back() -> None:
    world = long_way()
    with refused("not-entitled"):
        world.do("seal.lose", OUTSIDER, SEAL, WHY)
    lost_s = world.now_s
    world.do("seal.lose", KEEPER, SEAL, WHY)
    with refused("seal-not-live"):
        world.do("seal.use", KEEPER, USE_1, USE)
    assert world.state(TIBET, SEAL)["stop"] == lost_s
    again = world.copy()
    again.do("seal.resume", MAKER, SEAL, WHY)
    assert "stop" not in again.state(TIBET, SEAL)
    again.do("seal.lose", MAKER, SEAL, WHY)
    with refused("second-person"):
        again.do("seal.resume", MAKER, SEAL, WHY)
    again.do("seal.resume", MAKER_2, SEAL, WHY)
    world.now_s += 60
    world.do("seal.revoke", MAKER, SEAL, WHY)
    assert world.state(TIBET, SEAL)["stop"] == lost_s


def test_a_seal_is_replaced_by_a_live_one_of_the_same_owner() -> None:
    world, new = long_way(), "540000/seal/hrss-02"
    put = WHY | {"successor": new}
    with refused("unknown-object"):
        world.do("seal.replace", MAKER, SEAL, put)
    with refused("wrong-state"):
        world.do("seal.replace", MAKER, SEAL, WHY | {"successor": SEAL})
    world.do("seal.issue", TIBET, new, BODY | {"owner": HEALTH})
    with refused("not-competent"):
        world.do("seal.replace", MAKER, SEAL, put)
    newer = "540000/seal/hrss-03"
    world.do("seal.issue", TIBET, newer, BODY)
    put = WHY | {"successor": newer}
    with refused("not-entitled"):
        world.do("seal.replace", KEEPER, SEAL, put)
    stopped = world.copy()
    stopped.do("seal.suspend", MAKER, newer, WHY)
    with refused("seal-not-live"):
        stopped.do("seal.replace", MAKER, SEAL, put)
    world.do("seal.replace", MAKER, SEAL, put)
    assert world.state(TIBET, SEAL)["next"] == newer
    with refused("seal-not-live"):
        world.do("seal.use", KEEPER, USE_1, USE)


def test_a_seal_in_other_hands_is_used_by_those_alone() -> None:
    world = ISSUED.copy()
    put = WHY | {"keepers": [OUTSIDER], "approvers": [HEAD]}
    with refused("not-entitled"):
        world.do("seal.entrust", KEEPER, SEAL, put)
    with refused("bad-field"):
        world.do("seal.entrust", MAKER, SEAL, WHY | {"keepers": [OUTSIDER]})
    world.do("seal.entrust", MAKER, SEAL, put)
    world.do("seal.approve", HEAD, USE_1, USE)
    with refused("not-keeper"):
        world.do("seal.use", KEEPER, USE_1, USE)
    world.do("seal.use", OUTSIDER, USE_1, USE)


# ---- asking and refusing ------------------------------------------------------------------------


def test_a_use_is_asked_for_approved_by_another_and_done_as_asked() -> None:
    world = ISSUED.copy()
    world.do("seal.ask", DECIDER, USE_1, USE)
    with refused("approval-missing"):
        world.do("seal.use", KEEPER, USE_1, USE)
    with refused("use-differs"):
        world.do("seal.approve", HEAD, USE_1, USE | {"document": b"\1" * 32})
    world.do("seal.approve", HEAD, USE_1, USE)
    assert world.state(TIBET, USE_1)["ask"] == DECIDER
    world.do("seal.use", KEEPER, USE_1, USE)
    world.do("seal.ask", HEAD, USE_2, USE)
    with refused("second-person"):
        world.do("seal.approve", HEAD, USE_2, USE)
    world = ONE_PERSON.copy()
    world.do("seal.ask", HEAD, USE_1, USE)
    with refused("use-differs"):
        world.do("seal.use", KEEPER, USE_1, USE | {"case": "510000/case/other"})
    world.do("seal.use", KEEPER, USE_1, USE)


def test_a_use_that_was_refused_is_not_done_even_if_it_was_approved_before() -> None:
    world = ISSUED.copy()
    world.do("seal.approve", HEAD, USE_1, USE)
    with refused("not-entitled"):
        world.do("seal.refuse", OUTSIDER, USE_1, USE | WHY)
    with refused("use-differs"):
        world.do("seal.refuse", HEAD, USE_1, USE | WHY | {"document": b"\1" * 32})
    world.do("seal.refuse", HEAD, USE_1, USE | WHY)
    with refused("use-refused"):
        world.do("seal.use", KEEPER, USE_1, USE)
    with refused("exists"):
        world.do("seal.approve", HEAD, USE_1, USE)


# ---- lending and limits -------------------------------------------------------------------------

LOAN = "540000/seal-loan/1"
WINDOW_T, CLERK_T = "540000/window/t1", "540000/officer/t1-01"
LEND: dict[str, Any] = {
    "seal": SEAL,
    "window": WINDOW_T,
    "grant": GRANT,
    "uses_max": 2,
    "valid_from": FROM_S,
    "valid_until": UNTIL_S,
    "reason": "就近用印",
}
LENT_USE = USE | {"loan": LOAN, "grant": GRANT}


def lent() -> World:
    world = ONE_PERSON.copy()
    hall = "540000/hall/centre"
    world.do("party.enrol", TIBET, hall, {"name": "政务服务中心"})
    window = {"name": "跨省通办窗口", "hall": hall, "department": HRSS}
    world.do("party.enrol", TIBET, WINDOW_T, window)
    world.do("party.enrol", TIBET, CLERK_T, officer(WINDOW_T, CLERK_T, ["receive"]))
    world.do("item.publish", HEAD, ITEM, ITEM_BODY)
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"window": WINDOW_T})
    return world


def test_a_seal_lent_to_a_window_is_used_there_as_often_as_agreed() -> None:
    world = lent()
    with refused("not-keeper"):
        world.do("seal.use", CLERK_T, USE_1, USE)
    with refused("unknown-object"):
        world.do("seal.use", CLERK_T, USE_1, LENT_USE)
    world.do("seal.lend", KEEPER, LOAN, LEND)
    with refused("bad-field"):
        world.do("seal.use", CLERK_T, USE_1, USE | {"loan": LOAN})
    with refused("not-keeper"):
        world.do("seal.use", OUTSIDER, USE_1, LENT_USE)
    world.do("seal.use", CLERK_T, USE_1, LENT_USE)
    world.do("seal.use", KEEPER, USE_2, LENT_USE)
    assert world.state(TIBET, quota_object(LOAN)) == {"n": 2}
    with refused("quota-spent"):
        world.do("seal.use", CLERK_T, "540000/seal-use/3", LENT_USE)


def test_a_loan_is_as_good_as_its_seal_its_grant_and_its_term() -> None:
    world = lent()
    world.do("seal.lend", KEEPER, LOAN, LEND | {"valid_until": world.now_s + 50})
    other = "540000/seal/other"
    world.do("seal.issue", TIBET, other, BODY | {"approval": False})
    with refused("loan-not-live"):
        world.do("seal.use", CLERK_T, USE_1, LENT_USE | {"seal": other})
    late = world.copy()
    late.now_s += 50
    with refused("loan-not-live"):
        late.do("seal.use", CLERK_T, USE_1, LENT_USE)
    ended = world.copy()
    ended.do("grant.revoke", HEAD, GRANT, WHY)
    with refused("grant-not-live"):
        ended.do("seal.use", CLERK_T, USE_1, LENT_USE)
    stopped = world.copy()
    stopped.do("seal.suspend", MAKER, SEAL, WHY)
    with refused("seal-not-live"):
        stopped.do("seal.use", CLERK_T, USE_1, LENT_USE)
    with refused("not-entitled"):
        world.do("seal.recall", CLERK_T, LOAN, WHY)
    world.do("seal.recall", KEEPER, LOAN, WHY)
    with refused("loan-not-live"):
        world.do("seal.use", CLERK_T, USE_1, LENT_USE)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"grant": "540000/grant/none"}, "no-grant"),
        ({"window": "510000/window/w3"}, "window-not-granted"),
        ({"seal": "540000/seal/none"}, "unknown-object"),
        ({"uses_max": 0}, "bad-field"),
        ({"valid_until": FROM_S}, "bad-field"),
    ],
)
def test_a_loan_that_rests_on_nothing_is_not_made(change: dict[str, Any], code: str) -> None:
    with refused(code):
        lent().do("seal.lend", KEEPER, LOAN, LEND | change)


def test_who_approves_the_uses_of_a_seal_lends_it_and_nobody_else() -> None:
    with refused("not-entitled"):
        lent().do("seal.lend", CLERK_T, LOAN, LEND)
    world = lent()
    two = "540000/seal/two"
    world.do("seal.issue", TIBET, two, BODY)
    with refused("not-entitled"):
        world.do("seal.lend", KEEPER, LOAN, LEND | {"seal": two})
    world.do("seal.lend", APPROVER, LOAN, LEND | {"seal": two})
    with refused("approval-missing"):
        world.do("seal.use", CLERK_T, USE_1, LENT_USE | {"seal": two})
    with refused("not-competent"):
        world.do("seal.lend", APPROVER, "510000/seal-loan/1", LEND | {"seal": two})


def test_a_seal_with_a_limit_is_used_no_more_often() -> None:
    world = long_way(uses_max=1)
    world.do("seal.use", KEEPER, USE_1, USE)
    with refused("quota-spent"):
        world.do("seal.use", KEEPER, USE_2, USE)
    # Its uses are not acts on the seal: what comes next on it follows its own last act.
    world.do("seal.suspend", KEEPER, SEAL, WHY)


def test_a_loan_is_made_once_of_a_live_seal_and_only_one_that_was_made_is_recalled() -> None:
    world = lent()
    with refused("unknown-object"):
        world.do("seal.recall", TIBET, LOAN, WHY)
    stopped = world.copy()
    stopped.do("seal.suspend", MAKER, SEAL, WHY)
    with refused("seal-not-live"):
        stopped.do("seal.lend", KEEPER, LOAN, LEND)
    world.do("seal.lend", KEEPER, LOAN, LEND)
    with refused("exists"):
        world.do("seal.lend", KEEPER, LOAN, LEND)
    world.do("seal.recall", TIBET, LOAN, WHY)
    with refused("wrong-state"):
        world.do("seal.recall", KEEPER, LOAN, WHY)


def test_a_region_asks_for_no_seal_of_another() -> None:
    with refused("not-competent"):
        ENROLLED.copy().do("seal.request", SICHUAN, SEAL, REQUEST)
