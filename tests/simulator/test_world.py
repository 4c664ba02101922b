"""Virtual time runs in one order for one seed."""

from functools import partial

import pytest

from simulator.network import Network, Weather
from simulator.world import START_MS, World


def test_things_happen_by_time_and_then_in_the_order_they_were_asked_for() -> None:
    world, done = World(0), list[str]()
    for delay_ms, name in ((5, "later"), (1, "first"), (1, "second"), (0, "now")):
        world.after(delay_ms, partial(done.append, name))
    world.run_until(START_MS + 2)
    assert done == ["now", "first", "second"]
    world.run_until(START_MS + 10)
    assert done == ["now", "first", "second", "later"]
    assert world.now_ms == START_MS + 10


def test_a_delay_below_zero_does_not_turn_time_back() -> None:
    world, times = World(0), list[int]()
    world.after(10, lambda: world.after(-100, lambda: times.append(world.now_ms)))
    world.run_until(START_MS + 20)
    assert times == [START_MS + 10]


def test_a_draw_in_one_part_leaves_the_others_as_they_were() -> None:
    one, other = World(7), World(7)
    one.stream("faults").random()
    assert one.stream("network").random() == other.stream("network").random()
    assert World(8).stream("network").random() != World(7).stream("network").random()


def test_the_trace_tells_any_two_stories_apart() -> None:
    hashes = set()
    for words in ((), ("a",), ("b",), ("a", "b")):
        world = World(1)
        for word in words:
            world.trace(word)
        hashes.add(world.trace_hash())
    assert len(hashes) == 4


@pytest.fixture(name="network")
def calm_network() -> Network:
    return Network(World(3), ["a", "b"], Weather())


def test_a_cut_one_way_stops_one_way_only(network: Network) -> None:
    network.cut("a", "b")
    assert network.delays_ms("a", "b") == []
    assert len(network.delays_ms("b", "a")) == 1


def test_a_link_that_was_cut_twice_is_whole_after_two_mends(network: Network) -> None:
    network.cut("a", "b")
    network.cut("a", "b")
    network.mend("a", "b")
    assert network.delays_ms("a", "b") == []
    network.mend("a", "b")
    assert len(network.delays_ms("a", "b")) == 1


def test_a_mend_too_many_does_not_undo_a_later_cut(network: Network) -> None:
    network.mend("a", "b")
    network.cut("a", "b")
    assert network.delays_ms("a", "b") == []


def test_weather_loses_and_repeats_about_as_often_as_it_says() -> None:
    world = World(5)
    network = Network(world, ["a", "b"], Weather(lost=0.2, repeated=0.3))
    copies = [len(network.delays_ms("a", "b")) for _ in range(2_000)]
    assert 300 < copies.count(0) < 500
    assert 380 < copies.count(2) < 580
    assert world.counts["message lost"] == copies.count(0)
