"""What a version may pin of logs that only committees hold, so that they can come to sign it.

A proposal that far members sign and a committee never can is repeated by each later round.
"""

from dataclasses import replace

import pytest

from ledger.closing import close_log
from ledger.errors import RefusedError
from ledger.frozen import FROZEN_KIND, Frozen
from ledger.hashing import EMPTY_ROOT
from ledger.roster import Roster
from ledger.roster_acts import PROPOSE_KIND, Proposal, roster_object
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Pin
from ledger.statement import Act, Statement, sign_statement
from nodes.core.roster_judge import APPROVALS, PROPOSALS, RosterJudge
from tests.nodes import neighbours
from tests.nodes.judging import NOW_S, ROSTER, SIGNED, A, B, C, D, Writer
from tests.nodes.test_void_views import (
    SECOND,
    TIMES,
    Following,
    approve,
    begun,
    in_committee,
    propose,
    signed,
    view,
)
from tests.vectors.own.network import following

FAR = SECOND.origin_of(C)
"""The log that has a committee."""
EMPTY = Pin(0, EMPTY_ROOT)
E = "540000"


def word(new: Roster) -> Statement:
    act = Act(PROPOSE_KIND, 1, None, (), Proposal(1, new.encode()).to_body())
    key = neighbours.key(A, "issuer")
    return sign_statement(key, A, roster_object(A, new.version), NOW_S, act)


def words_of(judge: Following, log: Writer, version: int) -> RosterJudge:
    state = judge.state_of(log.origin)
    assert state is not None
    name = roster_object(log.region, version)
    return judge.projection.words.roster.judge_of(state, name, judge.reader)


def pinned(log: Writer) -> Roster:
    """The third version, with a log of before pinned as it is now."""
    pin = Pin(len(log.entries), log.root(len(log.entries)))
    return following(SECOND, pins={**SECOND.pins, log.origin: pin})


def test_a_log_that_had_not_begun_at_the_version_before_is_not_pinned_empty_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = in_committee(C, following(ROSTER))
    chain = RosterChain.check((SIGNED, signed(second)))
    monkeypatch.setattr("tests.nodes.test_void_views.CHAIN", chain)
    steward = begun(A, 2)
    judge = Following(A)
    judge.read(steward)
    words, new = words_of(judge, steward, 3), following(second)
    with pytest.raises(RefusedError, match="has no view of") as caught:
        words.judge(word(new))
    assert caught.value.code == "pin-not-replicated"
    # Who closes the log leaves its pin as it is, whatever that is.
    words.judge(word(close_log(second, FAR, EMPTY, new.pins, None)))


@pytest.mark.parametrize("version", [1, 2])
def test_a_node_proposes_nothing_over_a_log_that_has_not_come_under_the_version_in_force(
    version: int,
) -> None:
    steward, far = begun(A, 2), begun(C, version)
    far.basis("1")
    view(steward, far, version)
    judge = Following(A, C)
    judge.read(far, steward)
    said = word(pinned(far))
    words = words_of(judge, steward, 3)
    words.judge(said)
    if version == 2:
        words.check_own(said)
        return
    with pytest.raises(RefusedError, match="has not come under version 2") as caught:
        words.check_own(said)
    assert caught.value.code == "pin-not-replicated"
    # Of others nothing more is asked than before: what is proposed all the same stands.
    propose(steward, pinned(far))
    judge.read(steward)
    assert judge.said(steward, 3) == [PROPOSALS]
    assert judge.codes() == []


@pytest.mark.parametrize("committee", [None, (A, B, C)])
def test_whoever_joined_with_the_version_in_force_can_be_closed(
    committee: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That version pins nothing of its log, which may never begin."""
    second = following(ROSTER)
    for region in (A, B, C, D):
        second = in_committee(region, second)
    joiner = replace(neighbours.make_roster((A, B, C, D, E)).members[E], witnesses=committee)
    second = replace(second, members={**second.members, E: joiner})
    chain = RosterChain.check((SIGNED, signed(second)))
    monkeypatch.setattr("tests.nodes.test_void_views.CHAIN", chain)
    logs = steward, member, *others = [begun(region, 2) for region in (A, B, C, D)]
    pins = {it.origin: Pin(len(it.entries), it.root(len(it.entries))) for it in logs}
    for log in (steward, member):
        log.block((log.seen(len(log.entries), TIMES[log.region]),), roster=2)
    for log in (member, *others):
        view(steward, log, 2)
    pins[member.origin] = Pin(len(member.entries), member.root(len(member.entries)))
    member.block((member.seen(len(member.entries), TIMES[B]),), roster=2)
    new = close_log(second, joiner.origin, EMPTY, pins, None)
    propose(steward, new)
    frozen = Frozen(joiner.origin, 2, None, None)
    member.add(FROZEN_KIND, E, frozen.to_body())
    for log in (steward, *others):
        view(member, log, 2)
    approve(member, new)
    judge = Following(A, B, C, D)
    judge.read(*logs)
    assert judge.codes() == []
    assert judge.said(steward, 3) == [PROPOSALS]
    assert judge.said(member, 3) == [APPROVALS]
