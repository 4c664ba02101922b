from itertools import product
from typing import Any

import pytest

from ledger.errors import RefusedError
from seals import usage
from seals.usage import Event, Life, UseEvent, UseStage
from tests.authz.refusals import refused
from tests.authz.world import (
    CASE,
    CLERK,
    DECIDER,
    FROM_S,
    HEAD,
    HRSS,
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


@pytest.mark.parametrize(("life", "event"), list(product(Life, Event)))
def test_a_seal_moves_by_the_table_and_no_other_way(life: Life, event: Event) -> None:
    after = usage.TRANSITIONS.get((life, event))
    if after is not None:
        assert usage.next_life(life, event) is after
    else:
        with pytest.raises(RefusedError):
            usage.next_life(life, event)


@pytest.mark.parametrize(("stage", "event"), list(product(UseStage, UseEvent)))
def test_a_use_moves_by_the_table_and_no_other_way(stage: UseStage, event: UseEvent) -> None:
    after = usage.USE_TRANSITIONS.get((stage, event))
    if after is not None:
        assert usage.next_use(stage, event) is after
    else:
        with pytest.raises(RefusedError):
            usage.next_use(stage, event)


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
