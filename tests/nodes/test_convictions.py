"""A key that signs two histories: recorded at once, held by everyone, and what follows from it."""

from itertools import count

import pytest

from ledger.equivocation import EVIDENCE_KIND, Equivocation, accuse, evidence_body, said_by_log
from ledger.proofs import prove_consistency, prove_subtree_consistency
from ledger.statement import Act, decode_statement, sign_statement
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    FINISHED,
    Package,
    Upload,
    encode_add_checkpoint,
)
from nodes.core.heads import node_reader
from nodes.core.ready import PeerCalled, PeerReply
from nodes.store.reader import StoreReader
from tests.nodes.neighbours import Log, LogReader, key
from tests.nodes.town import Town

A, B, C, LIAR = "500000", "510000", "520000", "540000"
REGIONS = (A, B, C, LIAR)
HONEST = (A, B, C)
ids = count(900)


@pytest.fixture(name="town")
def make_town() -> Town:
    town = Town(*REGIONS)
    town.start()
    town.act(LIAR, "party.enrol", f"{LIAR}/hall/h", {"name": "大厅"})
    town.rounds()
    return town


def entries(town: Town, at: str, of: str) -> list[bytes]:
    with town.houses[at].engine.connect() as connection:
        return list(StoreReader(connection).entries(town.origin(of), 0, 1_000))


def show_fork(town: Town, to: str) -> int:
    """Submit a second history of the liar's log, of the size that is witnessed."""
    row = town.node(to)._network.rows[town.origin(LIAR)]
    fork = Log(LIAR, [b"other %d" % index for index in range(row.witnessed_size)])
    body = encode_add_checkpoint(row.witnessed_size, (), fork.note())
    request_id = next(ids)
    outbox = town.step(to, PeerCalled(request_id, ADD_CHECKPOINT, body, LIAR))
    (reply,) = [it.value for it in outbox.replies if it.request_id == request_id]
    assert isinstance(reply, PeerReply)
    return reply.status


def convicted(town: Town, at: str) -> set[tuple[str, str]]:
    found = town.node(at).snapshot.convicted.values()
    return {(it.conviction.against, it.conviction.region) for it in found}


def kinds(town: Town, at: str, of: str) -> list[str]:
    return [decode_statement(entry).act.kind for entry in entries(town, at, of)]


def test_a_fork_is_an_entry_of_the_finders_log_before_the_refusal_leaves(town: Town) -> None:
    assert show_fork(town, B) == 422
    assert kinds(town, B, B)[-1] == EVIDENCE_KIND
    assert convicted(town, B) == {("log", LIAR)}
    (found,) = town.node(B).snapshot.convicted.values()
    assert found.place == (town.origin(B), len(entries(town, B, B)) - 1)


def test_every_node_that_mirrors_the_entry_holds_it_and_finds_the_same(town: Town) -> None:
    show_fork(town, B)
    town.settle()  # one round trip: the entry goes out as any other
    for region in REGIONS:
        assert convicted(town, region) == {("log", LIAR)}
        index = len(entries(town, B, B)) - 1
        assert (town.origin(B), index, "equivocation") in town.findings(region)
    assert kinds(town, A, A).count(EVIDENCE_KIND) == 0


def test_nobody_honest_cosigns_a_convicted_log_and_nothing_else_stops(town: Town) -> None:
    show_fork(town, B)
    town.settle()
    before = town.node(LIAR).snapshot.witnessed_size
    town.act(LIAR, "party.enrol", f"{LIAR}/hall/i", {"name": "大厅"})
    town.act(A, "party.enrol", f"{A}/hall/h", {"name": "大厅"})
    town.tick(60)
    assert town.node(LIAR).snapshot.witnessed_size == before
    assert town.node(LIAR).snapshot.size > before
    assert town.node(A).snapshot.replicated_size == town.node(A).snapshot.size


def test_evidence_outlives_its_finder_and_every_restart(town: Town) -> None:
    show_fork(town, B)
    town.settle()
    for region in HONEST:
        town.kill(region)
    town.houses[A].node = None
    town.begin(A)
    town.begin(C)
    town.settle()
    assert convicted(town, A) == convicted(town, C) == {("log", LIAR)}
    (found,) = town.node(A).snapshot.convicted.values()
    assert found.place is not None
    assert decode_statement(entries(town, A, B)[found.place[1]]).act.kind == EVIDENCE_KIND


def test_a_second_finder_that_was_not_told_yet_records_its_own_and_all_is_one(town: Town) -> None:
    town.cut = set(REGIONS)
    show_fork(town, A)
    show_fork(town, B)
    town.cut = set()
    town.tick(30)
    for region in REGIONS:
        assert convicted(town, region) == {("log", LIAR)}
        codes = [code for _, _, code in town.findings(region)]
        assert codes == ["equivocation"] * 2


# ---- what a hostile writer records --------------------------------------------------------------


def record(town: Town, evidence: Equivocation, subject: str) -> None:
    """Have the liar record evidence, as a writer that keeps no rules."""
    act = Act(EVIDENCE_KIND, 1, None, (), evidence_body(evidence))
    time_s = town.clock.ms // 1000
    made = sign_statement(key(LIAR, "issuer"), LIAR, subject, time_s, act)
    held = [*entries(town, LIAR, LIAR), made.entry]
    fork = Log(LIAR, held)
    for region in HONEST:
        row = town.node(region)._network.rows[town.origin(LIAR)]
        send_all(town, region, fork, row.witnessed_size)


def send_all(town: Town, to: str, log: Log, old: int) -> None:
    read = node_reader(LogReader(log), log.origin)
    size = len(log.entries)
    proof = prove_consistency(old, size, read)
    town.step(
        to,
        PeerCalled(next(ids), ADD_CHECKPOINT, encode_add_checkpoint(old, proof, log.note()), LIAR),
    )
    stored = len(entries(town, to, LIAR))
    package = Package(
        stored, tuple(log.entries[stored:]), tuple(prove_subtree_consistency(0, size, size, read))
    )
    upload = Upload(origin=log.origin, start=stored, end=size, packages=(package,))
    town.step(to, PeerCalled(next(ids), ADD_ENTRIES, upload.encode(), LIAR))


def test_evidence_that_proves_nothing_convicts_its_writers_act_and_nobody_else(town: Town) -> None:
    log = Log(A, entries(town, A, A))
    log.entries += [b"more"]
    said = [said_by_log(1, log.note(1)), said_by_log(1, log.note(2))]
    before = {region: town.findings(region) for region in HONEST}
    record(town, accuse("log", A, said), f"{A}/evidence/x")
    for region in HONEST:
        assert convicted(town, region) == set()
        (found,) = set(town.findings(region)) - set(before[region])
        assert found == (town.origin(LIAR), len(entries(town, A, LIAR)) - 1, "no-contradiction")
    town.act(A, "party.enrol", f"{A}/hall/h", {"name": "大厅"})
    town.tick(10)
    assert town.node(A).snapshot.replicated_size == town.node(A).snapshot.size


def test_a_note_on_another_branch_in_a_finished_note_convicts(town: Town) -> None:
    row = town.node(B)._network.rows[town.origin(LIAR)]
    fork = Log(LIAR, [b"other %d" % index for index in range(row.witnessed_size - 1)])
    town.step(B, PeerCalled(next(ids), FINISHED, fork.note(), A))
    assert convicted(town, B) == {("log", LIAR)}
    assert kinds(town, B, B)[-1] == EVIDENCE_KIND
