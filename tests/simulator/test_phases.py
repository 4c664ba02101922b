"""What regions lend from when on: as plans spell it, as documents have it, and in a world."""

from collections import Counter
from typing import Any

import pytest

from ledger.statement import decode_statement
from simulator.asked import AskedError
from simulator.beginnings import borrowers
from simulator.offices import LEVELS, Office
from simulator.phases import ALL_RIGHTS, Phase, begun, phase, read
from simulator.places import places_of
from simulator.plan import Plan
from simulator.run import run
from simulator.scenario import load
from tests.simulator.sound import run_and_keep

FOUR = "deliver+intake+notice+verify"


def test_phases_are_spelled_in_one_way_and_lead_back_to_a_plan() -> None:
    assert ALL_RIGHTS == FOUR
    found = read("0:6:notice+intake,1.5:20:all:beyond")
    assert found == (Phase(0, 6, "intake+notice"), Phase(1.5, 20, FOUR, "beyond"))
    plan = Plan().what_if("phases=0:6:intake,1.5:20:all:within")
    word = next(it for it in plan.command().split() if it.startswith("phases="))
    assert Plan().what_if(word).phases == plan.phases
    assert Plan().what_if("phases=none").lent == (Phase(0.0, 1, FOUR),)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("phases=0:6", "phases is such as 0:6:intake"),
        ("phases=0:6:intake:beyond:far", "phases is such as 0:6:intake"),
        ("phases=0:six:intake", "phases is such as 0:6:intake"),
        ("phases=0:6:decide", "a phase is of 1 to 167 items, some of deliver"),
        ("phases=0:999:all", "a phase is of 1 to 167 items"),
        ("phases=0:6:all:abroad", "within or beyond or neither; not 6:all:abroad"),
        ("phases=1:6:all", "phases begin at 0 and follow each other; not 1:6:deliver"),
        ("phases=0:6:all,0:7:all", "phases begin at 0 and follow each other"),
        ("phases=0:6:all,nan:7:all", "phases begin at 0 and follow each other"),
    ],
)
def test_phases_that_make_no_sense_are_refused_by_name(word: str, told: str) -> None:
    with pytest.raises(AskedError, match=told) as refused:
        Plan().what_if(word)
    assert refused.value.code == "bad-plan"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("items=3",), "items counts where there are no phases"),
        (("hub=110000",), "the hub is 110000, which is none of the 9 regions"),
    ],
)
def test_what_has_no_effect_beside_phases_or_is_nowhere_is_told(
    words: tuple[str, ...], told: str
) -> None:
    with pytest.raises(AskedError, match=told):
        run(load("zaozhuang-county").plan.what_if(*words))


def test_each_scenario_of_a_document_lends_as_many_items_as_the_document_names() -> None:
    """The counts are those of the documents; of a share, Guizhou's scenario has 30 %."""

    def counts(name: str) -> list[tuple[int, str]]:
        return [(one.items, one.where) for one in load(name).plan.lent]

    assert counts("southwest-five") == [(148, "")]
    assert counts("shanwei-phases") == [(96, "")]
    assert counts("zaozhuang-county") == [(107, "within"), (74, "beyond"), (74 + 8, "beyond")]
    first, second = load("guizhou-province").plan.lent
    assert (first.items / second.items, first.rights, second.rights) == (0.3, "intake", FOUR)


def test_the_three_levels_of_a_document_are_windows_that_take_cases_in_and_deliver() -> None:
    plan = load("xining-three-level").plan
    assert plan.levels == len(LEVELS) == 3
    plan = plan.what_if("regions=4", "items=1", "minutes=1.2", "cases_per_day=20000", "think_s=2")
    outcome, simulation = run_and_keep(plan.what_if("pace_ms=200"))
    assert outcome.counts["act party.enrol: accepted"] == 4 * (6 + 3 + 3)
    done: Counter[tuple[str, Any]] = Counter()
    for log in simulation.checkers.reference.logs.values():
        for act in (decode_statement(entry).act for entry in log.entries):
            if "window" in act.body:
                done[act.kind, act.body["window"].rpartition("/")[2]] += 1
    for level in (1, 2, 3):
        assert done["case.open", f"w{level}"] == outcome.counts[f"received at level {level}"] > 0
        assert done["case.deliver", f"w{level}"] > 0
        assert done["grant.accept", f"w{level}"] >= 4 * 3


def test_the_windows_of_an_office_share_its_number_which_a_successor_of_its_log_changes() -> None:
    office = Office("510000")
    street = office.at(2)
    assert (office.at(1), street.clerk, street.decider) == (
        office,
        "510000/officer/clerk2",
        office.decider,
    )
    office.number = 3
    assert street.prefix == office.prefix == "3-"


def test_a_phase_for_some_leaves_to_the_others_what_they_have() -> None:
    all_ = phase(0, 5, "all")
    beyond = phase(1, 7, "intake", "beyond")
    assert begun({}, all_) == {"within": all_, "beyond": all_}
    assert begun(begun({}, all_), beyond) == {"within": all_, "beyond": beyond}
    assert begun({}, beyond) == {"beyond": beyond}


def test_a_hub_lends_to_all_and_all_lend_to_it() -> None:
    places = {place.code: place for place in places_of("southwest", 5)}
    plan = Plan(hub="540000", windows=1)
    others = [it for it in places if it != "540000"]
    assert sorted(borrowers("540000", others, places, plan)) == sorted(others)
    assert borrowers("510000", ["500000", "540000"], places, plan) == ["540000"]
    assert borrowers("510000", ["500000", "540000"], places, Plan(windows=1)) == ["500000"]


def test_what_windows_may_do_grows_with_the_phases_and_each_grant_gives_way_to_the_next() -> None:
    plan = Plan(
        seed=4,
        regions=4,
        minutes=1.6,
        acts_per_minute=240,
        hostile=False,
        revoked=0.0,
        receipts=0,
        bundle_every_s=0,
        phases=read("0:1:intake,0.6:2:all"),
    )
    outcome, simulation = run_and_keep(plan)
    assert outcome.counts["a phase began"] == 1
    assert outcome.counts["delivered by post"] > 0
    done: Counter[tuple[str, Any]] = Counter()
    for log in simulation.checkers.reference.logs.values():
        for statement in map(decode_statement, log.entries):
            act, body = statement.act, statement.act.body
            done[act.kind, len(body["rights"]) if act.kind == "grant.offer" else ""] += 1
            if act.kind == "case.deliver":
                done["delivered", body["mode"] == "post"] += 1
    pairs = 4 * 3
    assert done["item.publish", ""] == 4 * 2
    assert done["grant.offer", 1] == pairs
    assert done["grant.offer", 4] == pairs * 2
    assert done["grant.revoke", ""] == pairs
    assert done["delivered", True] > 0
    assert done["delivered", False] > 0
