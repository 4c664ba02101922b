"""The next roster version: proposed, approved and stalled by entries of the members' logs."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from ledger.errors import LedgerError
from ledger.hashing import EMPTY_ROOT
from ledger.roster import Roster
from ledger.roster_acts import (
    APPROVE_KIND,
    PROPOSE_KIND,
    STALL_KIND,
    Approval,
    Proposal,
    Stall,
    proposer_of,
    roster_object,
    sign_proposal,
    sign_stall,
)
from ledger.roster_fields import Closing, Pin
from nodes.core.ready import Freeze
from nodes.core.roster_judge import APPROVALS
from nodes.store.reader import StoreReader
from tests.nodes import neighbours
from tests.nodes.test_epochs import A, B, C, D, sign, tell, town_of
from tests.nodes.town import Town

VERSION = 2


def governance(region: str) -> Any:
    return neighbours.key(region, "governance")


def say(town: Town, region: str, kind: str, body: dict[str, Any], version: int = VERSION) -> int:
    index = town.act(region, kind, roster_object(region, version), body)
    town.rounds(3)
    return index


def propose(town: Town, region: str, new: Roster, round_: int = 1, *stalls: str) -> bytes:
    proposal = Proposal(round_, new.encode(), stalls)
    say(town, region, PROPOSE_KIND, proposal.to_body(), new.version)
    return proposal.sha256


def approval(region: str, new: Roster, round_: int = 1) -> dict[str, Any]:
    body = new.encode()
    signature = sign_proposal(governance(region), body, round_)
    return Approval(new.version, round_, sha256(body).digest(), signature).to_body()


def approve(town: Town, region: str, new: Roster, round_: int = 1) -> int:
    return say(town, region, APPROVE_KIND, approval(region, new, round_), new.version)


def stall(town: Town, region: str, round_: int, signed: tuple[int, bytes] | None = None) -> int:
    made = sign_stall(governance(region), town.roster.network, Stall(VERSION, round_, signed))
    return say(town, region, STALL_KIND, made.to_body())


def refusal(
    town: Town, region: str, kind: str, body: dict[str, Any], version: int = VERSION
) -> str:
    before = town.node(region).snapshot.size
    result = town.try_act(region, kind, roster_object(region, version), body)
    assert result.error is not None
    town.rounds(2)
    assert town.node(region).snapshot.version == 1
    assert town.node(region).snapshot.size >= before
    return result.error.code


def settled(*regions: str) -> Town:
    """A town whose every log is replicated and recorded as such."""
    town = town_of(*regions)
    for region in regions:
        town.act(region, "party.enrol", f"{region}/hall/h", {"name": "大厅"})
        town.rounds(2)
    town.tick(60)
    return town


def pinned(town: Town, **changes: Any) -> Roster:
    """The next version, with pins that any node can show replicated."""
    pins = {}
    for region in town.roster.members:
        state = town.node(region)._state_of(town.origin(region))
        assert state is not None
        size = state.evidence.size
        pins[town.origin(region)] = Pin(size, root(town, region, size) if size else EMPTY_ROOT)
    genesis = town.roster
    return replace(genesis, version=VERSION, previous=genesis.sha256, **({"pins": pins} | changes))


def root(town: Town, region: str, size: int) -> bytes:
    node = town.node(region)
    with town.houses[region].engine.connect() as connection:
        return node._projection.ground.root(town.origin(region), size, StoreReader(connection))


def test_q_m_approvals_of_a_proposal_bring_it_into_force_everywhere() -> None:
    town = settled(A, B, C, D)
    new = pinned(town)
    propose(town, A, new)
    for region in (A, B):
        approve(town, region, new)
    assert all(town.node(it).snapshot.rosters.newest.version == 1 for it in (A, B, C, D))
    approve(town, C, new)  # three of four: q_m
    town.tick(60)
    for region in (A, B, C, D):
        assert town.node(region).snapshot.version == VERSION
        assert town.node(region).snapshot.rosters.newest == new
        assert town.findings(region) == []


def test_the_quorums_of_an_epoch_are_recorded_at_once_though_the_log_is_quiet() -> None:
    """The next version waits for that record, so a minute of quiet would hold it up."""
    town = settled(A, B, C)
    new = pinned(town)
    propose(town, A, new)
    for region in (A, B):  # two of three: q_m
        approve(town, region, new)
    for _ in range(5):  # seconds; R is a minute
        town.tick(1)
    for region in (A, B, C):
        state = town.node(region)._state_of(town.origin(region))
        assert state is not None
        assert (state.version, state.open_epoch) == (VERSION, None)


def test_a_member_signs_the_first_proposal_and_no_other() -> None:
    town = settled(A, B, C, D)
    first, other = pinned(town), pinned(town, rules=1, steward=B)
    assert refusal(town, B, APPROVE_KIND, approval(B, first)) == "not-proposed"
    propose(town, A, first)
    again = Proposal(1, other.encode()).to_body()
    assert refusal(town, A, PROPOSE_KIND, again) == "exists"
    assert refusal(town, B, APPROVE_KIND, approval(B, other)) == "not-proposed"
    forged = approval(B, first) | {"signature": sign_proposal(governance(C), first.encode(), 1)}
    assert refusal(town, B, APPROVE_KIND, forged) == "bad-signature"
    approve(town, B, first)
    assert refusal(town, B, APPROVE_KIND, approval(B, first)) == "already-signed"


def test_stalls_open_a_round_that_repeats_what_was_signed() -> None:
    town = settled(A, B, C, D)
    first, other = pinned(town), pinned(town, steward=B)
    second = proposer_of(town.roster, 2)
    assert second == B
    digest = propose(town, A, first)
    approve(town, C, first)
    early = Proposal(2, first.encode(), (C, D)).to_body()
    assert refusal(town, B, PROPOSE_KIND, early) == "no-quorum"
    lie = sign_stall(governance(C), town.roster.network, Stall(VERSION, 1, None)).to_body()
    assert refusal(town, C, STALL_KIND, lie) == "other-proposal"
    stall(town, B, 1)
    stall(town, C, 1, (1, digest))
    stall(town, D, 1)
    assert refusal(town, D, APPROVE_KIND, approval(D, first)) == "already-signed"
    changed = Proposal(2, other.encode(), (B, C, D)).to_body()
    assert refusal(town, B, PROPOSE_KIND, changed) == "other-proposal"
    few = Proposal(2, first.encode(), (C, D)).to_body()
    assert refusal(town, B, PROPOSE_KIND, few) == "no-quorum"
    assert refusal(town, A, PROPOSE_KIND, Proposal(2, first.encode(), (B, C, D)).to_body()) == (
        "not-proposer"
    )
    propose(town, B, first, 2, B, C, D)
    for region in (B, C, D):
        approve(town, region, first, 2)
    town.tick(60)
    assert [town.node(it).snapshot.version for it in (A, B, C, D)] == [VERSION] * 4
    assert town.findings(A) == []


@pytest.mark.parametrize(
    ("why", "code"),
    [
        ("skips", "roster-version"),
        ("pins beyond", "pin-not-replicated"),
        ("pins another", "pin-not-replicated"),
        ("does not follow", "roster-previous"),
    ],
)
def test_a_version_that_may_not_be_is_neither_proposed_nor_signed(why: str, code: str) -> None:
    town = settled(A, B, C)
    new = pinned(town)
    origin = town.origin(B)
    pin = new.pins[origin]
    changes: dict[str, Any] = {
        "skips": {"version": 3},
        "pins beyond": {"pins": dict(new.pins) | {origin: Pin(pin.size + 50, pin.root)}},
        "pins another": {"pins": dict(new.pins) | {origin: Pin(pin.size, bytes(32))}},
        "does not follow": {"previous": bytes(32)},
    }
    new = replace(new, **changes[why])
    if code == "pin-not-replicated":
        propose(town, A, new)
        assert refusal(town, C, APPROVE_KIND, approval(C, new)) == code
    else:
        body = Proposal(1, new.encode()).to_body()
        assert refusal(town, A, PROPOSE_KIND, body, new.version) == code


def test_the_version_after_the_next_waits_for_every_epoch() -> None:
    town = settled(A, B, C, D)
    second = pinned(town)
    town.cut = {D}
    signed = sign(second)
    tell(town, A, signed)
    town.chain = town.chain.extended(signed)
    town.settle()
    town.tick(60)
    assert [town.node(it).snapshot.version for it in (A, B, C)] == [2, 2, 2]
    third = replace(
        second,
        version=3,
        previous=second.sha256,
        pins={
            town.origin(it): Pin(state.evidence.size, root(town, A, state.evidence.size))
            if it == A
            else second.pins[town.origin(it)]
            for it in (A, B, C, D)
            for state in [town.node(A)._state_of(town.origin(it))]
            if state is not None
        },
    )
    propose(town, A, third)
    result = town.try_act(B, APPROVE_KIND, roster_object(B, 3), approval(B, third))
    assert result.error is not None
    assert result.error.code == "pin-not-replicated"


def test_a_joiner_signs_in_the_proposal() -> None:
    town = settled(A)
    joined = dict(town.roster.members) | {B: neighbours.make_roster((B,)).members[B]}
    new = pinned(town, members=joined)
    body = new.encode()
    forged = ((B, sign_proposal(governance(C), body, 1)),)
    bad = Proposal(1, body, (), forged).to_body()
    assert refusal(town, A, PROPOSE_KIND, bad) == "bad-signature"
    signatures = ((B, sign_proposal(governance(B), body, 1)),)
    say(town, A, PROPOSE_KIND, Proposal(1, body, (), signatures).to_body())
    approve(town, A, new)
    town.rounds(2)
    assert town.node(A).snapshot.rosters.newest == new


def test_a_hostile_approval_is_void_at_every_node_and_counts_for_nothing() -> None:
    """The node refuses it; one that does not is found out by the others from the same bytes."""
    town = settled(A, B, C)
    new = pinned(town)
    assert refusal(town, B, APPROVE_KIND, approval(B, new)) == "not-proposed"
    with pytest.raises(LedgerError):
        town.act(B, APPROVE_KIND, roster_object(C, VERSION), approval(B, new))
    propose(town, A, new)
    approve(town, B, new)
    fact = town.fact(A, town.origin(B), roster_object(B, VERSION))
    assert [it[0] for it in fact.state[APPROVALS]] == [1]


def test_a_member_signs_no_version_that_closes_a_log_below_what_its_own_freeze_says() -> None:
    town = settled(A, B, C, D)
    base, lost = pinned(town), town.origin(D)
    pin = base.pins[lost]
    assert 0 < pin.size < town.node(B).snapshot.logs[lost].mirrored_size
    members = {region: it for region, it in base.members.items() if region != D}
    new = replace(base, members=members, closed={lost: Closing(pin.size, pin.root, None)})
    town.ask(B, Freeze(7, lost))
    town.rounds()
    propose(town, A, new)
    assert refusal(town, B, APPROVE_KIND, approval(B, new)) == "cut-below-mirror"


def test_a_member_signs_no_version_that_closes_a_log_before_it_has_frozen_its_part() -> None:
    """Its next line could complete a quorum above the cut, though q others had stopped."""
    town = settled(A, B, C, D)
    base, lost = pinned(town), town.origin(D)
    size = town.node(B).snapshot.logs[lost].mirrored_size
    members = {region: it for region, it in base.members.items() if region != D}
    closing = Closing(size, root(town, D, size), None)
    new = replace(base, members=members, closed={lost: closing})
    propose(town, A, new)
    assert refusal(town, B, APPROVE_KIND, approval(B, new)) == "not-frozen"
    town.ask(B, Freeze(7, lost))
    town.rounds()
    approve(town, B, new)


@pytest.mark.parametrize("why", ["not-proposed", "already-signed", "pin-not-replicated"])
def test_a_refused_approval_that_is_asked_for_each_second_grows_the_log_once_at_most(
    why: str,
) -> None:
    """Each time a record of the block before stood for it, and of that came the next block."""
    town = settled(A, B, C, D)
    new = pinned(town)
    if why == "pin-not-replicated":
        ahead = {origin: Pin(pin.size + 50, bytes(32)) for origin, pin in new.pins.items()}
        new = replace(new, pins=ahead)
    if why != "not-proposed":
        propose(town, A, new)
    if why == "already-signed":
        approve(town, B, new)
    town.tick(60)
    sizes = []
    for _ in range(6):
        assert refusal(town, B, APPROVE_KIND, approval(B, new)) == why
        town.tick(1)
        sizes.append(town.node(B).snapshot.size)
    assert len(set(sizes)) == 1
