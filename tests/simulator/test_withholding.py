"""A case that is kept after its acceptance: found from bytes, by everybody, and by nobody else."""

import pytest

from ledger.checkpoint import Checkpoint
from ledger.note import Note, Signature
from ledger.statement import Act, Citation, Statement, sign_statement
from simulator.plan import Happening
from simulator.run import Plan, run
from simulator.withholding import Copy, withheld
from tests.nodes import neighbours

HOLDER, RECEIVER = "network.example/500000", "network.example/510000"
CASE = "500000/case/1"
S = 180
VIEW, LATE = 5, 8


def act(kind: str, subject: str, body: dict[str, object], *cited: Citation) -> Statement:
    region = "510000" if kind == "handoff.accept" else "500000"
    return sign_statement(
        neighbours.key(region, "issuer"), region, subject, 1_000, Act(kind, 1, None, cited, body)
    )


def view_of(size: int) -> Statement:
    note = Note(
        Checkpoint(RECEIVER, size, bytes(32)).text(), (Signature(RECEIVER, bytes(4), bytes(64)),)
    )
    return act("log.view", RECEIVER, {"note": note.encode()})


def logs(*ends: tuple[int, str], seen_s: int = 1_000 + S + 1) -> dict[str, Copy]:
    """An offer at 2 in one log, accepted at 3 in another, viewed at 5 and dated late at 8."""
    answer = act("handoff.accept", CASE, {}, Citation("offer", HOLDER, 2, bytes(32)))
    acts = [(4, view_of(3)), (VIEW, view_of(4)), *((at, act(kind, CASE, {})) for at, kind in ends)]
    seen = ((0, LATE, 1_000), (LATE, 10, seen_s))
    return {
        HOLDER: Copy(HOLDER, tuple(acts), seen),
        RECEIVER: Copy(RECEIVER, ((3, answer),), ()),
    }


def test_an_offer_that_stays_open_past_its_time_is_withheld() -> None:
    assert set(withheld(logs(), S)) == {(HOLDER, 2, CASE)}


@pytest.mark.parametrize("kind", ["handoff.release", "handoff.cancel"])
def test_what_ends_the_offer_up_to_the_late_entry_is_in_time(kind: str) -> None:
    assert not set(withheld(logs((LATE, kind)), S))
    assert set(withheld(logs((LATE + 1, kind)), S)) == {(HOLDER, 2, CASE)}
    assert set(withheld(logs((1, kind)), S)) == {(HOLDER, 2, CASE)}


def test_until_an_entry_is_late_nothing_is_withheld() -> None:
    assert not set(withheld(logs(seen_s=1_000 + S), S))


def test_every_honest_node_finds_the_cases_that_a_liar_keeps() -> None:
    lie = Happening(at_s=3.0, do="region keeps cases", region="510000")
    plan = Plan(
        regions=3,
        minutes=3.6,
        acts_per_minute=10,
        hostile=False,
        signer="fast",
        receipts=0.0,
        bundle_every_s=0.0,
        script=(lie,),
    )
    outcome = run(plan)
    assert not outcome.broken
    assert outcome.counts["a withheld release was found"] == 2
    assert outcome.counts["finding flag: release-withheld"] >= 1
