"""A region is lost twice: the log that went on from its first one is closed as well."""

from ledger.names import successor_origin
from ledger.statement import decode_statement
from nodes.core.duties import Duty
from nodes.store.entries import LogIDs
from nodes.store.reader import StoreReader
from tests.nodes.test_succession import (
    LOST,
    OTHERS,
    A,
    Burnt,
    C,
    D,
    after_the_fire,
    entry,
    the_finding,
)
from tests.nodes.town import open_case

CASE = f"{C}/case/offered"
RELEASE = "handoff.release"


class Owing(Burnt):
    """C offers a case that the first log accepts, and its node does not see that it is to act."""

    def hand_on_inside(self, number: str) -> None:
        super().hand_on_inside(number)
        open_case(self, C, LOST, self.given, "offered")
        unit = {"unit": f"{LOST}/department/d"}
        self.act(C, "handoff.offer", CASE, unit, f"{C}/officer/clerk")
        self.rounds()
        self.node(C)._duties.notice = lambda *_: None  # type: ignore[method-assign]
        self.accepted = self.accept()

    def accept(self) -> int:
        return self.act(LOST, "handoff.accept", CASE, {"holder": C}, f"{LOST}/officer/decider")

    def owe(self) -> None:
        """Let C's node know what it owes; it knows of no more by itself."""
        first = self.roster.origin_of(LOST)
        self.node(C)._duties._owed.append(Duty(RELEASE, CASE, first, self.accepted))
        self.tick(40)
        assert self.node(C)._duties.owed == ()


def lose_again(town: Burnt) -> None:
    """Lose the region once more, close its second log, and let it begin its third."""
    town.kill(LOST)
    town.old, town.new = town.new, successor_origin(town.new)
    town.freeze(*OTHERS)
    town.close(town.decide(A))
    town.tick(15, by=5)
    town.revive()
    town.tick(60)


def test_who_reads_an_act_after_the_successor_is_closed_too_finds_the_same_uses() -> None:
    """The act cites a view of the second log of a region, for a grant that stands in its first."""
    town = after_the_fire()
    used_at = town.origin(C), open_case(town, C, LOST, town.given, "1")
    town.tick(60)
    lose_again(town)
    town.tick(60)
    found = town.uses(A, *used_at)
    assert found
    # It has a new disk, and knows of the third log before it reads anything.
    assert town.uses(LOST, *used_at) == found


def test_what_the_first_of_three_logs_accepted_is_released_once_through_the_last() -> None:
    town = after_the_fire(Owing)
    assert isinstance(town, Owing)
    lose_again(town)
    held = town.fact(C, town.origin(C), CASE)
    assert held.state["at"] == "offered"
    town.owe()
    released = town.fact(A, town.origin(C), CASE)
    assert (released.state["at"], released.state["to"]) == ("away", f"{LOST}/department/d")
    act = decode_statement(entry(town, A, released.origin, released.index)).act
    cited = {citation.role: (citation.origin, citation.index) for citation in act.citations}
    assert cited["accept"] == (town.roster.origin_of(LOST), town.accepted)
    assert cited["view"][0] == town.new
    # What is owed a second time is settled, and no second release stands.
    town.owe()
    assert town.fact(A, town.origin(C), CASE) == released
    # The third log holds the case now, and may offer it again; to the region it came from as well.
    back = {"unit": f"{C}/window/w"}
    town.act(LOST, "handoff.offer", CASE, back, f"{LOST}/officer/decider")
    town.rounds()
    town.owe()
    assert town.fact(A, town.origin(C), CASE) == released
    for region in (*OTHERS, LOST):
        assert town.findings(region) == []


def go_on(town: Burnt, minutes: int) -> None:
    """Let C work on under a grant of the region that was lost, so that its log views the heirs."""
    for minute in range(minutes):
        open_case(town, C, LOST, town.given, f"more-{minute}-{town.clock.ms}")
        town.tick(60)


def check_found(town: Owing, heir: str) -> None:
    """Check that every node has found that C keeps the case, shown by a view of a successor."""
    finding = the_finding(town)
    assert (finding.code, finding.subject) == ("release-withheld", CASE)
    assert finding.origin == town.origin(C)
    _, answered, viewed, late = finding.evidence
    assert answered == (town.chain.genesis.origin_of(LOST), town.accepted)
    assert decode_statement(entry(town, A, *viewed)).subject == heir
    assert viewed[1] < late[1]


def shown(town: Owing, log: str) -> bool:
    """Say whether C's log views the acceptance in the very log in which it stands."""
    with town.houses[A].engine.connect() as connection:
        views = StoreReader(connection, LogIDs()).facts_between(town.origin(C), log, 0, 2**62)
    return any(it.state["size"] > town.accepted for it in views)


def test_a_case_that_is_kept_after_a_log_that_is_lost_has_accepted_it_is_found() -> None:
    town = after_the_fire(Owing)
    assert isinstance(town, Owing)
    first, second = town.old, town.new
    assert not shown(town, first)
    go_on(town, 3)
    # Memory is made anew from the store, as after a restart.
    town.node(A)._is_loaded = False
    town.kill(D)
    town.start(D)
    go_on(town, 12)
    check_found(town, second)


def test_it_is_found_as_well_once_the_successor_is_closed_too() -> None:
    town = after_the_fire(Owing)
    assert isinstance(town, Owing)
    lose_again(town)
    assert not shown(town, town.roster.origin_of(LOST))
    go_on(town, 15)
    check_found(town, town.new)
