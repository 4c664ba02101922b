"""A region is lost twice: the log that went on from its first one is closed as well."""

from ledger.names import successor_origin
from ledger.statement import decode_statement
from nodes.core.duties import Duty
from tests.nodes.test_succession import LOST, OTHERS, A, Burnt, C, after_the_fire, entry
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
