"""Views that are void, and words on the roster that rest on them: judged alike near and far."""

from dataclasses import replace

import pytest

from ledger.epochs import epoch_body
from ledger.hashing import EMPTY_ROOT
from ledger.roster import Roster
from ledger.roster_acts import (
    APPROVE_KIND,
    PROPOSE_KIND,
    Approval,
    Proposal,
    roster_object,
    sign_proposal,
)
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Pin
from ledger.signed_roster import sign_roster
from ledger.views import EPOCH_KIND, VIEW_KIND
from nodes.core.follower import Follower
from nodes.core.ground import Ground
from nodes.core.kinds import KINDS
from nodes.core.limits import Limits
from nodes.core.projection import Projection
from nodes.core.roster_judge import APPROVALS, PROPOSALS
from nodes.core.rosters import Rosters
from nodes.core.sight import INDEX_PAST_ALL
from tests.nodes import neighbours
from tests.nodes.judging import NOW_S, ROSTER, SIGNED, A, B, C, D, Judge, Writer
from tests.vectors.own.network import following

TIMES = {
    A: {B: NOW_S, C: NOW_S},
    B: {C: NOW_S, D: NOW_S},
    C: {B: NOW_S, D: NOW_S},
    D: {A: NOW_S, B: NOW_S},
}
"""By log: mirrors that are a quorum of it."""


def signed(roster: Roster) -> bytes:
    keys = {region: neighbours.key(region, "governance") for region in roster.members}
    return sign_roster(roster, keys).encode()


def in_committee(region: str, roster: Roster) -> Roster:
    """Of this log, the committee is named: all others."""
    others = tuple(sorted(it for it in roster.members if it != region))
    member = replace(roster.members[region], witnesses=others)
    return replace(roster, members={**roster.members, region: member})


PINS = {it: Pin(0, EMPTY_ROOT) for it in ROSTER.origins}
SECOND = in_committee(C, following(ROSTER, pins=PINS | {ROSTER.origin_of(C): Pin(1, bytes(32))}))
THIRD = following(SECOND)
CHAIN = RosterChain.check((SIGNED, signed(SECOND), signed(THIRD)))


class Following(Judge):
    """A reader that knows later versions, and is near the logs of some regions."""

    def __init__(self, *near: str) -> None:
        super().__init__()
        self.near = {ROSTER.origin_of(region) for region in near}
        ground = Ground(
            Rosters(CHAIN), KINDS, self.sight, self.state_of, is_near=self.near.__contains__
        )
        self.projection = Projection(ground)
        self.follower = Follower(self.projection, Limits())

    def read(self, *logs: Writer) -> None:
        for log in logs:
            self.store(log)
        self.judge()
        assert [self.size(log) for log in logs] == [len(log.entries) for log in logs]

    def said(self, of: Writer, version: int) -> list[str]:
        """What a region has said of a version here."""
        name = roster_object(of.region, version)
        (fact,) = self.reader.facts([(of.origin, name, INDEX_PAST_ALL)])
        kinds = (PROPOSALS, APPROVALS)
        return [it for it in kinds if fact is not None and fact.is_judged and fact.state[it]]


def begun(region: str, version: int) -> Writer:
    """A log that has come to a version, with all epochs proven in it."""
    log = Writer(region).genesis()
    for at in range(2, version + 1):
        log.add(EPOCH_KIND, log.origin, epoch_body(CHAIN.signed[at - 1]))
        log.block((log.seen(len(log.entries), TIMES[region]),), roster=at)
    return log


def propose(log: Writer, new: Roster) -> None:
    body = Proposal(1, new.encode()).to_body()
    log.add(PROPOSE_KIND, roster_object(log.region, new.version), body)


def approve(log: Writer, new: Roster) -> None:
    signature = sign_proposal(neighbours.key(log.region, "governance"), new.encode(), 1)
    said = Approval(new.version, 1, new.sha256, signature)
    log.add(APPROVE_KIND, roster_object(log.region, new.version), said.to_body())


def view(log: Writer, of: Writer, by: int, *, previous: bytes | None = None) -> None:
    """View a log as it is, by a version; the keys are the same in all of them."""
    body = log.view_body(of, len(of.entries), TIMES[of.region]) | {"roster": by}
    log.add(VIEW_KIND, of.origin, body, previous=previous)


@pytest.mark.parametrize(
    ("by", "previous", "code"),
    [(1, None, "uncounted-lines"), (2, bytes(32), "wrong-previous")],
)
@pytest.mark.parametrize("near", [A, B, C])
def test_an_approval_stands_alike_where_the_view_under_it_is_void_and_where_nobody_can_say(
    near: str, by: int, previous: bytes | None, code: str
) -> None:
    steward, member, new = begun(A, 2), begun(B, 2), following(SECOND)
    view(member, steward, 2)
    propose(steward, new)
    view(member, steward, by, previous=previous)
    approve(member, new)
    judge = Following(near)
    judge.read(steward, member)
    assert judge.said(member, 3) == [APPROVALS]
    # Where B's log is near, its pins are looked at as well: no view that stands shows them.
    found = {A: [code], B: [code, "pin-not-replicated"], C: []}
    assert [code for _, code in judge.codes()] == found[near]


@pytest.mark.parametrize("near", [A, D])
def test_a_pin_is_shown_alike_by_a_view_that_is_void(near: str) -> None:
    steward, far = begun(A, 2), begun(C, 2)
    pin = Pin(len(far.entries), far.root(len(far.entries)))
    view(steward, far, 1)
    far.basis("1")
    del steward.newest[far.origin]  # a void view is not the one before
    view(steward, far, 2)
    propose(steward, following(SECOND, pins={**SECOND.pins, far.origin: pin}))
    judge = Following(near)
    judge.read(far, steward)
    assert judge.said(steward, 3) == [PROPOSALS]
    assert [code for _, code in judge.codes()] == (["uncounted-lines"] if near == A else [])


@pytest.mark.parametrize("near", [A, B, C])
def test_no_word_rests_on_a_view_by_keys_of_a_version_that_two_have_followed(near: str) -> None:
    for by, stands in ((1, False), (2, True)):
        steward, member, new = begun(A, 3), begun(B, 3), following(THIRD)
        propose(steward, new)
        view(member, steward, by)
        approve(member, new)
        judge = Following(near)
        judge.read(steward, member)
        assert judge.said(member, 4) == ([APPROVALS] if stands else [])
        assert ("not-proposed" in [code for _, code in judge.codes()]) is not stands


def test_a_void_view_is_no_view_for_an_act() -> None:
    """Nor does it hide the views that follow it: what rests on these is judged."""
    steward, member = begun(A, 2), begun(B, 2)
    view(member, steward, 1)
    judge = Following(B)
    judge.read(steward, member)
    state = judge.state_of(member.origin)
    assert state is not None
    assert steward.origin not in state.views
    del member.newest[steward.origin]
    view(member, steward, 2)
    judge.read(member)
    assert state.views[steward.origin].index == len(member.entries) - 1
    assert state.unjudged == 0


def test_a_log_that_is_near_only_now_is_not_accused_for_what_it_showed_before() -> None:
    """A node reads B's views while B's log is far, and B's approval when that log is near."""
    logs = steward, member, *others = [begun(region, 2) for region in (A, B, C, D)]
    pins = {it.origin: Pin(len(it.entries), it.root(len(it.entries))) for it in logs}
    member.block((member.seen(len(member.entries), TIMES[B]),), roster=2)
    new = following(SECOND, pins=pins)
    view(steward, others[0], 2)
    propose(steward, new)
    for log in (steward, *others):
        view(member, log, 2)
    judge = Following()
    judge.read(*logs)
    judge.near.add(member.origin)
    approve(member, new)
    judge.read(member)
    assert judge.said(member, 3) == [APPROVALS]
    assert judge.codes() == []


def test_who_is_near_a_log_waits_for_the_history_that_even_a_void_view_shows() -> None:
    """As it does for one that stands; where the log is far, what rests on it is not judged."""
    steward, member, new = begun(A, 2), begun(B, 2), following(SECOND)
    propose(steward, new)
    view(member, steward, 2, previous=bytes(32))
    approve(member, new)
    other = begun(A, 2)
    other.basis("1")
    far, near = Following(C), Following(A)
    far.read(other, member)
    for log in (other, member):
        near.store(log)
    near.judge()
    assert near.size(member) == len(member.entries) - 1
    for judge in (far, near):
        assert judge.said(member, 3) == []
        assert [code for _, code in judge.codes()] == ["wrong-previous"]
