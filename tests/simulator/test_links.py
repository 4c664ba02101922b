"""Links as a plan wants them, storms that overlap, and what is asked for beside a script."""

import pytest

from simulator.asked import AskedError
from simulator.network import CALM, HURRICANE, STORM, Network, Weather, distances_ms
from simulator.places import places_of
from simulator.plan import Happening, Plan
from simulator.run import run, weather_of
from simulator.scenario import load
from simulator.world import World


def test_links_are_as_a_plan_says_beside_what_is_usual() -> None:
    assert weather_of(Plan(hostile=False)) == CALM
    assert weather_of(Plan()) == STORM
    words = ("jitter_ms=90", "lost=0.25", "repeated=0.1", "held_back=0.2", "bandwidth_kbit=64")
    worse = weather_of(load("southwest-five").plan.what_if(*words))
    assert (worse.jitter_ms_max, worse.bandwidth_kbit) == (CALM.jitter_ms_max + 90, 64)
    assert (worse.lost, worse.repeated, worse.held_back) == (0.25, 0.1, 0.2)
    assert weather_of(Plan(lost=1)).lost == 1
    places = places_of("nation")
    once, thrice = distances_ms(places), distances_ms(places, 3)
    assert all(thrice[link] == 3 * once[link] for link in once)


def test_what_is_lost_to_everybody_leaves_a_plain_world_no_longer_plain() -> None:
    plan = load("southwest-five").plan
    assert plan.is_plain
    assert plan.what_if("farther=2", "jitter_ms=50").is_plain
    assert not plan.what_if("lost=0.01").is_plain


def test_a_storm_that_ends_leaves_the_other_one_and_the_last_one_the_usual_weather() -> None:
    usual = Weather(jitter_ms_max=7, bandwidth_kbit=64)
    network = Network(World(1), ["a", "b"], usual)
    first = network.begin_storm(STORM)
    second = network.begin_storm(HURRICANE)
    assert (network.weather.lost, network.weather.bandwidth_kbit) == (HURRICANE.lost, 64)
    network.end_storm(first)
    assert network.weather == second
    network.end_storm(second)
    assert network.weather == usual
    third = network.begin_storm(STORM)
    network.clear_up()
    network.end_storm(third)  # its time is up after the healing
    assert network.weather.lost == 0
    assert network.weather.bandwidth_kbit == 64


def test_links_that_lose_much_and_a_cut_beside_the_script_happen_and_lead_back_to_the_plan() -> (
    None
):
    plan = load("holiday-peak").plan.what_if(
        "minutes=0.5",
        "lost=0.2",
        "also=3s:region cut off:500000:20s",
        "also=4s:link cut:510000+520000:3s,5s:node slow:530000:2s:20",
    )
    assert plan.script == (
        *load("holiday-peak").plan.script,
        Happening(at_s=3, do="region cut off", region="500000", for_s=20),
        Happening(at_s=4, do="link cut", region="510000", other="520000", for_s=3),
        Happening(at_s=5, do="node slow", region="530000", for_s=2, value=20),
    )
    words = plan.command().split("--what-if ")[1:]
    again = load("holiday-peak").plan.what_if(*(word.strip().strip('"') for word in words))
    assert again == plan
    outcome = run(plan)
    assert not outcome.broken, outcome.broken
    for kind in ("region cut off", "link cut", "node slow", "message lost", "message cut off"):
        assert outcome.injected[kind] > 0, kind


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("also=3s", "also is when, what, to whom"),
        ("also=3s:link cut:a:4s:5:6", "also is when, what, to whom"),
        ("also=3s:node slow:500000:4s:much", "also is when, what, to whom"),
        ("also=3:region cut off:500000", "a length of time is such as"),
        ("also=3s:region cut of:500000", "no such kind of fault: region cut of; is it region cut"),
        ("also=3s:region cut off", "region cut off asks for a region"),
        ("also=3s:link cut:500000", "link cut asks for two regions"),
        ("also=3s:region cut off:999999", "the script is about 999999"),
        ("lost=2", "lost is a number from 0 to 1"),
        ("bandwidth_kbit=0", "bandwidth_kbit is a number from 1"),
        ("farther=0", "farther is a number from 0.01"),
    ],
)
def test_what_makes_no_sense_of_links_or_scripts_is_told(word: str, told: str) -> None:
    with pytest.raises(AskedError, match=told) as refused:
        run(load("southwest-five").plan.what_if("minutes=0.02", word))
    assert refused.value.code == "bad-plan"
