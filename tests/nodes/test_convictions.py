"""A key that signs two histories: recorded at once, held by everyone, and what follows from it."""

from dataclasses import replace
from hashlib import sha256
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from ledger.beginning import genesis_body
from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line
from ledger.equivocation import (
    EVIDENCE_KIND,
    Equivocation,
    Said,
    accuse,
    check_evidence,
    evidence_body,
    said_by_log,
)
from ledger.errors import NotFoundError, UnverifiedError
from ledger.hashing import EMPTY_ROOT
from ledger.names import origin_for
from ledger.note import Note, Signature, sign_ed25519
from ledger.proofs import prove_consistency, prove_subtree_consistency
from ledger.roster import _verifier_key
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Pin
from ledger.signed_roster import sign_roster
from ledger.statement import Act, decode_statement, sign_statement
from ledger.views import GoodLine, view_body
from nodes.core.audit import Page
from nodes.core.copies import node_reader
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    FINISHED,
    GivenRow,
    Package,
    Upload,
    encode_add_checkpoint,
    encode_given,
)
from nodes.core.notes import open_head
from nodes.core.ready import IssueLine, PeerCalled, PeerReply
from nodes.core.rosters import Rosters
from nodes.core.watch import Watch
from nodes.store.peers import issue, load_lines
from nodes.store.reader import StoreReader
from tests.nodes.neighbours import NETWORK, Log, LogReader, key, make_roster
from tests.nodes.town import Town

A, B, C, LIAR = "500000", "510000", "520000", "540000"
REGIONS = (A, B, C, LIAR)
HONEST = (A, B, C)
ids = count(900)


@pytest.fixture(name="town")
def make_town() -> Town:
    town = Town(*REGIONS)
    town.start()
    for number in range(3):
        town.act(A, "party.enrol", f"{A}/hall/{number}", {"name": "大厅"})
        town.settle()
    town.act(LIAR, "party.enrol", f"{LIAR}/hall/h", {"name": "大厅"})
    town.rounds()
    return town


def entries(town: Town, at: str, of: str) -> list[bytes]:
    with town.houses[at].engine.connect() as connection:
        return list(StoreReader(connection).entries(town.origin(of), 0, 1_000))


def show_fork(town: Town, to: str) -> int:
    """Submit a second history of the liar's log, of the size that is witnessed."""
    size = town.node(to)._network.rows[town.origin(LIAR)].witnessed_size
    return submit(town, to, size, other(size))


def other(size: int) -> Log:
    """Return a history of the liar's log that nobody knows."""
    return Log(LIAR, [b"other %d" % index for index in range(size)])


def submit(town: Town, to: str, old_size: int, shown: Log) -> int:
    """Submit all of a log of the liar's, from a size at which the witness is said to stand."""
    body = encode_add_checkpoint(old_size, (), shown.note())
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


def test_a_second_history_convicts_though_it_begins_where_its_witness_does_not_stand(
    town: Town,
) -> None:
    """A writer of two histories goes by what the witness says of the other: it is told again."""
    town.act(LIAR, "party.enrol", f"{LIAR}/hall/i", {"name": "大厅"})
    town.rounds()
    size = town.node(B)._network.rows[town.origin(LIAR)].witnessed_size
    true = Log(LIAR, entries(town, B, LIAR)[: size - 1])
    assert submit(town, B, size - 1, true) == 409
    assert convicted(town, B) == set()
    assert submit(town, B, size - 1, other(size - 1)) == 409
    assert convicted(town, B) == {("log", LIAR)}
    assert kinds(town, B, B)[-1] == EVIDENCE_KIND


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
        PeerCalled(
            next(ids), ADD_CHECKPOINT, encode_add_checkpoint(old, proof, log.note()), log.region
        ),
    )
    stored = len(entries(town, to, log.region)) if old else 0
    package = Package(
        stored, tuple(log.entries[stored:]), tuple(prove_subtree_consistency(0, size, size, read))
    )
    upload = Upload(origin=log.origin, start=stored, end=size, packages=(package,))
    town.step(to, PeerCalled(next(ids), ADD_ENTRIES, upload.encode(), log.region))


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


# ---- witnesses and mirrors that lie -------------------------------------------------------------


def line_by(region: str, role: str, head: Checkpoint, time_s: int) -> Signature:
    name = f"{origin_for(NETWORK, region)}/{role}"
    return sign_line(name, key(region, role), head, time_s).to_signature(name)


def finish(town: Town, to: str, log: Log, size: int, *lines: Signature) -> None:
    """Tell a node of a note with lines on it, as if its log had its quorums."""
    note = Note.decode(log.note(size)).with_signatures(*lines).encode()
    town.step(to, PeerCalled(next(ids), FINISHED, note, A))


@pytest.mark.parametrize("role", ["witness", "mirror"])
def test_a_line_that_goes_back_in_size_convicts_its_key_everywhere_and_stops_nothing(
    town: Town, role: str
) -> None:
    now_s = town.clock.ms // 1000
    log = Log(A, entries(town, B, A))
    size = len(log.entries)
    head = log.checkpoint(size)
    town.node(B)._network.watch.note(role, head, [good(LIAR, role, head, now_s)])
    town.step(B)
    assert convicted(town, B) == set()
    late = line_by(LIAR, role, log.checkpoint(size - 1), now_s + 3)
    others = [line_by(region, "mirror", log.checkpoint(size - 1), now_s) for region in (B, C)]
    finish(town, B, log, size - 1, *others, late)
    assert convicted(town, B) == {(role, LIAR)}
    town.tick(30)
    for region in REGIONS:
        assert convicted(town, region) == {(role, LIAR)}
    # It is one of the f: its lines count as before, and its log goes on.
    for region in REGIONS:
        town.act(region, "party.enrol", f"{region}/hall/n", {"name": "大厅"})
    town.tick(10)
    for region in REGIONS:
        assert town.node(region).snapshot.replicated_size == town.node(region).snapshot.size


def test_a_witness_that_answers_its_log_with_an_older_date_is_convicted_by_that_log(
    town: Town,
) -> None:
    watch = town.node(A)._network.watch
    log = Log(A, entries(town, A, A))
    size, now_s = len(log.entries), town.clock.ms // 1000
    for at, time_s in ((size, now_s - 60), (size - 1, now_s)):
        head = log.checkpoint(at)
        watch.note("witness", head, [good(LIAR, "witness", head, time_s)])
    town.step(A)
    assert convicted(town, A) == {("witness", LIAR)}
    assert kinds(town, A, A)[-1] == EVIDENCE_KIND


def good(region: str, role: str, head: Checkpoint, time_s: int) -> GoodLine:
    signed = line_by(region, role, head, time_s)
    return GoodLine(region, time_s, signed.key_id + signed.blob)


@pytest.mark.parametrize("order", [1, -1])
def test_lines_on_two_branches_convict_by_the_hashes_of_the_tree_that_we_hold(
    town: Town, order: int
) -> None:
    log = Log(A, entries(town, B, A))
    other = Log(A, [b"other %d" % index for index in range(2)])
    now_s = town.clock.ms // 1000
    heads = [other.checkpoint(2), log.checkpoint()]
    watch = town.node(B)._network.watch
    for head in heads[::order]:
        watch.note("mirror", head, [good(LIAR, "mirror", head, now_s)])
    town.step(B)
    assert convicted(town, B) == {("mirror", LIAR)}


def test_honest_lines_in_any_order_convict_nobody(town: Town) -> None:
    log = Log(A, entries(town, B, A))
    watch = town.node(B)._network.watch
    watch._past.clear()  # of the lines that this witness has really given
    now_s = town.clock.ms // 1000
    sizes = list(range(1, len(log.entries) + 1))
    dated = [(size, now_s - 50 + max(0, size - 2)) for size in sizes]
    dated += [(size, time_s + 1) for size, time_s in dated[-1:]]
    for seed in range(20):
        shuffled = sorted(dated, key=lambda it: sha256(b"%d %d" % (seed, it[0])).digest())
        for size, time_s in shuffled:
            head = log.checkpoint(size)
            watch.note("witness", head, [good(LIAR, "witness", head, time_s)])
        # A line on a tree that we cannot compare with ours is no contradiction by itself.
        far = Checkpoint(log.origin, 10_000, bytes(32))
        watch.note("witness", far, [good(C, "witness", far, now_s)])
    town.step(B)
    assert convicted(town, B) == set()


def test_the_pages_of_lines_given_are_read_and_convict_who_serves_a_lie(town: Town) -> None:
    """A region whose store went back signs less than before, and serves both lines itself."""
    town.tick(60)
    with town.houses[LIAR].engine.begin() as connection:
        given = load_lines(connection, town.origin(A), "witness")
        log = Log(A, entries(town, LIAR, A))
        head, time_s = log.checkpoint(1), int.from_bytes(given[-1].line[4:12]) + 1
        line = good(LIAR, "witness", head, time_s).line
        issue(connection, IssueLine("witness", head.origin, 1, head.root, line))
    town.tick(600, by=60)
    for region in HONEST:
        assert convicted(town, region) == {("witness", LIAR)}
    assert all(kinds(town, it, it).count(EVIDENCE_KIND) <= 1 for it in HONEST)


def test_a_page_that_is_nonsense_or_forged_convicts_nobody(town: Town) -> None:
    audit = town.node(B)._network.audit
    now_ms = town.clock.ms
    log = Log(A, entries(town, B, A))
    page = Page(("witness", log.origin), "")
    forged = [
        GivenRow(it, log.checkpoint(it).root, good(LIAR, "witness", log.checkpoint(5), 9).line)
        for it in (5, 4, 3)
    ]
    future = good(LIAR, "witness", log.checkpoint(2), now_ms // 1000 + 60)
    pages = [
        (404, b""),
        (200, b"x"),
        (200, bytes(116 * 257)),
        (200, encode_given(forged[1:])),
        (200, encode_given([GivenRow(2, log.checkpoint(2).root, future.line)])),
    ]
    with town.houses[B].engine.begin() as connection:
        reader = StoreReader(connection)
        for status, body in pages:
            audit.answered(LIAR, page, status, body, now_ms, reader)
    town.step(B)
    assert convicted(town, B) == set()


def test_a_line_dated_in_the_future_stands_in_no_evidence_until_then(town: Town) -> None:
    """Whoever records one makes its log wait, and is accused of nothing before the time comes."""
    log = Log(A, entries(town, A, A))
    now_s = town.clock.ms // 1000
    said = [
        Said(1, log.checkpoint(size), good(C, "witness", log.checkpoint(size), time_s).line)
        for size, time_s in ((2, now_s + 100), (3, now_s))
    ]
    evidence = accuse("witness", C, said)
    before = town.node(B).snapshot.logs[town.origin(LIAR)].judged_size
    record(town, evidence, check_evidence(evidence, {1: town.roster}).subject)
    assert convicted(town, B) == set()
    assert town.node(B).snapshot.logs[town.origin(LIAR)].judged_size == before
    town.tick(100)
    assert ("witness", C) in convicted(town, B)


# ---- a writer that shows each side its own history ----------------------------------------------


def test_a_writer_that_shows_each_half_another_history_is_found_out_by_asking() -> None:
    """Neither history ever has a quorum, and nobody relies on the log: only asking tells."""
    town = Town(*REGIONS, "530000")
    honest = (*HONEST, "530000")
    town.start(*honest)
    left = Log(LIAR, [b"left %d" % index for index in range(5)])
    right = Log(LIAR, [b"right %d" % index for index in range(7)])
    for region, log in zip(honest, (left, left, right, right), strict=True):
        send_all(town, region, log, 0)
    town.settle()
    assert [convicted(town, region) for region in honest] == [set()] * 4
    town.tick(900, by=60)
    for region in honest:
        assert convicted(town, region) == {("log", LIAR)}
    before = {it: town.node(it)._network.heads.last_line("witness", left.origin) for it in honest}
    send_all(town, A, Log(LIAR, [*left.entries, b"more"]), 5)
    assert town.node(A)._network.heads.last_line("witness", left.origin) == before[A]


def test_a_view_of_a_branch_that_we_do_not_hold_convicts_the_viewed_log() -> None:
    town = Town(A, B, C, LIAR)
    town.start(B)
    ours = Log(LIAR, [b"ours %d" % index for index in range(6)])
    theirs = Log(LIAR, [b"theirs %d" % index for index in range(4)])
    send_all(town, B, ours, 0)
    time_s = town.clock.ms // 1000
    genesis = Act("log.genesis", 1, None, (), genesis_body(town.signed, town.roster.rules))
    lines = [good(it, "mirror", theirs.checkpoint(), time_s) for it in (A, C)]
    seen = Act("log.view", 1, None, (), view_body(theirs.note(), town.roster, lines))
    viewer = Log(C)
    for subject, act in ((viewer.origin, genesis), (theirs.origin, seen)):
        made = sign_statement(key(C, "issuer"), C, subject, time_s, act)
        viewer.entries.append(made.entry)
    send_all(town, B, viewer, 0)
    town.step(B)
    assert convicted(town, B) == {("log", LIAR)}
    assert [code for origin, _, code in town.findings(B) if origin == viewer.origin] == []


@pytest.mark.parametrize(
    ("first", "compared"), [(True, set()), (None, {(5, 6)}), (False, {(5, 6), (6, 7), (5, 7)})]
)
def test_a_line_is_held_against_every_later_one_unless_its_tree_is_ours(
    *, first: bool | None, compared: set[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(SimpleNamespace(region=A), own_size=lambda: 0)  # type: ignore[arg-type]
    held: set[tuple[int, int]] = set()

    def accuse(_role: str, old: Any, new: Any, _reader: object) -> tuple[()]:
        held.add((old.head.size, new.head.size))
        return ()

    monkeypatch.setattr(watch, "_accuse", accuse)
    monkeypatch.setattr(watch, "_is_ours", lambda head, _reader: first if head.size == 5 else True)
    for size in (5, 6, 7):
        line = GoodLine(B, size, bytes(76))
        watch.note("mirror", Checkpoint("log", size, bytes(32)), [line])
        watch.look(None)  # type: ignore[arg-type]
    assert held == compared


def test_the_version_that_a_note_is_signed_under_is_told_by_its_signature(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two keys of a log may be called alike: evidence by the wrong one would convict nobody."""
    monkeypatch.setattr("ledger.note.key_id", lambda *_: bytes(4))
    _verifier_key.cache_clear()
    try:
        first = make_roster(REGIONS)
        origin = first.origin_of(LIAR)
        member = first.members[LIAR]
        anew = replace(member, keys=replace(member.keys, log=key(LIAR, "log 2").public))
        pins = {it: Pin(0, EMPTY_ROOT) for it in first.origins}
        second = first.following(pins=pins, members={**first.members, LIAR: anew})
        held = {it: key(it, "governance") for it in REGIONS}
        chain = RosterChain.check(tuple(sign_roster(it, held).encode() for it in (first, second)))
        rosters, text = Rosters(chain), Checkpoint(origin, 1, bytes(32)).text()
        for version, name in ((1, "log"), (2, "log 2")):
            note = Note(text, (sign_ed25519(origin, key(LIAR, name), text),))
            assert rosters.signed_under(origin, note).version == version
            # Nor does it stop whoever reads such a note, or starts with one in the store.
            for is_ours in (False, True):
                read, _ = open_head(note.encode(), rosters, is_ours=is_ours)
                assert (read.checkpoint.origin, read.note) == (origin, note.encode())
        stranger = Note(text, (sign_ed25519(origin, key(A, "log"), text),))
        with pytest.raises(NotFoundError):
            rosters.signed_under(origin, stranger)
        with pytest.raises(UnverifiedError) as caught:
            open_head(stranger.encode(), rosters, is_ours=True)
        assert caught.value.code == "bad-signature"
    finally:
        _verifier_key.cache_clear()
