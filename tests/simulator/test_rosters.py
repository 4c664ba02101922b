"""Worlds whose roster changes: regions join, leave, rotate keys, burn down and come back."""

from simulator.plan import Happening, Plan
from simulator.run import Outcome, run


def world(*script: Happening, **fields: object) -> Outcome:
    """Run a small hostile world of few acts, and see its promises held."""
    plan = Plan(minutes=0.4, acts_per_minute=20, revoked=0.0, script=script)
    outcome = run(plan.what_if(*(f"{name}={value}" for name, value in fields.items())))
    assert not outcome.broken, f"{outcome.broken}\n{outcome.plan.command()}"
    return outcome


def test_a_region_joins_and_another_rotates_its_keys_under_faults() -> None:
    outcome = world(
        Happening(at_s=10, do="keys rotated", region="510000"),
        seed=11,
        regions=4,
        stages="0:3,0.05:4",
    )
    assert outcome.counts["in force: region joins"] == 1
    assert outcome.counts["in force: keys rotated"] == 1
    assert len(outcome.sizes) == 4
    assert min(outcome.sizes.values()) > 20


def test_a_region_that_burns_down_has_its_log_closed_though_it_was_steward() -> None:
    """Where the steward's node is gone, members stall its round and the next one proposes."""
    outcome = world(
        Happening(at_s=8, do="region burnt down", region="500000"),
        Happening(at_s=10, do="lost log closed", region="500000"),
        seed=3,
        regions=5,
        hostile=False,
    )
    assert outcome.counts["in force: lost log closed"] == 1
    assert outcome.counts["a round of signing was stalled"]
    assert outcome.counts["a bundle was verified from the genesis"]
    assert "2" in outcome.sizes  # the successor is a log of its own
