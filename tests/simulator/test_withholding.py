"""A case that is kept after its acceptance: found from bytes, by everybody, and by nobody else."""

from dataclasses import replace

import pytest

from ledger.checkpoint import Checkpoint
from ledger.note import Note, Signature
from ledger.roster_fields import Closing
from ledger.statement import Act, Citation, Statement, sign_statement
from simulator.plan import Happening
from simulator.run import Plan, run
from simulator.scenario import load
from simulator.withholding import Copy, Kept, withheld
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


def view_of(size: int, log: str = RECEIVER) -> Statement:
    note = Note(Checkpoint(log, size, bytes(32)).text(), (Signature(log, bytes(4), bytes(64)),))
    return act("log.view", log, {"note": note.encode()})


def logs(*ends: tuple[int, str], seen_s: int = 1_000 + S + 1) -> dict[str, Copy]:
    """An offer at 2 in one log, accepted at 3 in another, viewed at 5 and dated late at 8."""
    answer = act("handoff.accept", CASE, {}, Citation("offer", HOLDER, 2, bytes(32)))
    acts = [(4, view_of(3)), (VIEW, view_of(4)), *((at, act(kind, CASE, {})) for at, kind in ends)]
    seen = ((0, LATE, 1_000), (LATE, 10, seen_s))
    return {
        HOLDER: Copy(HOLDER, tuple(acts), seen),
        RECEIVER: Copy(RECEIVER, ((3, answer),), ()),
    }


def found(copies: dict[str, Copy], **heirs: str) -> set[Kept]:
    """What is withheld where these logs are closed at 4, each with the log that goes on from it."""
    names = {"holder": HOLDER, "receiver": RECEIVER}
    closed = {names[it]: Closing(4, bytes(32), heir) for it, heir in heirs.items()}
    return set(withheld(copies, closed, S))


def test_an_offer_that_stays_open_past_its_time_is_withheld() -> None:
    assert found(logs()) == {(HOLDER, 2, CASE, False)}


@pytest.mark.parametrize("kind", ["handoff.release", "handoff.cancel"])
def test_what_ends_the_offer_up_to_the_late_entry_is_in_time(kind: str) -> None:
    assert not found(logs((LATE, kind)))
    assert found(logs((LATE + 1, kind)))
    assert found(logs((1, kind)))


def test_until_an_entry_is_late_nothing_is_withheld() -> None:
    assert not found(logs(seen_s=1_000 + S))


def test_a_view_of_a_successor_shows_what_the_closed_log_had_accepted() -> None:
    heir = f"{RECEIVER}/2"
    copies = logs()
    late_view = (copies[HOLDER].acts[0], (VIEW, view_of(1, heir)))
    copies[HOLDER] = replace(copies[HOLDER], acts=late_view)
    assert found(copies, receiver=heir) == {(HOLDER, 2, CASE, True)}
    assert not found(copies)
    # A region that takes over another one's cases is no heir.
    assert not found(copies, receiver=heir.replace("510000", "520000"))


def test_what_a_closed_log_kept_in_time_is_awaited_from_its_successor() -> None:
    heir = f"{HOLDER}/2"
    copies = logs(seen_s=1_000)
    copies[heir] = Copy(heir, (), ((0, 3, 5_000), (3, 5, 5_000 + S + 1)))
    assert found(copies, holder=heir) == {(heir, 0, CASE, False)}
    released = ((3, act("handoff.release", CASE, {})),)
    assert not found({**copies, heir: replace(copies[heir], acts=released)}, holder=heir)
    # What the closed log was itself late with is found there, and nowhere else.
    assert found({**copies, HOLDER: logs()[HOLDER]}, holder=heir) == {(HOLDER, 2, CASE, False)}


@pytest.mark.parametrize("unjudged", [(VIEW, RECEIVER), (LATE, CASE)])
def test_of_what_a_machine_does_not_judge_nothing_is_expected(unjudged: tuple[int, str]) -> None:
    copies = logs()
    copies[HOLDER] = replace(copies[HOLDER], unjudged=frozenset({unjudged}))
    assert not found(copies)


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


def test_a_case_whose_acceptance_a_successor_alone_shows_is_found_by_everybody() -> None:
    """The holder was cut off when its offer was accepted, and the acceptor's log is lost then."""
    outcome = run(replace(load("kept-after-a-fire").plan, signer="fast"))
    assert not outcome.broken, outcome.broken
    assert outcome.counts["in force: lost log closed"] == 1
    assert outcome.counts["a withheld release was found through a successor"] == 5
