"""A hostile log holds bad words on rosters: every node finds the same, whatever comes first."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from ledger.epochs import epoch_body
from ledger.hashing import EMPTY_ROOT
from ledger.roster import Roster
from ledger.roster_acts import (
    APPROVE_KIND,
    PROPOSE_KIND,
    ROSTER_KINDS,
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
from ledger.statement import Act, sign_statement
from ledger.views import EPOCH_KIND, VIEW_KIND, Block, block_body, view_body
from tests.authz.world import CHONGQING, ROSTER, SICHUAN, SIGNED, TIBET, World
from tests.nodes.test_hostile_writers import judge
from tests.vectors.own.network import NETWORK, TIME_S, following, key, signed

PINS = {origin: Pin(0, EMPTY_ROOT) for origin in ROSTER.origins}
SECOND = following(ROSTER, pins=PINS, steward=SICHUAN)
OTHER = following(ROSTER, pins=PINS, steward=TIBET)
THIRD = following(SECOND, pins=PINS)
CHAIN = RosterChain.check([SIGNED.encode(), signed(SECOND).encode()])
ORIGIN = ROSTER.members[SICHUAN].origin
TIBET_LOG = ROSTER.members[TIBET].origin


def say(world: World, kind: str, body: Any, subject: str, region: str = SICHUAN) -> None:
    """Append a word of a log's own, as a node would that keeps no rules."""
    log = world.logs[region]
    before = [it.leaf for it in log.statements if it.subject == subject]
    act = Act(kind, 1, before[-1] if before else None, (), body)
    made = sign_statement(key(region, "issuer"), region, subject, TIME_S, act)
    log.statements.append(made)


def begin(world: World, roster: Roster, signers: Any = None) -> None:
    say(world, EPOCH_KIND, epoch_body(signed(roster, signers).encode()), ORIGIN)


def on_version(world: World, kind: str, body: Any, region: str = SICHUAN) -> None:
    say(world, kind, body, roster_object(region, 2), region)


def see(world: World, by: Roster, before: Roster | None = None) -> None:
    """View Tibet's log by a version."""
    other = world.logs[TIBET]

    def lines(roster: Roster) -> Any:
        regions = roster.witnesses_of(other.origin)[: roster.quorum(other.origin)]
        return other.lines(regions, "mirror")

    earlier = None if before is None else (before, lines(before))
    say(world, VIEW_KIND, view_body(other.note(), by, lines(by), earlier), TIBET_LOG)


def too_few_signed(world: World) -> None:
    begin(world, SECOND, [SICHUAN])


def version_is_skipped(world: World) -> None:
    begin(world, THIRD)


def same_version_twice(world: World) -> None:
    begin(world, SECOND)
    begin(world, SECOND)


def next_while_one_is_open(world: World) -> None:
    begin(world, SECOND)
    begin(world, THIRD)


def other_version_of_the_number(world: World) -> None:
    begin(world, OTHER)


def epoch_of_another_log(world: World) -> None:
    say(world, EPOCH_KIND, epoch_body(CHAIN.signed[1]), TIBET_LOG)


def epoch_with_more_in_it(world: World) -> None:
    say(world, EPOCH_KIND, {**epoch_body(CHAIN.signed[1]), "more": 1}, ORIGIN)


def view_by_a_version_after_the_next(world: World) -> None:
    see(world, SECOND)
    body = dict(world.logs[SICHUAN].statements.pop().act.body) | {"roster": 3}
    say(world, VIEW_KIND, body, TIBET_LOG)


def view_before_the_epoch(world: World) -> None:
    see(world, SECOND)


def view_by_both_of_no_epoch(world: World) -> None:
    see(world, SECOND, ROSTER)


def block_by_another_version(world: World) -> None:
    head = world.logs[SICHUAN].checkpoint()
    block = Block(
        height=1,
        size=head.size,
        root=head.root,
        note=sha256(head.text()).digest(),
        roster=2,
        rules=1,
        map_root=bytes(32),
        lines=(),
    )
    say(world, "log.block", block_body(block), ORIGIN)


def proposal_out_of_turn(world: World) -> None:
    on_version(world, PROPOSE_KIND, Proposal(1, SECOND.encode()).to_body())


def approval_of_nothing(world: World) -> None:
    body = SECOND.encode()
    signature = sign_proposal(key(SICHUAN, "governance"), body, 1)
    approval = Approval(2, 1, sha256(body).digest(), signature)
    on_version(world, APPROVE_KIND, approval.to_body())


def stalled(signer: str, stall: Stall) -> dict[str, Any]:
    return sign_stall(key(signer, "governance"), NETWORK, stall).to_body()


def stall_by_another_key(world: World) -> None:
    on_version(world, STALL_KIND, stalled(TIBET, Stall(2, 1, None)))


def stall_twice(world: World) -> None:
    for _ in range(2):
        on_version(world, STALL_KIND, stalled(SICHUAN, Stall(2, 1, None)))


def stall_that_says_otherwise(world: World) -> None:
    on_version(world, STALL_KIND, stalled(SICHUAN, Stall(2, 1, (1, bytes(32)))))


BAD: list[tuple[Callable[[World], None], str]] = [
    (too_few_signed, "no-quorum"),
    (version_is_skipped, "roster-version"),
    (same_version_twice, "roster-version"),
    (next_while_one_is_open, "bad-epoch"),
    (other_version_of_the_number, "bad-epoch"),
    (epoch_of_another_log, "bad-field"),
    (epoch_with_more_in_it, "bad-field"),
    (view_by_a_version_after_the_next, "early-roster"),
    (view_before_the_epoch, "uncounted-lines"),
    (view_by_both_of_no_epoch, "uncounted-lines"),
    (block_by_another_version, "bad-block"),
    (proposal_out_of_turn, "not-proposer"),
    (approval_of_nothing, "not-proposed"),
    (stall_by_another_key, "bad-signature"),
    (stall_twice, "already-signed"),
    (stall_that_says_otherwise, "other-proposal"),
]


@pytest.mark.parametrize(("write", "code"), BAD, ids=[write.__name__ for write, _ in BAD])
def test_every_node_finds_the_same_in_a_bad_word_on_rosters(
    write: Callable[[World], None], code: str
) -> None:
    world = World(real_views=True)
    write(world)
    logs = {log.origin: tuple(log.entries) for log in world.logs.values()}
    regions = (CHONGQING, SICHUAN, TIBET)
    origins = [ROSTER.origin_of(region) for region in regions]
    # Members speak of the next version before anyone knows it signed.
    is_next = world.logs[SICHUAN].statements[-1].act.kind in ROSTER_KINDS
    chain = RosterChain.check(CHAIN.signed[:1]) if is_next else CHAIN
    one = judge(logs, origins, 256, chain)
    assert judge(logs, origins[::-1], 1, chain) == one
    last = len(logs[ORIGIN]) - 1
    assert [(it.origin, it.index, it.code, it.severity) for it in one] == [
        (ORIGIN, last, code, "breach")
    ]
