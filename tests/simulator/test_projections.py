"""Projections of the same entries are compared, each or in samples, and told apart alike."""

from dataclasses import replace

import pytest

from simulator.plan import Happening, Plan
from simulator.projections import Projections
from simulator.run import build
from simulator.world import BrokenError
from tests.simulator.sound import Sound


def test_what_others_have_read_already_moves_cases_alike(sound: Sound) -> None:
    sampled, each = Projections(sound.checkers, 1_000), Projections(sound.checkers)
    for machine in sound.simulation.machines.values():
        sampled.check_new(machine)
        each.check_new(machine)
        assert sampled.standing(machine.region) == each.standing(machine.region) != {}


def test_what_is_not_of_the_sample_is_compared_at_the_end(sound: Sound) -> None:
    last = list(sound.simulation.machines.values())[-1]
    sound.say(last, "UPDATE facts SET leaf = zeroblob(32)")
    late, soon = Projections(sound.checkers, 1_000), Projections(sound.checkers, 2)
    for machine in sound.simulation.machines.values():
        late.check_new(machine)
    with pytest.raises(BrokenError, match="differ between"):
        late.compare()
    others = [it for it in sound.simulation.machines.values() if it is not last]
    for machine in others:
        soon.check_new(machine)
    with pytest.raises(BrokenError, match="differ between"):
        soon.check_new(last)


def test_one_step_in_eight_is_read_again_in_a_plain_world_and_each_in_any_other() -> None:
    plain = Plan(judging="shared", hostile=False)
    assert plain.is_plain
    others = (
        replace(plain, judging="each"),
        replace(plain, hostile=True),
        replace(plain, committee=3),
        replace(plain, stages=((0.0, 3),)),
        replace(plain, script=(Happening(at_s=1, do="cut"),)),
    )
    assert not any(other.is_plain for other in others)
    assert [build(it).checkers.projections._sample for it in (plain, others[0])] == [8, 1]
