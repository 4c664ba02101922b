"""By which version of the roster the lines in a bundle count: what shows it, and what does not."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.evidence import block_fresh_at, block_seen_by
from ledger.bundle import check_bundle
from ledger.bundle_file import Bundle
from ledger.epochs import Epoch, counting, epoch_body
from ledger.errors import UnverifiedError
from ledger.hashing import hash_leaf
from ledger.proofs import root_below
from ledger.roster_acts import Approval, Proposal, Stall
from ledger.signed_roster import SignedRoster
from ledger.statement import Act, decode_statement, sign_statement
from ledger.views import EPOCH_KIND, BlockLines, decode_block, decode_view
from tests import rfc9162
from tests.vectors.own.example import Example, Turned
from tests.vectors.own.network import (
    CASE,
    GUANGXI,
    OFFICER,
    SICHUAN,
    TIME_S,
    key,
    member,
    proven,
    signed,
)

if TYPE_CHECKING:
    from ledger.roster import Roster

VECTORS = Path(__file__).parents[1] / "vectors/own"
EXAMPLE = Example()
TURNED = EXAMPLE.turned()
GENESIS = EXAMPLE.roster.sha256
ALL = (0, 1, 3, 4, 5, 6)


def turned(*, record: Iterable[bytes] | None = None, epoch: Any = None) -> Turned:
    """The log once more, with another record of the epoch's note, or another epoch entry."""
    made = Example().turned()
    made.log.statements[4:] = [made.epoch if epoch is None else epoch]
    made.record = made.note_lines((it.line for it in made.after) if record is None else record)
    made.case = made.log.act("case.accept", CASE, {}, officer=OFFICER)
    return made


def failed_step(bundle: Bundle) -> str:
    with pytest.raises(UnverifiedError) as caught:
        check_bundle(bundle.encode(), GENESIS)
    return caught.value.code


def vector(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return found


def test_the_vector_of_an_epoch_verifies_by_the_hash_of_its_genesis() -> None:
    kept = vector("epoch")
    found = check_bundle(bytes.fromhex(kept["bundle"]), bytes.fromhex(kept["genesis"]))
    log = found.logs[SICHUAN]
    assert log.roster.version == 2
    assert log.epochs.items == (Epoch(1, 0, 0), Epoch(2, kept["start"], kept["proven_at"]))
    assert log.epochs.floors == ((kept["start"], kept["seen_by_s"]),)
    epoch, record = (decode_statement(bytes.fromhex(kept[it])) for it in ("entry", "record"))
    assert (log.entries[4].entry, log.entries[5].entry) == (epoch.entry, record.entry)
    view = decode_statement(bytes.fromhex(kept["view"]))
    read = decode_view(view.act.body, TURNED.new, TURNED.old)
    assert (read.size, read.roster, len(read.lines), len(read.before)) == (5, 2, 4, 3)


def test_the_vectors_of_what_members_say_of_a_version_read_back() -> None:
    kept = vector("roster-acts")
    acts = {
        name: decode_statement(bytes.fromhex(kept[name])).act.body
        for name in ("propose", "approve", "stall")
    }
    proposal, approval = (
        Proposal.decode(acts["propose"], EXAMPLE.roster),
        Approval.decode(acts["approve"]),
    )
    assert proposal.sha256.hex() == approval.sha256.hex() == kept["sha256"]
    assert [region for region, _ in proposal.signatures] == [GUANGXI]
    stall = Stall.decode(acts["stall"])
    assert (stall.version, stall.round, stall.signed) == (2, 1, None)
    assert stall.message(EXAMPLE.roster.network).hex() == kept["stalled"]


def test_each_entry_is_judged_by_the_version_in_force_at_its_place() -> None:
    epochs = check_bundle(TURNED.bundle(), GENESIS).logs[SICHUAN].epochs
    assert [epochs.at(index).version for index in range(7)] == [1, 1, 1, 1, 2, 2, 2]


def test_what_an_epoch_begins_was_not_seen_before_its_note_had_both_quorums() -> None:
    """The old quorum stood ten seconds before the new one: what came before is dated by it."""
    epochs = check_bundle(TURNED.bundle(), GENESIS).logs[SICHUAN].epochs
    block = decode_block(TURNED.record.act.body)
    found = [block_seen_by(epochs, 5, block, index) for index in (0, 3, 4, 5)]
    assert found == [TIME_S + 150, TIME_S + 150, TURNED.floor_s, None]
    assert block_fresh_at(epochs, 5, block) == TIME_S + 150
    assert [epochs.floor_at(index) for index in (3, 4, 6)] == [0, TURNED.floor_s, TURNED.floor_s]


def test_lines_of_the_next_version_count_for_nothing_without_the_record_of_its_epoch() -> None:
    """The epoch entry alone is no proof: nobody of the old quorum may have seen it."""
    assert failed_step(TURNED.bundle((0, 1, 3, 4, 6))) == "epoch"
    for few in (TURNED.before, TURNED.after[:3], TURNED.after[1:]):
        early = turned(record=[it.line for it in few])
        assert failed_step(early.bundle()) == "epoch"


def test_without_the_old_quorum_the_new_one_alone_begins_nothing() -> None:
    """Guangxi and three more sign by version 2, but two of them are no mirrors by version 1."""
    made = Example().turned()
    made.new = replace(made.new, members={**made.new.members, "610000": member("610000")})
    assert made.new.quorum(SICHUAN) == 4
    made.rosters = (made.rosters[0], signed(made.new).encode())
    made.log.statements[4:] = []
    made.log.act(EPOCH_KIND, SICHUAN, epoch_body(made.rosters[1]))
    signers = (GUANGXI, "610000", "500000", "520000")
    made.note_lines(it.line for it in made.log.lines(signers, "mirror", size=5))
    made.log.act("case.accept", CASE, {}, officer=OFFICER)
    assert failed_step(made.bundle()) == "epoch"


def test_a_bundle_that_leaves_the_epoch_out_counts_by_no_later_version() -> None:
    for indexes in ((0, 1, 3, 6), (0, 1, 3, 5, 6)):
        assert failed_step(TURNED.bundle(indexes)) == "epoch"


def test_a_bundle_that_shows_a_later_version_is_not_counted_by_an_older_one() -> None:
    for indexes in (ALL, (0, 1, 3, 4, 6), (0, 1, 3, 5, 6)):
        assert failed_step(TURNED.bundle(indexes, version=1)) == "epoch"
    short = replace(TURNED.bundle(version=1), rosters=TURNED.rosters[:1])
    assert failed_step(short) == "epoch"


def test_the_note_of_an_epoch_alone_shows_nothing() -> None:
    made = Example().turned()
    made.log.statements[5:] = []
    for version in (1, 2):
        assert failed_step(made.bundle((0, 1, 3, 4), version)) == "epoch"


def test_a_bundle_of_before_goes_on_to_verify_beside_later_versions() -> None:
    old = replace(EXAMPLE.bundle, rosters=TURNED.rosters)
    assert check_bundle(old.encode(), GENESIS).logs[SICHUAN].roster.version == 1


def test_the_record_holds_lines_on_the_very_tree_that_the_epoch_ends() -> None:
    made = turned()
    made.log.statements[5:] = []
    other = Example().turned().log
    other.statements[3:4] = [other.act("case.open", CASE, {}, officer=OFFICER)]
    lines = [
        it.line for it in other.lines((GUANGXI, "500000", "520000", "530000"), "mirror", size=5)
    ]
    item = BlockLines(5, other.checkpoint(5).root, tuple(lines))
    assert item.root != made.log.checkpoint(5).root
    body = dict(TURNED.record.act.body) | {"lines": [[item.size, item.root, lines]]}
    made.log.act("log.block", SICHUAN, body)
    made.log.act("case.accept", CASE, {}, officer=OFFICER)
    assert failed_step(made.bundle()) == "epoch"


def test_only_the_log_itself_begins_and_proves_an_epoch() -> None:
    for index in (4, 5):
        for issuer, signer, subject in (
            ("510000", "520000", SICHUAN),
            ("520000", "520000", SICHUAN),
            ("510000", "510000", "510000/case/1"),
        ):
            made = Example().turned()
            act = made.log.statements[index].act
            by = key(signer, "issuer")
            made.log.statements[index] = sign_statement(by, issuer, subject, TIME_S, act)
            assert failed_step(made.bundle()) == "epoch"
        cited = act._replace(citations=(made.log.cite("grant", 1),))
        made.log.statements[index] = sign_statement(
            key("510000", "issuer"), "510000", SICHUAN, TIME_S, cited
        )
        assert failed_step(made.bundle()) == "epoch"


def epoch_of(roster: SignedRoster) -> Any:
    act = Act(EPOCH_KIND, 1, TURNED.epoch.act.previous, (), epoch_body(roster.encode()))
    return sign_statement(key("510000", "issuer"), "510000", SICHUAN, TIME_S, act)


def test_an_epoch_by_too_few_signatures_or_of_another_version_begins_nothing() -> None:
    other: Roster = replace(TURNED.new, steward="520000")
    late: Roster = replace(TURNED.new, version=3, previous=TURNED.new.sha256)
    for roster in (signed(TURNED.new, ["510000"]), signed(other), signed(late)):
        assert failed_step(turned(epoch=epoch_of(roster)).bundle()) == "epoch"


def test_an_entry_is_signed_by_the_issuer_key_in_force_at_its_place() -> None:
    """What a retired key signs later is not the region's word."""
    made = Example().turned()
    keys = replace(made.new.members["510000"].keys, issuer=key("510000", "issuer 2").public)
    members = dict(made.new.members) | {"510000": replace(made.new.members["510000"], keys=keys)}
    new = replace(made.new, members=members)
    rosters = (made.rosters[0], signed(new).encode())
    for purpose, holds in (("issuer 2", True), ("issuer", False)):
        made = Example().turned()
        made.log.statements[4:] = []
        before = made.log.statements[2].leaf

        def say(kind: str, subject: str, body: Any, previous: bytes | None, by: str) -> None:
            act = Act(kind, 1, previous, (), body)
            signer = key("510000", by)
            made.log.statements.append(sign_statement(signer, "510000", subject, TIME_S, act))  # noqa: B023

        say(EPOCH_KIND, SICHUAN, epoch_body(rosters[1]), before, "issuer 2")
        head = made.log.checkpoint(5)
        regions = (GUANGXI, "500000", "520000", "530000")
        lines = [it.line for it in made.log.lines(regions, "mirror", size=5)]
        body = dict(TURNED.record.act.body) | {"lines": [[5, head.root, lines]]}
        say("log.block", SICHUAN, body, made.log.statements[-1].leaf, "issuer 2")
        say("party.enrol", "510000/hall/h", {}, None, purpose)
        bundle = Bundle(CASE, rosters, {SICHUAN: proven(made.log, new, ALL)})
        assert (6 in check_bundle(bundle, GENESIS).logs[SICHUAN].issued) is holds


def test_versions_follow_one_another_each_proven_before_the_next() -> None:
    epochs = (Epoch(1, 0, 0), Epoch(2, 4, 5), Epoch(3, 8, None))
    told = [(size, counting(epochs, size)) for size in range(4, 11)]
    assert [(size, it and tuple(it)) for size, it in told] == [
        (4, (1, None)),
        (5, (2, 1)),
        (6, (2, None)),
        (7, (2, None)),
        (8, (2, None)),
        (9, (3, 2)),
        (10, None),
    ]
    assert counting(epochs, 10, {3}) == (3, None)
    assert counting((*epochs[:1], Epoch(2, 4, 7)), 7) is None


@given(st.integers(1, 70), st.data())
def test_the_root_below_a_leaf_comes_out_of_its_proof_in_any_larger_tree(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    entries = [bytes([at]) for at in range(size)]
    proof = rfc9162.inclusion(index, entries)
    found = root_below(index, size, hash_leaf(entries[index]), proof)
    assert found == rfc9162.root(entries[: index + 1])
