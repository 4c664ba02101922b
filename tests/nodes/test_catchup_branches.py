"""Catching up where heads contradict each other, or a writer withholds what lies below."""

from typing import Any

import pytest

from ledger.proofs import prove_consistency
from nodes.core.copies import node_reader
from nodes.core.exchange import MIRROR, encode_add_checkpoint
from nodes.core.notes import SignedHead
from nodes.core.ready import (
    PeerCalled,
    PeerRow,
    Ready,
)
from nodes.store.reader import StoreReader
from tests.nodes.late import LATE, LOG, fork, head_of, held, let_answers_pass, quiet, row_of, want
from tests.nodes.neighbours import Log, LogReader, Neighbours, entries


@pytest.mark.parametrize(("old", "size"), [(300, 700), (10, 300), (513, 1_300)])
def test_nothing_of_another_branch_than_the_rows_is_stored_and_the_two_notes_convict(
    old: int, size: int
) -> None:
    world = Neighbours()
    world.append(LOG, *entries(old))
    let_answers_pass(world)
    log, late = world.hosts[LOG].log, world.hosts[LATE]
    other = fork(size, old - 5)
    served(world, other)
    before = row_of(late, log.origin)
    want(world, head_of(other))
    assert row_of(late, log.origin) == before
    assert held(late, log.origin) == log.entries
    assert log.origin in late.network.heads.convictions.logs
    sent = len(world.sent)
    for _ in range(5):
        want(world, head_of(other))
        world.tick(1_000)
    assert [item for who, item in world.sent[sent:] if who == LATE and MIRROR in item.path] == []


def test_a_view_of_the_rows_size_with_another_root_convicts_and_stores_nothing() -> None:
    world = Neighbours()
    log, other = Log(LOG, entries(400)), fork(400, 200)
    late = world.hosts[LATE]
    call = PeerCalled(1, "/c2sp/add-checkpoint", b"old 0\n\n" + log.note(), LOG)
    late.step([call], world.now_ms)
    before = row_of(late, log.origin)
    want(world, head_of(other))
    assert log.origin in late.network.heads.convictions.logs
    assert row_of(late, log.origin) == before
    assert held(late, log.origin) == []


def served(world: Neighbours, log: Log) -> None:
    """Let every other node serve this log in place of what it holds."""

    for region, host in world.hosts.items():
        if region == LATE:
            continue
        mirror = host.network.mirror
        honest = mirror.read

        def read(event: PeerCalled, _reader: object, honest: Any = honest) -> Ready:
            return honest(event, LogReader(log))

        mirror.read = read  # type: ignore[method-assign]


def test_where_the_row_is_beyond_the_view_the_rows_own_tree_is_pulled() -> None:
    world = Neighbours()
    host = world.hosts[LATE]
    world.isolate(LATE)
    world.append(LOG, *entries(400))
    world.run(2_000)
    world.cut.clear()
    log = world.hosts[LOG].log
    # The writer's note comes through, and its entries do not.
    body = b"old 0\n\n" + log.note()
    call = PeerCalled(next(world.call_ids), "/c2sp/add-checkpoint", body, LOG)
    host.step([call], world.now_ms)
    let_answers_pass(world)
    before = row_of(host, log.origin)
    assert before is not None
    assert before.witnessed_size == 400
    want(world, head_of(log, 100))
    assert held(host, log.origin) == log.entries
    assert row_of(host, log.origin) == before


def withheld(other: Log) -> tuple[Neighbours, PeerRow]:
    """All but one mirror 100 entries; that one has cosigned a note of 400 that nobody else has."""
    world = quiet(100)
    body = b"old 0\n\n" + other.note()
    call = PeerCalled(next(world.call_ids), "/c2sp/add-checkpoint", body, LOG)
    world.hosts[LATE].step([call], world.now_ms)
    let_answers_pass(world)
    row = row_of(world.hosts[LATE], other.origin)
    assert row is not None
    assert row.witnessed_size == 400
    return world, row


def until_here(world: Neighbours, head: SignedHead) -> None:
    for _ in range(40):
        want(world, head)
        if len(held(world.hosts[LATE], head.checkpoint.origin)) >= head.checkpoint.size:
            return
        world.run(1_000, 100)
    raise AssertionError("nothing came")


def test_what_a_writer_withholds_above_does_not_keep_back_what_others_hold_below() -> None:
    whole = Log(LOG, entries(400))
    world, before = withheld(whole)
    host, log = world.hosts[LATE], world.hosts[LOG].log
    until_here(world, head_of(log))
    assert held(host, log.origin) == log.entries == whole.entries[:100]
    assert row_of(host, log.origin) == before
    assert host.network.heads.last_line("mirror", log.origin) is None
    # Once somebody has them, the entries up to the row come too, and on the same tree.
    served(world, whole)
    until_here(world, head_of(whole, 300))
    assert held(host, log.origin) == whole.entries


def test_below_a_note_of_another_branch_nothing_is_signed_and_no_false_evidence_made() -> None:
    """The writer has forked: what the quorum holds is judged, and our row stays where it is."""
    other = fork(400, 60)
    world, before = withheld(other)
    host, log = world.hosts[LATE], world.hosts[LOG].log
    until_here(world, head_of(log))
    assert row_of(host, log.origin) == before
    with host.engine.begin() as connection:
        reader = StoreReader(connection)
        assert host.network.heads.compare(head_of(log, 80), reader) == ()
        assert host.network.heads.compare(head_of(other, 80), reader) == ()
    # Whatever the writer does now, the mirror key does not speak for a tree that it does not hold.
    served(world, other)
    want(world, head_of(other, 300))
    world.run(3_000, 100)
    assert host.network.heads.last_line("mirror", log.origin) is None
    assert held(host, log.origin) == log.entries


@pytest.mark.parametrize("forked", [False, True])
def test_a_writer_that_comes_first_while_a_pull_is_under_way_is_compared_as_well(
    forked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    world = Neighbours()
    world.append(LOG, *entries(100))
    world.isolate(LATE)
    world.append(LOG, *entries(700)[100:])
    world.run(2_000)
    let_answers_pass(world)
    log, late = world.hosts[LOG].log, world.hosts[LATE]
    ready = late.step(
        (),
        world.now_ms,
        also=lambda _connection, reader: Ready(
            writes=late.network.catch_up({log.origin: head_of(log)}, reader)
        ),
    )
    # Before any answer, the row moves to 300 by the writer's own proof.

    shown = fork(300, 200) if forked else log
    proof = prove_consistency(100, 300, node_reader(LogReader(shown), log.origin))
    body = encode_add_checkpoint(100, proof, shown.note(300))
    call = PeerCalled(next(world.call_ids), "/c2sp/add-checkpoint", body, LOG)
    late.step([call], world.now_ms)
    world.deliver(LATE, ready.requests)
    row = row_of(late, log.origin)
    assert row is not None
    if forked:
        assert (row.witnessed_size, row.witnessed_root) == (300, shown.checkpoint(300).root)
        assert held(late, log.origin) == log.entries[:100]
        assert log.origin in late.network.heads.convictions.logs
    else:
        assert row.witnessed_size == 700
        assert held(late, log.origin) == log.entries
