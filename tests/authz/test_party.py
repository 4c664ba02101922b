from itertools import product
from typing import Any

import pytest

from authz import party
from authz.party import Event, Life
from ledger.errors import RefusedError
from tests.authz.refusals import refused
from tests.authz.world import (
    CHIEF,
    CLERK,
    CLERK_2,
    CLERK_CQ,
    DECIDER,
    ENROLLED,
    HALL,
    HEAD,
    HEAD_SC,
    HRSS,
    HRSS_SC,
    SICHUAN,
    TIBET,
    WINDOW,
    World,
    officer,
)
from tests.vectors.own.network import key

NEW = "510000/officer/new"
WHY = {"reason": "轮岗"}
WINDOW_BODY = {"name": "五号窗口", "hall": HALL, "department": HRSS_SC}


@pytest.fixture
def world() -> World:
    return ENROLLED.copy()


@pytest.mark.parametrize(("life", "event"), list(product(Life, Event)))
def test_a_party_moves_by_the_table_and_no_other_way(life: Life, event: Event) -> None:
    after = party.TRANSITIONS.get((life, event))
    if after is not None:
        assert party.next_life(life, event) is after
    else:
        with pytest.raises(RefusedError):
            party.next_life(life, event)


def test_no_event_leads_back_from_retired_and_none_to_new() -> None:
    assert not [life for life, _ in party.TRANSITIONS if life is Life.RETIRED]
    assert Life.NEW not in party.TRANSITIONS.values()


def test_an_officer_belongs_to_the_unit_and_both_masters_of_it(world: World) -> None:
    row = world.state(SICHUAN, CLERK)
    assert (row["unit"], row["dept"], row["hall"]) == (WINDOW, HRSS_SC, HALL)
    assert world.state(TIBET, HEAD)["dept"] == HRSS
    key_row = world.state(SICHUAN, party.key_object(SICHUAN, key(CLERK).public))
    assert key_row == {"live": True, "party": CLERK, "key": key(CLERK).public}


def test_nobody_is_enrolled_twice(world: World) -> None:
    with refused("exists"):
        world.do("party.enrol", SICHUAN, HALL, {"name": "大厅"})


def test_two_officers_do_not_share_a_key(world: World) -> None:
    with refused("exists"):
        world.do("party.enrol", SICHUAN, NEW, officer(WINDOW, CLERK, ["receive"]))


def test_a_region_enrols_only_its_own(world: World) -> None:
    with refused("not-competent"):
        world.do("party.enrol", SICHUAN, "540000/hall/other", {"name": "大厅"})


def test_an_officer_enrols_nobody(world: World) -> None:
    with refused("not-entitled"):
        world.do("party.enrol", CHIEF, "510000/hall/other", {"name": "大厅"})


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("510000/hall/x", {}),
        ("510000/hall/x", {"name": "大厅", "video": True}),
        ("510000/window/x", {"name": "窗口", "hall": HALL}),
        ("510000/window/x", WINDOW_BODY | {"roles": []}),
        (NEW, {"unit": WINDOW, "key": bytes(32), "holder": "region"}),
        (NEW, officer(WINDOW, NEW, []) | {"hall": HALL}),
        (NEW, officer(WINDOW, NEW, []) | {"roles": ["king"]}),
        ("510000/case/x", {"name": "办件"}),
    ],
)
def test_each_type_of_party_has_its_own_fields(
    world: World, subject: str, body: dict[str, Any]
) -> None:
    with refused("bad-field"):
        world.do("party.enrol", SICHUAN, subject, body)


def test_a_unit_must_be_enrolled_and_live_and_of_the_right_type(world: World) -> None:
    for body in (
        WINDOW_BODY | {"hall": "510000/hall/none"},
        WINDOW_BODY | {"hall": HRSS_SC},
        WINDOW_BODY | {"department": HALL},
    ):
        with refused("unknown-object"):
            world.do("party.enrol", SICHUAN, "510000/window/w5", body)
    with refused("unknown-object"):
        world.do("party.enrol", SICHUAN, NEW, officer(CLERK, NEW, []))
    world.do("party.suspend", SICHUAN, WINDOW, WHY)
    with refused("window-not-live"):
        world.do("party.enrol", SICHUAN, NEW, officer(WINDOW, NEW, []))


@pytest.mark.parametrize("master", [CHIEF, HEAD_SC, SICHUAN])
def test_either_master_stops_an_officer_and_only_the_same_one_lets_go(
    world: World, master: str
) -> None:
    world.do("party.suspend", master, CLERK, WHY)
    assert world.state(SICHUAN, CLERK)["live"] is False
    other = CHIEF if master != CHIEF else HEAD_SC
    with refused("wrong-state"):
        world.do("party.suspend", master, CLERK, WHY)
    with refused("wrong-state"):
        world.do("party.resume", other, CLERK, WHY)
    world.do("party.suspend", other, CLERK, WHY)
    world.do("party.resume", master, CLERK, WHY)
    assert world.state(SICHUAN, CLERK)["live"] is False
    world.do("party.resume", other, CLERK, WHY)
    assert world.state(SICHUAN, CLERK) == ENROLLED.state(SICHUAN, CLERK)


def test_a_master_s_officer_wants_the_role_to_manage(world: World) -> None:
    clerk = "510000/officer/hrss-09"
    world.do("party.enrol", SICHUAN, clerk, officer(HRSS_SC, clerk, ["receive"]))
    with refused("not-entitled"):
        world.do("party.suspend", clerk, CLERK, WHY)


def test_an_officer_changes_no_keys(world: World) -> None:
    body = {"key": key("new key").public, "holder": "region", "reason": "遗失"}
    with refused("not-entitled"):
        world.do("party.rekey", CHIEF, CLERK, body)


def test_a_stranger_stops_nobody(world: World) -> None:
    world.do("party.enrol", SICHUAN, "510000/department/police", {"name": "公安厅"})
    stranger = "510000/officer/police-01"
    world.do(
        "party.enrol", SICHUAN, stranger, officer("510000/department/police", stranger, ["manage"])
    )
    with refused("not-entitled"):
        world.do("party.suspend", stranger, CLERK, WHY)
    with refused("not-entitled"):
        world.do("party.suspend", CLERK_2, CLERK, WHY)


def test_a_suspended_officer_does_nothing(world: World) -> None:
    world.do("party.suspend", SICHUAN, CHIEF, WHY)
    with refused("officer-not-live"):
        world.do("party.suspend", CHIEF, CLERK, WHY)


def test_a_retired_officer_does_not_come_back_and_the_key_ends(world: World) -> None:
    world.do("party.retire", CHIEF, CLERK, WHY)
    for kind in ("party.suspend", "party.resume", "party.retire"):
        with refused("wrong-state"):
            world.do(kind, SICHUAN, CLERK, WHY)
    with refused("exists"):
        world.do("party.enrol", SICHUAN, CLERK, officer(WINDOW, "another key", []))
    assert world.state(SICHUAN, party.key_object(SICHUAN, key(CLERK).public))["live"] is False
    with refused("exists"):
        world.do("party.enrol", SICHUAN, NEW, officer(WINDOW, CLERK, ["receive"]))


def test_a_new_key_ends_the_old_one(world: World) -> None:
    body = {"key": key("new key").public, "holder": "region", "reason": "遗失"}
    world.do("party.rekey", SICHUAN, CLERK, body)
    old, new = (party.key_object(SICHUAN, key(it).public) for it in (CLERK, "new key"))
    assert world.state(SICHUAN, CLERK) == ENROLLED.state(SICHUAN, CLERK) | {
        "key": new,
        "holder": "region",
    }
    assert world.state(SICHUAN, old) == {
        "live": False,
        "party": CLERK,
        "key": key(CLERK).public,
    }
    assert world.state(SICHUAN, new)["live"] is True
    with refused("exists"):
        world.do("party.rekey", SICHUAN, CLERK_2, body)
    with refused("unknown-object"):
        world.do("party.rekey", SICHUAN, NEW, body | {"key": key("yet another").public})


def test_an_unknown_party_has_no_life(world: World) -> None:
    for kind in ("party.suspend", "party.resume", "party.retire"):
        with refused("unknown-object"):
            world.do(kind, SICHUAN, NEW, WHY)


def test_a_window_that_is_suspended_is_not_live(world: World) -> None:
    world.do("party.suspend", CHIEF, WINDOW, WHY)
    assert world.state(SICHUAN, WINDOW)["live"] is False
    with refused("not-entitled"):
        world.do("party.suspend", CLERK_CQ, WINDOW, WHY, region=SICHUAN)


def test_roles_are_asked_for(world: World) -> None:
    row = world.newest(TIBET, DECIDER)
    assert row is not None
    party.check_role(row, party.RECEIVE, party.DECIDE)
    with refused("not-entitled"):
        party.check_role(row, party.RECEIVE)
