"""Forbidden acts in a network of committees: whom a finding is owed by."""

import pytest

from simulator.faults import Faults, heal
from simulator.plan import Happening, Plan
from simulator.run import build
from simulator.signing import signing
from simulator.workload import Workload
from simulator.world import BrokenError
from tests.simulator.sound import Sound

LAWLESS = "460000"


def test_the_committee_finds_a_forbidden_act_and_whoever_follows_may_not_have_judged_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = Plan(seed=300_152, regions=7, committee=4, minutes=0.25, hostile=False)
    with signing(plan.signer):
        simulation = build(plan)
        checkers = simulation.checkers
        simulation.start_all()
        workload = Workload(simulation, plan)
        Faults(simulation, [Happening(at_s=8, do="region records forbidden acts", region=LAWLESS)])
        simulation.world.run_until(plan.end_ms)
        workload.stop()
        heal(simulation)
        simulation.is_healed = True
        while checkers.settling.unfinished():
            simulation.world.run_until(simulation.world.now_ms + 1_000)
        checkers.verdicts.check_findings()
        counts = simulation.world.counts
        assert counts["a forbidden act was found by another node"] >= 4
        assert counts["a forbidden act was not judged by who only follows"] > 0

        # Did all of them witness the log, not one could say that it has not judged the act.
        everybody = tuple(simulation.machines)
        monkeypatch.setattr(checkers.reference, "committee_of", lambda _origin: everybody)
        with pytest.raises(BrokenError, match="finds nothing wrong with"):
            checkers.verdicts.check_findings()


def test_whoever_has_judged_the_evidence_of_two_histories_knows_of_them(
    sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where committees witness, a log is followed no further than others rely on it."""
    verdicts = sound.checkers.verdicts
    sound.say(
        sound.one,
        "INSERT INTO findings SELECT log_id, 1, 'equivocation', '', 'breach', '', x'' FROM logs "
        "WHERE origin = ?",
        sound.other.origin,
    )
    with pytest.raises(BrokenError, match="know nothing of two histories"):
        verdicts.check_findings()
    monkeypatch.setattr(verdicts._projections, "seen_size", lambda *_given: 1)
    verdicts.check_findings()
