"""Keepers of governance keys who lie: what comes of it, and that the checkers of it can fail."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ledger.roster import Roster
from ledger.roster_acts import sign_proposal
from ledger.roster_chain import governance_quorum
from ledger.roster_fields import Pin
from ledger.signed_roster import SignedRoster
from simulator.drawing import random_plan
from simulator.governance import Round
from simulator.keepers import LIES, MISUSES
from simulator.plan import Happening, Plan
from simulator.run import Outcome, run
from simulator.words import Words, check_version, needed
from simulator.world import BrokenError
from tests.simulator.sound import run_and_keep

STEWARD, OTHER = "500000", "510000"


def world(seed: int, region: str = STEWARD, *more: Happening, lie: str = "") -> Plan:
    """Return a calm world in which one keeper lies and people want a change."""
    number = list(LIES).index(lie) + 1 if lie else 0
    return Plan(
        seed=seed,
        regions=5,
        minutes=0.3,
        acts_per_minute=20,
        hostile=False,
        receipts=0.0,
        bundle_every_s=0.0,
        script=(
            Happening(at_s=4, do=MISUSES, region=region, value=number),
            Happening(at_s=6, do="constants changed", value=45.0),
            *more,
        ),
    )


def ended(plan: Plan) -> Outcome:
    outcome = run(plan)
    assert not outcome.broken, f"{outcome.broken}\n{plan.command()}"
    return outcome


# ---- worlds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "region"), [(3, STEWARD), (4, OTHER)])
def test_a_version_comes_all_the_same_and_is_the_one_that_people_want(
    seed: int, region: str
) -> None:
    outcome = ended(world(seed, region))
    assert outcome.counts["in force: constants changed"] == 1
    assert outcome.counts["a forbidden word on the roster was found"] >= 4 * 3
    assert sum(outcome.injected.get(name, 0) for name in LIES) >= 3


def test_what_some_have_signed_is_repeated_though_who_comes_next_proposes_something_else() -> None:
    """One is on leave for the steward's round, so that its proposal is signed by three of five."""
    away = Happening(at_s=4, do="keeper of keys away", region="520000", for_s=46)
    counts = ended(world(1, OTHER, away, lie="keeper repeats nothing")).counts
    assert counts["finding breach: other-proposal"] > 0
    assert counts["a proposal that some had signed was repeated"] > 0
    assert counts["in force: constants changed"] == 1


def test_two_of_eight_lie_and_a_version_comes() -> None:
    seed = next(it for it in range(1_000) if _is_of_eight(random_plan(it)))
    outcome = ended(random_plan(seed))
    assert outcome.injected[MISUSES] == 2
    assert outcome.counts["a version of the roster was signed"] == 1


def _is_of_eight(plan: Plan) -> bool:
    return plan.keepers_lie and plan.faulty == 2


# ---- the checkers -------------------------------------------------------------------------------


class Rested:
    """A world in which a keeper has lied, before it is looked at as a whole."""

    def __init__(self) -> None:
        _, self.simulation = run_and_keep(world(3))
        self.checkers = self.simulation.checkers

    def words(self) -> Iterator[tuple[str, int]]:
        """Yield the places of the words that may not stand."""
        for origin, index, word in Words(self.checkers).all():
            if not word.stands:
                yield origin, index


@pytest.fixture(name="rested", scope="module")
def a_world_that_rests() -> Rested:
    return Rested()


def test_a_forbidden_word_that_one_node_has_not_found_is_missed(rested: Rested) -> None:
    machine = rested.simulation.machines["530000"]
    origin, index = next(rested.words())
    of = (rested.checkers.log_id(machine, origin), index)
    database = machine.disk.database
    where = 'WHERE log_id = ? AND "index" = ?'
    rows = database.execute(f"SELECT * FROM findings {where}", of).fetchall()  # noqa: S608 - our own words
    rested.checkers.check_words()
    database.execute(f"DELETE FROM findings {where}", of)  # noqa: S608 - our own words
    with pytest.raises(BrokenError, match=r"530000 finds words on the roster .* finds not those"):
        rested.checkers.check_words()
    for row in rows:
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO findings VALUES ({marks})", row)  # noqa: S608 - our own words
    rested.checkers.check_words()


def test_a_finding_of_a_word_that_may_stand_is_false(rested: Rested) -> None:
    machine = rested.simulation.machines["530000"]
    good = next(
        (origin, index)
        for origin, index, word in Words(rested.checkers).all()
        if word.stands and word.is_true
    )
    bad = next(it for it in rested.words())
    log_ids = [rested.checkers.log_id(machine, origin) for origin, _ in (good, bad)]
    database = machine.disk.database
    change = 'UPDATE findings SET log_id = ?, "index" = ? WHERE log_id = ? AND "index" = ?'
    database.execute(change, (log_ids[0], good[1], log_ids[1], bad[1]))
    with pytest.raises(BrokenError, match="wrong that are not"):
        rested.checkers.check_words()
    database.execute(change, (log_ids[1], bad[1], log_ids[0], good[1]))
    rested.checkers.check_words()


def test_a_version_that_nobody_wanted_is_told(rested: Rested) -> None:
    newest = rested.simulation.roster
    with pytest.raises(BrokenError, match="one that nobody wanted"):
        rested.simulation.governance._check_wanted(newest, Round(newest.version, 0))


def signed_anew(rested: Rested, new: Roster, round_: int, members: int = 5) -> SignedRoster:
    """Return a version signed by so many of the members, with the keys that they have."""
    rings, body = rested.simulation.members.rings, new.encode()
    signatures = {it: sign_proposal(rings[it][0]["governance"], body, round_) for it in rings}
    return SignedRoster(body, round_, tuple(sorted(signatures.items())[:members]))


def test_a_version_is_looked_at_from_outside_for_who_has_signed_it_and_what_it_pins(
    rested: Rested,
) -> None:
    chain, checkers = rested.checkers.reference.chain, rested.checkers
    before, signed = chain.rosters[0], SignedRoster.decode(chain.signed[1])
    new, round_ = signed.roster, signed.round
    assert (needed(before), governance_quorum(before)) == (4, 4)
    check_version(checkers, before, signed)
    check_version(checkers, before, signed_anew(rested, new, round_))
    with pytest.raises(BrokenError, match=r"is signed by .* alone"):
        check_version(checkers, before, signed_anew(rested, new, round_, 3))
    origin = before.origin_of(OTHER)
    wrong = replace(new, pins={**new.pins, origin: Pin(new.pins[origin].size, bytes(32))})
    with pytest.raises(BrokenError, match="whose log says nothing of it"):
        check_version(checkers, before, signed_anew(rested, wrong, round_))
    with pytest.raises(BrokenError, match="whose log says nothing of it"):
        check_version(checkers, before, signed_anew(rested, new, round_ + 1))
    checkers.liars.update(before.members)
    with pytest.raises(BrokenError, match="pins: another history"):
        check_version(checkers, before, signed_anew(rested, wrong, round_))
    checkers.liars.intersection_update({STEWARD})
