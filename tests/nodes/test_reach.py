"""Whom a node speaks with: all in a small network, and of committees those that come to matter."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ledger.roster import Roster
from nodes.core.exchange import NEWEST, origin_hash
from nodes.core.notes import Known
from nodes.core.reach import Listening, Reach
from nodes.node import Node
from tests.nodes.neighbours import START_MS, Host, make_roster, rosters_of

REGIONS = tuple(f"{number}0000" for number in range(10, 20))
ME, FAR = REGIONS[0], REGIONS[5]


def committees() -> Roster:
    """Ten regions in a ring, each witnessed by the three after it."""
    roster = make_roster(REGIONS)
    members = {
        region: replace(member, witnesses=tuple(sorted((REGIONS * 2)[at + 1 : at + 4])))
        for at, (region, member) in enumerate(roster.members.items())
    }
    return replace(roster, members=members)


class Wanted:
    """Takes down of which logs a fresh note is wanted."""

    def __init__(self) -> None:
        self.origins: list[str] = []

    def want(self, origin: str, _not_before_s: int) -> None:
        self.origins.append(origin)


class Around:
    """A node's reach, whom it opened lanes to, and what it wants fresh."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.heads = Host(roster, ME).network.heads
        self.opened: list[str] = []
        self.wanted = Wanted()
        freshen: Any = self.wanted
        self.reach = Reach(rosters_of(roster), self.heads, freshen, self._open)

    def _open(self, peer: str) -> None:
        if peer not in self.opened:
            self.opened.append(peer)


def test_a_small_network_is_near_whole() -> None:
    around = Around(make_roster(REGIONS[:5]))
    assert around.opened == list(REGIONS[1:5])


def test_of_committees_witnesses_and_those_witnessed_are_near() -> None:
    around = Around(committees())
    assert sorted(around.opened) == sorted((*REGIONS[1:4], *REGIONS[7:]))
    assert all(one < other for one, other in pairwise(around.opened))


def test_the_holders_of_a_log_are_reached_once_it_matters() -> None:
    around = Around(committees())
    around.opened.clear()
    around.reach.holders(around.roster.origin_of(FAR))
    assert around.opened == list(REGIONS[5:9])


def test_a_log_that_is_followed_is_asked_of_its_writer_now_and_in_each_turn() -> None:
    around, turn_ms = Around(committees()), make_roster().constants.refresh_s * 1000
    reach, origin = around.reach, around.roster.origin_of(FAR)
    assert reach.listening(FAR, START_MS) is None
    reach.follow(origin)
    reach.follow(origin)
    assert around.wanted.origins == [origin]
    assert reach.listening(FAR, START_MS) == (Listening(), NEWEST + origin_hash(origin), b"")
    assert reach.listening(FAR, START_MS + turn_ms - 1) is None
    assert list(reach.wake_at_ms()) == [START_MS + turn_ms]
    assert reach.listening(FAR, START_MS + turn_ms) is not None
    # The clock stepped back by a turn: the time that was set is none any more.
    assert reach.listening(FAR, START_MS - 1) is not None


@pytest.mark.parametrize("region", [ME, REGIONS[-1]])
def test_our_own_log_and_those_that_are_brought_to_us_need_no_following(region: str) -> None:
    around = Around(committees())
    around.reach.follow(around.roster.origin_of(region))
    assert not around.wanted.origins
    assert not list(around.reach.wake_at_ms())


def test_of_what_is_followed_that_is_lacking_which_our_copy_does_not_reach() -> None:
    around = Around(committees())
    origin = around.roster.origin_of(FAR)
    known = {origin: Known(5, bytes(32), 0, b"a note", ())}
    assert not around.reach.followed(known)
    around.reach.follow(origin)
    assert not around.reach.followed({})
    found = around.reach.followed(known)
    assert found[origin].checkpoint.size == 5
    assert found[origin].note == b"a note"


def test_who_asks_for_our_newest_note_is_told_of_our_log_and_a_stranger_is_not() -> None:
    around = Around(committees())
    assert around.reach.is_told(REGIONS[1])
    assert not around.reach.is_told(FAR)
    around.reach.heard(FAR)
    around.reach.heard("stranger")
    around.reach.heard(None)
    assert around.reach.is_told(FAR)
    assert FAR in around.opened
    assert not around.reach.is_told("stranger")
    assert "stranger" not in around.opened


def test_logs_that_acts_were_refused_for_want_of_are_followed_in_one_order_in_every_process() -> (
    None
):
    """A set of names has another order in each: what a node does first must not depend on it."""
    missed = {f"network.example/{number}" for number in range(100_000, 100_020)}
    followed: list[str] = []
    node = SimpleNamespace(
        _is_to_govern=False,
        _viewed=0,
        _sequencer=SimpleNamespace(state=SimpleNamespace(views={})),
        _shelf=SimpleNamespace(missed=set(missed)),
        _network=SimpleNamespace(follow=followed.append),
    )
    Node._rely(cast("Node", node), cast("Any", None))
    assert followed == sorted(missed)
    assert not node._shelf.missed
