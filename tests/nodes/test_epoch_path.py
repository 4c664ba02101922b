"""What the entries of another branch show of its epochs: by lines, not by its writer's word."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ledger.cosignature import sign_post_quantum
from ledger.epochs import Epoch, Epochs, epoch_body
from ledger.hashing import hash_leaf
from ledger.keys import PostQuantumKey
from ledger.names import mirror_name, origin_for
from ledger.roster import Roster
from ledger.statement import Act, sign_statement
from ledger.tiles import encode_entry_bundle
from ledger.views import EPOCH_KIND, BlockLines
from nodes.core.epoch_path import fetch_epochs
from tests.vectors.own.example import Example, Turned
from tests.vectors.own.network import (
    CASE,
    GUANGXI,
    NETWORK,
    OFFICER,
    SICHUAN,
    TIME_S,
    following,
    key,
    member,
    signed,
)

FIRST, SECOND = Epoch(1, 0, 0), Epoch(2, 4, 5)
"""The branches part at entry 4, which begins version 2; entry 5 has both quorums on its note."""
BY_NEW = (GUANGXI, "500000", "520000", "530000")


def shown(
    made: Turned,
    *,
    start: int = 4,
    parted_size: int = 5,
    rosters: Sequence[Roster] = (),
    common: tuple[Epoch, ...] = (FIRST,),
) -> tuple[Epoch, ...] | None:
    """What a log of fewer than 256 entries shows, served as it is."""
    known = Epochs(SICHUAN, tuple(rosters) or (made.old, made.new), common)
    plan = fetch_epochs(made.log.checkpoint(), known, start, parted_size)
    given: Sequence[bytes] | None = None
    while True:
        try:
            need = next(plan) if given is None else plan.send(given)
        except StopIteration as end:
            found: Epochs | None = end.value
            return None if found is None else found.items
        entries = made.log.entries
        files = [
            encode_entry_bundle(entries) if "entries" in path else b"".join(map(hash_leaf, entries))
            for path in need.paths
        ]
        given = need.check(files)


def branch(*, record: Iterable[bytes] | None = None, **more: Any) -> Turned:
    """The log up to the record of its epoch's note, with other lines in it, and an act above."""
    made = Example().turned()
    made.log.statements[5:] = []
    made.note_lines((it.line for it in made.after) if record is None else record, **more)
    made.log.act("case.accept", CASE, {}, officer=OFFICER)
    return made


@pytest.mark.parametrize(("start", "parted_size"), [(0, 1), (0, 5), (3, 4), (4, 5), (2, 5)])
def test_both_quorums_on_the_note_of_an_epoch_prove_it(start: int, parted_size: int) -> None:
    assert shown(branch(), start=start, parted_size=parted_size) == (FIRST, SECOND)


@pytest.mark.parametrize("parted_size", [6, 7])
def test_where_the_branches_may_be_one_a_quorum_by_either_version_must_meet_one_by_the_other(
    parted_size: int,
) -> None:
    """Not judged, the epoch may be void, and the version before in force: on our branch as well."""
    made = branch()
    assert shown(made, start=3, parted_size=parted_size) == (FIRST, SECOND)
    joined = {it: member(it) for it in ("610000", "620000", "630000")}
    many = replace(made.new, members={**made.new.members, **joined})
    sizes = [(len(it.witnesses_of(SICHUAN)), it.quorum(SICHUAN)) for it in (made.old, many)]
    assert sizes == [(4, 3), (8, 6)]  # so they share one, of two that may lie
    made.log.statements[4:] = []
    made.log.act(EPOCH_KIND, SICHUAN, epoch_body(signed(many).encode()))
    regions = (*BY_NEW[1:], GUANGXI, "610000", "620000")
    made.note_lines(it.line for it in made.log.lines(regions, "mirror", size=5))
    made.log.act("case.accept", CASE, {}, officer=OFFICER)
    rosters = (made.old, many)
    assert shown(made, start=3, parted_size=parted_size, rosters=rosters) is None
    assert shown(made, start=3, rosters=rosters) == (FIRST, SECOND)
    # Nor where a version begins there that nobody here knows.
    assert shown(made, start=3, parted_size=parted_size, rosters=(made.old,)) is None


@pytest.mark.parametrize("parted_size", [6, 7])
def test_of_an_epoch_that_is_judged_the_proof_alone_is_looked_for(parted_size: int) -> None:
    opened = (FIRST, Epoch(2, 4, None))
    found = shown(branch(), start=5, parted_size=parted_size, common=opened)
    assert found == (FIRST, SECOND)
    proven = shown(branch(), start=6, parted_size=parted_size, common=(FIRST, SECOND))
    assert proven == (FIRST, SECOND)


def test_without_its_proof_an_epoch_that_began_where_the_branches_are_one_is_none() -> None:
    made = branch(record=[it.line for it in Example().turned().before])
    assert shown(made, start=5, parted_size=6, common=(FIRST, Epoch(2, 4, None))) is None


def above_the_note(made: Turned) -> list[bytes]:
    """Lines of all on a tree that goes on above the note."""
    return [it.line for it in made.log.lines(BY_NEW, "mirror", size=6)]


def by_other_keys(made: Turned) -> list[bytes]:
    return [it.line for it in made.log.lines(BY_NEW, "witness", size=5)]


def by_post_quantum_keys(made: Turned) -> list[bytes]:
    """Of the second note: what mirrors sign by them stands in no record."""
    return [
        sign_post_quantum(
            mirror_name(origin_for(NETWORK, region)),
            PostQuantumKey(bytes(32)),
            made.log.checkpoint(5),
            TIME_S,
        ).blob
        for region in BY_NEW
    ]


@pytest.mark.parametrize(
    "lines",
    [
        lambda made: [it.line for it in made.before],
        lambda made: [it.line for it in made.after[:3]],
        lambda made: [it.line for it in made.after[1:]],
        lambda made: [made.after[0].line] * 4,
        above_the_note,
        by_other_keys,
    ],
    ids=[
        "the version before alone",
        "too few by the new one",
        "too few with the old ones",
        "one line four times",
        "on a larger tree",
        "witness keys",
    ],
)
def test_a_record_without_both_quorums_on_that_very_note_proves_nothing(
    lines: Callable[[Turned], Iterable[bytes]],
) -> None:
    assert shown(branch(record=lines(Example().turned()))) == (FIRST,)


def test_lines_by_post_quantum_keys_count_for_nothing() -> None:
    made = branch()
    body = dict(made.record.act.body)
    size, root, _ = body["lines"][0]
    made.log.statements[5:] = []
    made.log.act("log.block", SICHUAN, body | {"lines": [[size, root, by_post_quantum_keys(made)]]})
    made.log.act("case.accept", CASE, {}, officer=OFFICER)
    assert shown(made) == (FIRST,)


def test_lines_on_a_tree_that_is_not_this_one_prove_nothing() -> None:
    """All have signed the note of an epoch: of a third branch."""
    made, other = branch(), Example().turned().log
    other.statements[3:4] = [other.act("case.open", CASE, {}, officer=OFFICER)]
    lines = tuple(it.line for it in other.lines(BY_NEW, "mirror", size=5))
    item = BlockLines(5, other.checkpoint(5).root, lines)
    body = dict(made.record.act.body) | {"lines": [[item.size, item.root, list(lines)]]}
    made.log.statements[5:] = []
    made.log.act("log.block", SICHUAN, body)
    made.log.act("case.accept", CASE, {}, officer=OFFICER)
    assert item.root != made.log.checkpoint(5).root
    assert shown(made) == (FIRST,)


@pytest.mark.parametrize("version", [1, 3])
def test_a_record_that_counts_by_another_version_proves_nothing_and_hinders_nobody(
    version: int,
) -> None:
    made = branch(version=version)
    assert shown(made) == (FIRST,)
    made.note_lines(it.line for it in made.after)
    made.log.act("case.accept", CASE, {}, officer=OFFICER)
    assert shown(made) == (FIRST, Epoch(2, 4, 7))


def test_only_the_log_itself_begins_and_proves_an_epoch() -> None:
    for index in (4, 5):
        made = branch()
        act = made.log.statements[index].act
        by = key("520000", "issuer")
        made.log.statements[index] = sign_statement(by, "510000", SICHUAN, TIME_S, act)
        assert shown(made) == (FIRST,)


def test_nothing_begins_by_a_version_that_too_few_have_signed_or_that_is_not_known() -> None:
    made = branch()
    for version in (signed(made.new, ["510000"]), signed(replace(made.new, steward="520000"))):
        other = branch()
        act = Act(EPOCH_KIND, 1, made.epoch.act.previous, (), epoch_body(version.encode()))
        other.log.statements[4] = sign_statement(
            key("510000", "issuer"), "510000", SICHUAN, TIME_S, act
        )
        assert shown(other) == (FIRST,)
    assert shown(made, rosters=(made.old,)) == (FIRST,)


def test_entries_that_look_like_an_epoch_do_not_hide_the_one_that_has_its_quorums() -> None:
    """Which of them is void, only judging tells; so none of them may keep a node from turning."""
    made = Example().turned()
    made.log.statements[4:] = []
    for _ in range(3):  # the second of them gets its lines
        made.log.act(EPOCH_KIND, SICHUAN, made.epoch.act.body)
    lines = [it.line for it in made.log.lines(BY_NEW, "mirror", size=6)]
    made.note_lines(lines, size=6)
    made.log.act("case.accept", CASE, {}, officer=OFFICER)
    assert shown(made) == (FIRST, Epoch(2, 5, 7))


def test_entries_that_are_no_statements_are_passed_over() -> None:
    made = branch()
    made.log.statements[6] = SimpleNamespace(entry=b"none", subject="")  # type: ignore[call-overload]
    assert shown(made) == (FIRST, SECOND)


def test_of_two_epochs_each_is_proven_by_the_keys_of_the_one_before() -> None:
    made = branch()
    third = following(made.new, steward="520000")
    rosters = (made.old, made.new, third)
    made.log.act(EPOCH_KIND, SICHUAN, epoch_body(signed(third).encode()))
    size = len(made.log.statements)
    lines = [it.line for it in made.log.lines(BY_NEW, "mirror")]
    without = len(made.log.statements)
    made.note_lines(lines[:3], version=3, size=size)
    made.log.act("case.accept", CASE, {}, officer=OFFICER)
    assert shown(made, rosters=rosters) == (FIRST, SECOND)
    made.log.statements[without:] = []
    made.note_lines(lines, version=3, size=size)
    made.log.act("case.accept", CASE, {}, officer=OFFICER)
    assert shown(made, rosters=rosters) == (FIRST, SECOND, Epoch(3, size - 1, size))
    # The first of them without its proof: then the second begins nothing.
    made = branch(record=[it.line for it in made.before])
    made.log.act(EPOCH_KIND, SICHUAN, epoch_body(signed(third).encode()))
    lines = [it.line for it in made.log.lines(BY_NEW, "mirror")]
    made.note_lines(lines, version=3, size=len(made.log.statements))
    made.log.act("case.accept", CASE, {}, officer=OFFICER)
    assert shown(made, rosters=rosters) == (FIRST,)


def test_where_nobody_could_sign_by_either_version_the_entry_alone_begins_it() -> None:
    made = Example().turned()
    alone = {"510000": member("510000", witnesses=())}
    first = replace(made.old, members={**made.old.members, **alone})
    second = following(first)
    made.log.statements[4:] = []
    made.log.act(EPOCH_KIND, SICHUAN, epoch_body(signed(second).encode()))
    assert shown(made, rosters=(first, second)) == (FIRST, Epoch(2, 4, 4))
