"""Words on the next version in networks with committees: judged wherever they are followed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from ledger.errors import LedgerError, RefusedError
from ledger.hashing import EMPTY_ROOT
from ledger.kind import Fact
from ledger.roster import Roster
from ledger.roster_acts import (
    APPROVE_KIND,
    PROPOSE_KIND,
    STALL_KIND,
    Approval,
    Proposal,
    Stall,
    roster_object,
    sign_proposal,
    sign_stall,
)
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Pin
from ledger.signed_roster import sign_roster
from ledger.statement import Act, Statement, sign_statement
from nodes.core.governed import governed
from nodes.core.ground import Ground
from nodes.core.kinds import KINDS
from nodes.core.projection import Projection
from nodes.core.roster_judge import APPROVALS, PROPOSALS, STALLS, RosterJudge
from nodes.core.rosters import Rosters
from nodes.core.sight import Sight
from tests.nodes import neighbours
from tests.nodes.judging import NOW_S, ROSTER, A, B, C, D, Writer
from tests.nodes.test_unjudged import Partial, views
from tests.vectors.own.network import following

if TYPE_CHECKING:
    from nodes.core.log_state import LogState

FAR_PIN = Pin(5, bytes(31) + b"\x05")


def propose(log: Writer, new: Roster, round_: int = 1, stalls: tuple[str, ...] = ()) -> None:
    body = Proposal(round_, new.encode(), stalls).to_body()
    log.add(PROPOSE_KIND, roster_object(log.region, 2), body)


def approve(log: Writer, new: Roster, round_: int = 1) -> None:
    body = new.encode()
    signature = sign_proposal(neighbours.key(log.region, "governance"), body, round_)
    said = Approval(2, round_, sha256(body).digest(), signature).to_body()
    log.add(APPROVE_KIND, roster_object(log.region, 2), said)


def stall(log: Writer, round_: int, new: Roster | None, signed: int = 1) -> None:
    """Stall a round; ``new`` was signed last, in the round ``signed``."""
    last = None if new is None else (signed, new.sha256)
    key = neighbours.key(log.region, "governance")
    said = sign_stall(key, ROSTER.network, Stall(2, round_, last)).to_body()
    log.add(STALL_KIND, roster_object(log.region, 2), said)


def approved(new: Roster) -> tuple[Writer, Writer]:
    """The steward's log with a proposal, and B's log that views and approves it."""
    steward, member = Writer(A).genesis(), Writer(B).genesis()
    propose(steward, new)
    views(member, steward)
    approve(member, new)
    return steward, member


def approvals(judge: Partial, log: Writer) -> list[Any]:
    row = judge.row(log, roster_object(log.region, 2))
    assert row is not None
    assert row.is_judged
    found: list[Any] = row.state[APPROVALS]
    return found


def test_a_word_in_a_followed_log_waits_for_the_log_that_it_rests_on_and_is_judged() -> None:
    steward, member = approved(following(ROSTER))
    judge = Partial(D)  # near neither of them
    judge.store(member)
    judge.judge()
    assert judge.size(member) == len(member.entries) - 1
    [(origin, head)] = judge.follower.lacking(judge.stored).items()
    assert (origin, head.checkpoint.size) == (steward.origin, len(steward.entries))
    judge.store(steward)
    judge.judge()
    assert judge.size(member) == len(member.entries)
    assert [it[0] for it in approvals(judge, member)] == [1]
    assert judge.codes() == []
    view = judge.row(member, steward.origin)
    assert view is not None
    assert not view.is_judged  # nothing but words on the roster rests on it


def test_a_word_that_rests_on_a_history_that_we_do_not_hold_is_not_judged_and_nothing_waits() -> (
    None
):
    _, member = approved(following(ROSTER))
    other = Writer(A).genesis()
    other.basis("1")
    judge = Partial(D)
    for log in (member, other):
        judge.store(log)
    judge.judge()
    assert judge.size(member) == len(member.entries)
    row = judge.row(member, roster_object(B, 2))
    assert row is not None
    assert not row.is_judged
    assert judge.codes() == []


def test_what_rests_on_a_word_that_is_not_judged_is_not_judged_either() -> None:
    """B has signed, by one history of the steward's log; a node that holds the other cannot say.

    All stall, B repeats what it signed, D signs that, all stall again, and C repeats it.
    """
    new = following(ROSTER)
    steward, b = approved(new)
    c, d = Writer(C).genesis(), Writer(D).genesis()
    stall(b, 1, new)
    for log in (c, d):
        stall(log, 1, None)
        views(b, log)
    propose(b, new, 2, (B, C, D))
    stall(b, 2, new)
    views(d, b)
    approve(d, new, 2)
    stall(d, 2, new, 2)
    stall(c, 2, None)
    for log in (b, d):
        views(c, log)
    propose(c, new, 3, (B, C, D))
    other = Writer(A).genesis()
    other.basis("1")
    for held, is_judged in ((steward, True), (other, False)):
        judge = Partial()
        for log in (held, b, c, d):
            judge.store(log)
        judge.judge()
        assert judge.codes() == []
        for log in (b, c, d):
            assert judge.size(log) == len(log.entries)
            row = judge.row(log, roster_object(log.region, 2))
            assert row is not None
            assert (row.index, row.is_judged) == (len(log.entries) - 1, is_judged)


def test_an_approval_of_a_wrong_pin_counts_and_is_a_finding_where_its_log_is_near() -> None:
    pins = {origin: Pin(0, EMPTY_ROOT) for origin in ROSTER.origins}
    pins[ROSTER.origin_of(C)] = FAR_PIN
    steward, member = approved(following(ROSTER, pins=pins))
    for near, codes in (((B,), ["pin-not-replicated"]), ((D,), [])):
        judge = Partial(*near)
        for log in (steward, member):
            judge.store(log)
        judge.judge()
        assert [it[0] for it in approvals(judge, member)] == [1]
        assert [code for _, code in judge.codes()] == codes


def test_a_stranger_to_a_word_still_finds_a_forged_signature_in_a_followed_log() -> None:
    new = following(ROSTER)
    steward, member = Writer(A).genesis(), Writer(B).genesis()
    propose(steward, new)
    views(member, steward)
    forged = sign_proposal(neighbours.key(C, "governance"), new.encode(), 1)
    said = Approval(2, 1, new.sha256, forged).to_body()
    member.add(APPROVE_KIND, roster_object(B, 2), said)
    judge = Partial(D)
    for log in (steward, member):
        judge.store(log)
    judge.judge()
    assert [code for _, code in judge.codes()] == ["bad-signature"]


def test_the_last_sixteen_stalls_of_a_member_count_and_rows_stay_small_however_many_it_writes() -> (
    None
):
    liar = Writer(B).genesis()
    for round_ in range(1, 41):
        stall = sign_stall(neighbours.key(B, "governance"), ROSTER.network, Stall(2, round_, None))
        liar.add(STALL_KIND, roster_object(B, 2), stall.to_body())
    judge = Partial(D)
    judge.store(liar)
    judge.judge()
    assert judge.codes() == []
    row = judge.row(liar, roster_object(B, 2))
    assert row is not None
    assert row.state[STALLS] == [[round_, None] for round_ in range(25, 41)]


# ---- what a proposal needs ----------------------------------------------------------------------


def judge_of(
    roster: Roster,
    region: str,
    rows: Mapping[str, Mapping[str, Any]] | None = None,
    seen: Mapping[str, tuple[Pin, ...]] | None = None,
) -> RosterJudge:
    """A judge of a log in which these rows of other regions and these views are within sight."""
    regions = {member.origin: at for at, member in roster.members.items()}
    signed = sign_roster(roster, {it: neighbours.key(it, "governance") for it in roster.members})
    rosters = Rosters(RosterChain((signed.encode(),), (roster,)))

    def row(origin: str, name: str) -> Fact | None:
        state = (rows or {}).get(regions[origin])
        return None if state is None else Fact(origin, name, 0, bytes(32), state)

    def views_of(origin: str) -> Iterator[Pin]:
        return iter((seen or {}).get(origin, ()))

    ground = Ground(rosters, KINDS, Sight(8), lambda _origin: None)
    state: LogState = Projection(ground).new_state(roster.origin_of(region))
    reader: Any = None
    return RosterJudge(
        rosters, state, lambda _origin: None, row, views_of, lambda *_: bytes(32), reader
    )


def word(region: str, said: Proposal | Approval) -> Statement:
    kind = PROPOSE_KIND if isinstance(said, Proposal) else APPROVE_KIND
    act = Act(kind, 1, None, (), said.to_body())
    key = neighbours.key(region, "issuer")
    return sign_statement(key, region, roster_object(region, 2), NOW_S, act)


FIRST, OTHER = following(ROSTER), following(ROSTER, steward=B)


@pytest.mark.parametrize(
    ("claims", "may"),
    [
        ({A: FIRST, B: None, D: None}, "first"),
        ({A: OTHER, B: None, D: None}, "other"),
        # Of two that the steward's log has shown, neither can be ruled out by three of four.
        ({A: FIRST, C: OTHER, D: None}, ""),
        ({A: FIRST, B: FIRST, C: OTHER}, ""),
        # All four are heard: the one that a single member signed lacks its quorum in any case.
        ({A: FIRST, B: FIRST, C: OTHER, D: None}, "first"),
        ({A: FIRST, B: None, C: OTHER, D: None}, "first other"),
    ],
)
def test_of_two_proposals_of_a_round_one_is_repeated_where_the_other_cannot_be_complete(
    claims: Mapping[str, Roster | None], may: str
) -> None:
    rows = {
        region: {STALLS: [[1, None if said is None else [1, said.sha256]]]}
        for region, said in claims.items()
    }
    for name, new in (("first", FIRST), ("other", OTHER)):
        proposal = Proposal(2, new.encode(), tuple(sorted(claims)))
        judge = judge_of(ROSTER, B, rows)
        if name in may.split():
            judge.judge(word(B, proposal))
            continue
        with pytest.raises(RefusedError) as caught:
            judge.judge(word(B, proposal))
        assert caught.value.code == "other-proposal"


def test_who_has_signed_already_costs_nobody_the_reading_of_a_version() -> None:
    new = following(ROSTER)
    rows = {
        A: {PROPOSALS: [[1, new.sha256, 2]]},
        B: {APPROVALS: [[1, new.sha256, bytes(64)]]},
    }
    with pytest.raises(RefusedError) as caught:  # there is nothing to read it from
        judge_of(ROSTER, B, rows).judge(word(B, Approval(2, 1, new.sha256, bytes(64))))
    assert caught.value.code == "already-signed"


def test_whose_turn_it_is_not_is_told_before_the_version_is_looked_at() -> None:
    strange = replace(FIRST, previous=bytes(32))
    for region, said, code in (
        (B, {}, "not-proposer"),
        (A, {PROPOSALS: [[1, FIRST.sha256, 2]]}, "exists"),
        (A, {}, "roster-previous"),
    ):
        with pytest.raises(LedgerError) as caught:
            judge_of(ROSTER, region, {region: said}).judge(
                word(region, Proposal(1, strange.encode()))
            )
        assert caught.value.code == code


def in_committees() -> Roster:
    """Four members, of which each log is witnessed by the two that follow."""
    codes = (A, B, C, D)
    members = {
        code: replace(ROSTER.members[code], witnesses=tuple(sorted((codes[at - 3], codes[at - 2]))))
        for at, code in enumerate(codes)
    }
    return replace(ROSTER, members=members)


def test_a_proposal_shows_what_it_pins_of_logs_that_only_a_committee_holds() -> None:
    roster = in_committees()
    far = roster.origin_of(C)
    pins = {it: Pin(0, EMPTY_ROOT) for it in roster.origins} | {far: FAR_PIN}
    new = following(roster, pins=pins)
    proposal = word(A, Proposal(1, new.encode()))
    newer = Pin(9, bytes(32))
    judge_of(roster, A, seen={far: (newer, FAR_PIN)}).judge(proposal)
    for seen in (
        {},
        {far: (newer,)},
        {far: (Pin(5, bytes(32)),)},
        {far: (newer,) * 64 + (FAR_PIN,)},
    ):
        with pytest.raises(RefusedError) as caught:
            judge_of(roster, A, seen=seen).judge(proposal)
        assert caught.value.code == "pin-not-replicated"
    # Where everyone holds every log, whoever approves looks at its own copy.
    whole = following(
        ROSTER, pins={it: Pin(0, EMPTY_ROOT) for it in ROSTER.origins} | {far: FAR_PIN}
    )
    judge_of(ROSTER, A).judge(word(A, Proposal(1, whole.encode())))


def test_what_is_repeated_was_shown_by_the_log_in_which_it_was_proposed_first() -> None:
    roster = in_committees()
    far = roster.origin_of(C)
    pins = {it: Pin(0, EMPTY_ROOT) for it in roster.origins} | {far: FAR_PIN}
    new = following(roster, pins=pins)
    # B is next. Its log shows C's as that is by now, and never showed the tree that is pinned.
    seen = {far: (Pin(9, bytes(32)),)}
    for signed, code in (((1, new.sha256), ""), (None, "pin-not-replicated")):
        rows = {it: {STALLS: [[1, None if signed is None else list(signed)]]} for it in (B, C, D)}
        judge = judge_of(roster, B, rows, seen)
        proposal = word(B, Proposal(2, new.encode(), (B, C, D)))
        if not code:
            judge.judge(proposal)
            continue
        with pytest.raises(RefusedError) as caught:
            judge.judge(proposal)
        assert caught.value.code == code


def test_everyone_follows_the_steward_who_follows_all_and_so_does_who_has_stalled() -> None:
    roster = in_committees()
    rosters = Rosters(RosterChain((b"",), (roster,)))
    stalled = Fact("", "", 0, bytes(32), {STALLS: [[1, None]]})

    def logs(region: str, row: Fact | None = None) -> frozenset[str]:
        return governed(rosters, region, lambda _origin, _name: row, has_begun=True)

    assert logs(C) == {roster.origin_of(A)}
    assert logs(A) == logs(C, stalled) == set(roster.origins)
