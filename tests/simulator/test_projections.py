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
    last = list(sound.simulation.machines.values())[2]  # one in two is read, the first among them
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


def test_one_disk_in_eight_is_read_again_in_a_plain_world_and_each_in_any_other() -> None:
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


def test_in_a_plain_world_a_log_is_read_where_it_is_written_and_all_of_them_on_one_disk() -> None:
    plain = Plan(judging="shared", hostile=False, minutes=0.2)
    simulation = build(plain)
    first, second = list(simulation.machines.values())[:2]
    simulation.start_all()
    simulation.world.run_until(simulation.world.now_ms + 60_000)
    log_id = simulation.checkers.log_id(second, second.origin)
    found = 'SELECT name FROM sqlite_master WHERE name LIKE "seen_%" ORDER BY name'
    assert first.disk.database.execute(found).fetchall() == [("seen_facts",), ("seen_mentions",)]
    assert second.disk.database.execute(found).fetchall() == [
        (f"seen_facts_{log_id}",),
        (f"seen_mentions_{log_id}",),
    ]
    rows = second.disk.database.execute("SELECT count(*) FROM facts").fetchone()
    assert rows[0] > 0
    simulation.checkers.projections.compare()
    assert ("seen_facts",) in second.disk.database.execute(found).fetchall()
    simulation.close()
