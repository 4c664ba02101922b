"""A world in which nobody copies everything: every promise is held, and it settles."""

from simulator.plan import Happening, Plan
from simulator.run import run


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
