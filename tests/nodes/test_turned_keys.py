"""Turning to a branch whose quorum is by keys that came right above the fork."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ledger.epochs import Epoch, Epochs, epoch_body
from ledger.roster import Roster
from ledger.signed_roster import sign_roster
from ledger.statement import Act, sign_statement
from ledger.views import BLOCK_KIND, EPOCH_KIND, Block, BlockLines, block_body
from nodes.core.ready import PutMemory
from nodes.core.turning import Offer, Turn, astray_in, turns_in
from tests.nodes.late import LOG, head_of
from tests.nodes.neighbours import REGIONS, Log, entries, key, make_roster
from tests.nodes.test_turning import (
    LARGE,
    OWN,
    C,
    D,
    lines_on,
    serve,
    shown_a_note,
    two_branches,
    weigh,
)
from tests.vectors.own.network import following


def changed_keys() -> tuple[tuple[Roster, Roster], bytes]:
    """Two versions, of which the second gives all mirrors other keys; and the second, signed."""
    first = make_roster()
    members = {
        region: replace(member, keys=replace(member.keys, mirror=key(region, "other").public))
        for region, member in first.members.items()
    }
    second = following(first, members=members)
    signed = sign_roster(second, {it: key(it, "governance") for it in REGIONS})
    return (first, second), signed.encode()


def above_an_epoch(*, by: str) -> tuple[Log, Offer]:
    """A branch that begins with an epoch and its record, with lines there by keys in a role."""
    rosters, signed = changed_keys()
    log = Log(LOG, LARGE[:270])

    def say(kind: str, body: Mapping[str, Any]) -> None:
        act = Act(kind, 1, None, (), body)
        made = sign_statement(key(LOG, "issuer"), LOG, log.origin, 1_800_000_000, act)
        log.entries.append(made.entry)

    say(EPOCH_KIND, epoch_body(signed))
    note, others = log.checkpoint(), (OWN, C, D)
    lines = (*lines_on(note, *others), *lines_on(note, *others, role=by))
    block = Block(
        height=1,
        size=271,
        root=note.root,
        note=bytes(32),
        roster=2,
        rules=1,
        map_root=bytes(32),
        lines=(BlockLines(271, note.root, lines),),
    )
    say(BLOCK_KIND, block_body(block))
    log.entries += entries(30, "above")
    head = head_of(log)
    turn = Turn(head, lines_on(head.checkpoint, *others, role="other"))
    epochs = Epochs(log.origin, rosters, (Epoch(1, 0, 0),))
    return log, Offer(turn, Log(LOG, LARGE).checkpoint(260), None, epochs, 300)


def test_keys_that_come_right_above_the_fork_count_where_the_old_ones_have_signed_their_epoch() -> (
    None
):
    for by, is_turned in (("other", True), ("witness", False)):
        log, offer = above_an_epoch(by=by)
        world = two_branches()
        serve(world, log)
        memory = {it.name: it.value for it in weigh(world, offer, 6) if isinstance(it, PutMemory)}
        assert turns_in(memory) == ({log.origin: offer.turn} if is_turned else {})
        assert astray_in(memory) == ({log.origin: 270} if is_turned else {})


def test_they_count_also_where_our_word_alone_is_on_the_other_branch() -> None:
    """Its writer shows a note of it and withholds what it covers: where they part is unknown."""
    log, offer = above_an_epoch(by="other")
    world = shown_a_note(log, 256)
    decided = weigh(world, replace(offer, standing=None), 6)
    memory = {it.name: it.value for it in decided if isinstance(it, PutMemory)}
    assert turns_in(memory) == {log.origin: offer.turn}
    assert astray_in(memory) == {}


def test_an_offer_that_was_in_vain_is_compared_again_once_more_of_our_copy_is_judged() -> None:
    log, whole = above_an_epoch(by="other")
    world = two_branches()
    serve(world, log)
    # An epoch of ours without its proof: nothing counts above it but what proves it, which is none.
    early = replace(whole, epochs=replace(whole.epochs, items=(Epoch(1, 0, 0), Epoch(2, 5, None))))
    assert weigh(world, replace(early, judged_size=6), 6) == []
    assert (
        weigh(world, replace(whole, judged_size=6), 1) == []
    )  # nothing that it was compared with has changed
    assert len(weigh(world, replace(whole, judged_size=300), 6)) == 2
