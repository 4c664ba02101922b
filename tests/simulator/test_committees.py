"""A world in which nobody copies everything: every promise is held, and it settles."""

from nodes.core.rosters import Rosters
from simulator.beginnings import borrowers
from simulator.places import places_of
from simulator.plan import Happening, Plan
from simulator.run import build, run
from simulator.workload import Workload


def test_a_world_of_committees_settles_and_nodes_agree_on_all_that_two_of_them_judge() -> None:
    plan = Plan(
        seed=5,
        places="prefectures",
        regions=6,
        committee=3,
        minutes=0.75,
        hostile=False,
        acts_per_minute=40,
        receipts=0.0,
        bundle_every_s=0.0,
        pace_ms=4_000,
        signer="fast",
        # Most are far from the log in which the next version is proposed, and from who changes.
        script=(Happening(at_s=12, do="keys rotated", region="130300", value=1.0),),
    )
    outcome = run(plan)
    assert outcome.broken == ""
    assert outcome.counts["an act was not judged here"] > 10
    assert outcome.counts["use confirmed"] > 0
    assert outcome.figures["breaches"] == 0
    assert outcome.counts["in force: keys rotated"] == 1


def test_a_node_shows_no_logs_but_those_near_it_and_its_first_acts_are_gathered() -> None:
    plan = Plan(
        seed=5,
        places="prefectures",
        regions=8,
        committee=2,
        hostile=False,
        pace_ms=2_000,
        at_once=True,
        signer="fast",
    )
    simulation = build(plan)
    simulation.start_all()
    Workload(simulation, plan)
    simulation.world.run_until(plan.start_ms + 5_500)
    assert simulation.world.counts["act party.enrol: accepted"] == 8 * 6
    assert simulation.world.counts["act item.publish: accepted"] == 8
    # Everybody follows the steward, who follows everybody.
    steward = simulation.machines[simulation.roster.steward]
    for machine in simulation.machines.values():
        if machine is steward:
            continue
        assert machine.node is not None
        near = Rosters(simulation.members.chain).near(machine.region)
        assert machine.origin in machine.node.snapshot.logs
        assert machine.node.snapshot.logs.keys() <= {*near, steward.origin}


def test_prefectures_lend_to_great_places_near_by_in_other_provinces() -> None:
    places = {place.code: place for place in places_of("prefectures")}
    others = [code for code in places if code != "510100"]
    near = borrowers("510100", others, places, Plan(neighbours=True, windows=333))
    assert not any(code.startswith("51") for code in near)
    here = places["510100"]
    first_km = [here.kilometres_to(places[code]) for code in near[:10]]
    last_km = [here.kilometres_to(places[code]) for code in near[-10:]]
    assert max(first_km) < min(last_km)
    most = borrowers("510100", others, places, Plan(windows=333))
    assert places[most[0]].people == max(place.people for place in places.values())


def test_a_stall_of_a_log_whose_pinned_tree_is_seen_already_is_seen_as_well() -> None:
    """The keeper of the steward's key is on leave in a network in which little is recorded.

    What the next proposer pins of the logs that only a committee holds is what its own log has seen
    of them, from before they stalled.
    """
    plan = Plan(
        seed=6,
        places="prefectures",
        regions=6,
        committee=3,
        minutes=0.1,
        acts_per_minute=10,
        signer="fast",
        hostile=False,
        receipts=0.0,
        bundle_every_s=0.0,
        script=(
            Happening(at_s=2, do="keeper of keys away", region="130100", for_s=200),
            Happening(at_s=3, do="constants changed", value=8.0),
        ),
    )
    outcome = run(plan)
    assert outcome.broken == ""
    assert outcome.counts["a round of signing was stalled"] == 1
    assert outcome.counts["in force: constants changed"] == 1
