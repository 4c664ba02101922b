"""Worlds whose roster changes: regions join, leave, rotate keys, burn down and come back."""

import pytest

from ledger import roster_change
from ledger.roster import Roster
from simulator.plan import Happening, Plan
from simulator.run import Outcome, run
from simulator.scenario import load
from simulator.trace import Burnt, Ruled
from tests.model.recording import record
from tests.model.replay import RefusedError


def world(*script: Happening, **fields: object) -> Outcome:
    """Run a small hostile world of few acts, and see its promises held."""
    plan = Plan(minutes=0.4, acts_per_minute=20, revoked=0.0, script=script)
    outcome = run(plan.what_if(*(f"{name}={value}" for name, value in fields.items())))
    assert not outcome.broken, f"{outcome.broken}\n{outcome.plan.command()}"
    return outcome


def test_a_region_joins_and_another_rotates_its_keys_under_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both versions are written as changes, as those of a hundred members are."""
    monkeypatch.setattr("ledger.roster_change.ROSTER_BYTES_MAX", 1_500)
    read: list[int] = []
    derive = roster_change.apply_change

    def spy(before: Roster, data: bytes) -> bytes:
        read.append(before.version + 1)
        return derive(before, data)

    monkeypatch.setattr("ledger.roster_change.apply_change", spy)
    outcome = world(
        Happening(at_s=10, do="keys rotated", region="510000", value=1.0),
        seed=7,
        regions=4,
        stages="0:3,0.05:4",
    )
    assert outcome.counts["in force: region joins"] == 1
    assert outcome.counts["in force: keys rotated"] == 1
    assert set(read) == {2, 3}
    assert len(outcome.sizes) == 4
    assert min(outcome.sizes.values()) > 20


def test_who_rebuilds_a_log_that_ends_with_an_epoch_asks_nobody_before_that_is_judged() -> None:
    """Else the epoch's note would count as final by the quorum of the version before alone."""
    plan = load("small-world").plan.what_if("seed=72010", "minutes=0.2", "acts_per_minute=90")
    outcome = run(plan.what_if("damage=True", "changes=True"))
    assert not outcome.broken, outcome.broken
    assert outcome.counts["in force: keys rotated"] == 1


def test_a_region_that_burns_down_goes_on_in_a_successor_by_steps_of_the_model() -> None:
    """The steward loses its links, then its house: others stall its round, and close its log.

    What people kept of the acts that nobody else had is brought into the successor.
    """
    plan = Plan(
        seed=3,
        minutes=0.4,
        acts_per_minute=60,
        revoked=0.0,
        hostile=False,
        receipts=1.0,
        pace_ms=500,
        script=(
            Happening(at_s=6, do="region cut off", region="500000", for_s=7),
            Happening(at_s=13, do="region burnt down", region="500000"),
            Happening(at_s=14, do="lost log closed", region="500000"),
        ),
    )
    recorded = record(plan)
    assert not recorded.broken, f"{recorded.broken}\n{plan.command()}"
    counts = recorded.outcome.counts
    assert counts["in force: lost log closed"] == 1
    assert counts["a round of signing was stalled"]
    assert counts["a bundle was verified from the genesis"]
    assert counts["salvage: accepted"]
    assert recorded.outcome.sizes["500000/2"] > 1  # the successor is a log of its own
    model = recorded.replay(recorded.events, is_settled=True)
    assert model.logs["500000/2"].before < recorded.outcome.sizes["500000"]
    assert all(
        log.epochs[-1].version == 2
        for name, log in model.logs.items()
        if "/" not in name and name != "500000"
    )

    burnt = next(at for at, event in enumerate(recorded.events) if isinstance(event, Burnt))
    with pytest.raises(RefusedError, match="row went back"):
        recorded.replay([*recorded.events[:burnt], *recorded.events[burnt + 1 :]])
    closing = next(event for event in recorded.events if isinstance(event, Ruled) and event.closed)
    at = recorded.events.index(closing)
    lower = closing._replace(closed=(closing.closed[0]._replace(size=1),))
    with pytest.raises(RefusedError, match="closed below what was replicated"):
        recorded.replay([*recorded.events[:at], lower])


def test_a_version_is_repeated_that_more_had_signed_than_a_later_round_could_do_without() -> None:
    """The steward burns down after it and one other of four have signed; the others cannot yet.

    Any three that stall have one among them who signed, so the version stands, and only the next
    one closes the steward's log.
    """
    plan = Plan(
        seed=4,
        regions=4,
        minutes=0.4,
        acts_per_minute=6,
        revoked=0.0,
        hostile=False,
        receipts=0.0,
        bundle_every_s=0.0,
        pace_ms=2_000,
        signer="fast",
        script=(
            *(
                Happening(at_s=5, do="keeper of keys away", region=region, for_s=50)
                for region in ("520000", "530000")
            ),
            Happening(at_s=6, do="constants changed", value=45.0),
            Happening(at_s=16, do="region burnt down", region="500000"),
            Happening(at_s=17, do="lost log closed", region="500000"),
        ),
    )
    recorded = record(plan)
    assert not recorded.broken, f"{recorded.broken}\n{plan.command()}"
    counts = recorded.outcome.counts
    assert counts["a proposal that some had signed was repeated"] == 1
    assert counts["in force: constants changed"] == 1
    assert counts["in force: lost log closed"] == 1
    model = recorded.replay(recorded.events, is_settled=True)
    assert [epoch.version for epoch in model.logs["510000"].epochs] == [2, 3]
    assert not model.logs["500000"].epochs  # it never heard that its version was signed


def test_a_region_that_left_comes_back_with_new_keys_and_a_new_log() -> None:
    """It is a joiner like any other: its old keys are refused, and its rows begin at the pins."""
    outcome = world(
        Happening(at_s=3, do="region leaves", region="530000"),
        Happening(at_s=6, do="region returns", region="530000"),
        seed=1,
        hostile=False,
        minutes=0.15,
        receipts=0.0,
        bundle_every_s=0.0,
    )
    assert outcome.counts["a retired key was refused"] == 1
    assert outcome.counts["in force: region returns"] == 1
    assert "530000/2" in outcome.sizes


def test_a_log_of_which_nobody_knows_a_replicated_tree_is_closed_all_the_same() -> None:
    """It keeps the pin that it has, so that people need not know a newer one."""
    plan = Plan(
        seed=300_060,
        minutes=0.3,
        hostile=False,
        script=(
            Happening(at_s=0.1, do="region cut off", region="540000"),
            Happening(at_s=2, do="constants changed", value=40.0),
            Happening(at_s=4, do="region burnt down", region="540000"),
            Happening(at_s=6, do="lost log closed", region="540000"),
        ),
    )
    outcome = run(plan)
    assert outcome.broken == ""
    assert outcome.counts["in force: constants changed"] == 1
    assert outcome.counts["in force: lost log closed"] == 1
    assert outcome.sizes["540000/2"] > 0


def test_a_log_that_never_comes_under_a_version_is_closed_before_there_is_another_one() -> None:
    plan = Plan(
        seed=300_085,
        minutes=0.3,
        hostile=False,
        script=(
            Happening(at_s=4, do="backup restored", region="540000", for_s=3),
            Happening(at_s=8, do="constants changed", value=40.0),
            Happening(at_s=10, do="keys rotated", region="520000"),
        ),
    )
    outcome = run(plan)
    assert outcome.broken == ""
    assert outcome.counts["a lost log was closed before all else"] == 1
    assert outcome.counts["in force: lost log closed"] == 1
    assert outcome.counts["in force: keys rotated"] == 1


def test_a_region_that_burns_down_before_its_first_entry_begins_in_its_successor() -> None:
    plan = Plan(
        seed=300_484,
        minutes=0.2,
        hostile=False,
        script=(
            Happening(at_s=0, do="region burnt down", region="520000"),
            Happening(at_s=2, do="lost log closed", region="520000"),
        ),
    )
    outcome = run(plan)
    assert outcome.broken == ""
    assert outcome.sizes["520000"] == 0
    assert outcome.sizes["520000/2"] > 0


def test_an_answer_that_stands_in_a_closed_log_is_acted_upon_through_its_successor() -> None:
    """450000 had taken a case over; nobody had a quorum on that before its log was lost."""
    plan = load("small-world").plan.what_if("seed=301123", "regions=6", "minutes=0.2")
    plan = plan.what_if("acts_per_minute=90", "at_once=True", "damage=True", "changes=True")
    outcome = run(plan.what_if("more_changes=1"))
    assert outcome.broken == ""
    assert outcome.counts["in force: lost log closed"] == 1


def test_a_cut_is_not_proposed_before_as_many_have_frozen_as_are_to_sign_it() -> None:
    """510000 is down while the others freeze the log, and comes back with more of it than they.

    It may not sign a cut below that; and what the three others had signed would be repeated for
    ever.
    """
    plan = Plan(seed=700_086, minutes=0.3, acts_per_minute=5, revoked=0.0, together=0.5)
    plan = plan.what_if("keepers_lie=True", "damage=True", "only=1,2,4")
    outcome = run(plan)
    assert outcome.broken == ""
    assert outcome.counts["in force: region leaves"] == 1
    assert outcome.counts["no proposal yet: too-few-frozen"]


def test_what_a_version_pins_of_a_log_with_two_histories_is_looked_up_in_the_one_viewed() -> None:
    plan = load("small-world").plan.what_if("seed=700151", "minutes=0.4", "acts_per_minute=60")
    outcome = run(plan.what_if("damage=True", "servers=True", "changes=True", "receipts=0.5"))
    assert outcome.broken == ""
    assert outcome.counts["in force: keys rotated"] == 1
