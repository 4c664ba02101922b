"""Entries of other logs that a node holds views of and lacks: pulled from whoever has them."""

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import UnavailableError
from ledger.proofs import prove_consistency, root_at
from ledger.statement import Act, sign_statement
from ledger.tiles import decode_entry_bundle, encode_entry_bundle, read_nodes
from nodes.core.copies import node_reader
from nodes.core.exchange import MIRROR, encode_add_checkpoint, origin_hash
from nodes.core.notes import SignedHead
from nodes.core.ready import (
    PeerAnswered,
    PeerCalled,
    PeerReply,
    PeerRow,
    Ready,
    Reply,
)
from nodes.core.recovery import REBUILDING, check_all, fetch_path
from nodes.node import Node
from nodes.store.notes import load_memory
from nodes.store.peers import load_row
from nodes.store.reader import StoreReader
from nodes.verifier import Verifier
from tests.nodes.neighbours import REGIONS, Host, Log, LogReader, Neighbours
from tests.nodes.test_recovery import entries, files
from tests.nodes.town import Town, furnish, lend, officer_key, open_case

A, B, C, D, E = REGIONS
LOG, LATE = B, E
"""Whose log is pulled, and by whom."""
HOP_MS = 100


# ---- the network side alone ---------------------------------------------------------------------


def head_of(log: Log, size: int | None = None) -> SignedHead:
    return SignedHead(log.checkpoint(size), log.note(size))


def want(world: Neighbours, *heads: SignedHead, crash: str = "") -> None:
    """Let the late node judge what relies on these heads, and carry out what follows."""
    host = world.hosts[LATE]
    lacking = {head.checkpoint.origin: head for head in heads}
    ready = host.step(
        (),
        world.now_ms,
        crash=crash,
        also=lambda _connection, reader: Ready(writes=host.network.catch_up(lacking, reader)),
    )
    world.deliver(LATE, ready.requests)


def held(host: Host, origin: str) -> list[bytes]:
    with host.engine.begin() as connection:
        return list(StoreReader(connection).entries(origin, 0, 1 << 30))


def row_of(host: Host, origin: str) -> PeerRow | None:
    with host.engine.begin() as connection:
        row = load_row(connection, origin)
    assert row == host.network.heads.row(origin)
    return row


def pulls(world: Neighbours) -> list[tuple[str, str]]:
    return [(item.to, item.path) for who, item in world.sent if item.path.startswith(MIRROR)]


def quiet(size: int) -> Neighbours:
    """A log that all but the late node mirror, and whose writer has nothing new to send."""
    world = Neighbours()
    world.isolate(LATE)
    world.append(LOG, *entries(size))
    world.run(3_000)
    return world


def let_answers_pass(world: Neighbours) -> None:
    """Let everyone answer, and nobody else than the late node say anything by themselves."""
    world.cut.clear()
    for region, host in world.hosts.items():
        if region != LATE:
            host.network.heads.halted = "quiet"  # reads are served, nothing of its own is sent
    world.run(6_000, 500)  # the late node's own tries come through again


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 1_300])
def test_what_is_lacking_is_pulled_whole_and_the_row_moves_unsigned(size: int) -> None:
    world = quiet(size)
    let_answers_pass(world)
    log = world.hosts[LOG].log
    want(world, head_of(log))
    late = world.hosts[LATE]
    assert held(late, log.origin) == log.entries
    row = row_of(late, log.origin)
    assert row is not None
    assert (row.witnessed_size, row.witnessed_root) == (size, log.checkpoint().root)
    assert (row.mirrored_size, row.time_s, row.pending) == (0, 0, log.note())
    assert late.network.heads.last_line("witness", log.origin) is None
    assert late.network.heads.last_line("mirror", log.origin) is None
    assert late.network.catchup.pulled == ()
    with late.engine.begin() as connection:
        reader = StoreReader(connection)
        assert list(check_all(log.origin, size, log.checkpoint().root, reader)) == []


def test_a_writer_that_comes_afterwards_goes_on_from_there_and_gets_its_lines() -> None:
    world = quiet(300)
    let_answers_pass(world)
    log = world.hosts[LOG].log
    want(world, head_of(log))
    for host in world.hosts.values():
        host.network.heads.halted = ""
    world.append(LOG, *entries(310)[300:])
    world.run(10_000)
    row = row_of(world.hosts[LATE], log.origin)
    assert row is not None
    assert row.mirrored_size == row.witnessed_size == 310
    assert held(world.hosts[LATE], log.origin) == log.entries


@pytest.mark.parametrize(("old", "size"), [(1, 2), (255, 257), (256, 700), (300, 1_300)])
def test_a_node_that_was_cut_off_pulls_only_what_it_lacks(old: int, size: int) -> None:
    world = Neighbours()
    world.append(LOG, *entries(old))
    world.isolate(LATE)
    world.append(LOG, *entries(size)[old:])
    world.run(3_000)
    let_answers_pass(world)
    log, late = world.hosts[LOG].log, world.hosts[LATE]
    before = row_of(late, log.origin)
    assert before is not None
    assert before.mirrored_size == old
    sent = len(world.sent)
    want(world, head_of(log))
    assert held(late, log.origin) == log.entries
    row = row_of(late, log.origin)
    assert row is not None
    assert (row.witnessed_size, row.mirrored_size) == (size, old)
    whole = [item.path for _, item in world.sent[sent:] if "/tile/entries/" in item.path]
    assert len(whole) == -(-size // 256) - old // 256


def test_a_larger_head_that_a_quorum_signed_is_aimed_at_instead() -> None:
    world = quiet(600)
    let_answers_pass(world)
    log, late = world.hosts[LOG].log, world.hosts[LATE]
    # Someone's hint has come through: the whole log has its quorums.
    note = world.hosts[LOG].network.candidate.finished_note
    late.step([PeerCalled(next(world.call_ids), "/peer/finished", note, A)], world.now_ms)
    want(world, head_of(log, 10))
    assert len(held(late, log.origin)) == 600


def test_the_newest_head_with_a_quorum_is_asked_for_so_that_one_pull_serves_many_views() -> None:
    world = Neighbours()
    world.isolate(LATE)
    world.append(LOG, *entries(600))
    world.run(3_000)
    world.cut = {(LOG, LATE), (LATE, LOG)}  # its writer is out of reach, and its mirrors are not
    log, late = world.hosts[LOG].log, world.hosts[LATE]
    world.run(6_000, 500)
    want(world, head_of(log, 10))
    assert late.network.known[log.origin].size == 600
    for size in (20, 300, 590):
        want(world, head_of(log, size))
    assert len(held(late, log.origin)) == 600
    # Once for the first view and once for all the rest, which compares it with the row as well.
    edges = [path for _, path in pulls(world) if path.endswith("/tile/1/000.p/2")]
    assert len(edges) == 2


@pytest.mark.parametrize("forked", [False, True])
def test_a_note_whose_entries_nobody_has_holds_a_node_up_only_until_a_larger_one_is_known(
    forked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    world = quiet(500)
    let_answers_pass(world)
    log, late = world.hosts[LOG].log, world.hosts[LATE]
    # The writer shows its note of 700 to this node alone, and its entries to nobody.
    longer = fork(700, 450) if forked else Log(LOG, entries(700))
    call = PeerCalled(1, "/c2sp/add-checkpoint", b"old 0\n\n" + longer.note(), LOG)
    late.step([call], world.now_ms)
    want(world, head_of(log))
    assert held(late, log.origin) == []
    assert late.network.catchup.pulled == (log.origin,)
    # Then it goes on, and the others mirror that.
    for host in world.hosts.values():
        host.network.heads.halted = ""
    world.cut = {(LOG, LATE), (LATE, LOG)}
    world.append(LOG, *entries(900)[500:])
    world.run(9_000)
    note = world.hosts[LOG].network.candidate.finished_note
    late.step([PeerCalled(2, "/peer/finished", note, A)], world.now_ms)
    want(world, head_of(log, 500))
    world.run(6_000)
    if forked:
        assert held(late, log.origin) == []
        assert log.origin in late.network.heads.convictions.logs
        assert late.network.catchup.pulled == ()
    else:
        assert len(held(late, log.origin)) >= 700
        assert held(late, log.origin) == entries(900)[: len(held(late, log.origin))]


def lying(lie: str) -> Callable[[PeerCalled, Ready], Ready]:
    def change(event: PeerCalled, ready: Ready) -> Ready:
        (reply,) = ready.replies
        assert isinstance(reply.value, PeerReply)
        status, body = reply.value.status, reply.value.body
        if not event.path.startswith(MIRROR):
            return ready
        if lie == "entries" and "/entries/" in event.path:
            width = 256 if ".p/" not in event.path else int(event.path.rpartition("/")[2])
            body = encode_entry_bundle([b"lie", *decode_entry_bundle(body, width)[1:]])
        elif "/entries/" not in event.path and lie == ("edge" if ".p/" in event.path else "tile"):
            body = body[:-1] + bytes((body[-1] ^ 1,))
        elif lie == "refused":
            status, body = 404, b""
        elif lie == "empty":
            body = b""
        return Ready(replies=(Reply(event.request_id, PeerReply(status, body)),))

    return change


@pytest.mark.parametrize("lie", ["entries", "edge", "tile", "refused", "empty", "dead"])
def test_of_all_holders_one_honest_one_is_enough(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = quiet(700)
    let_answers_pass(world)
    for region in (A, B, C):  # the writer too
        network = world.hosts[region].network
        if lie == "dead":
            world.cut.add((LATE, region))
            continue
        honest, change = network._called, lying(lie)
        monkeypatch.setattr(
            network,
            "_called",
            lambda event, now_ms, reader, honest=honest, change=change: change(
                event, honest(event, now_ms, reader)
            ),
        )
    log = world.hosts[LOG].log
    want(world, head_of(log))
    started_ms = world.now_ms
    while world.hosts[LATE].network.catchup.pulled and world.now_ms < started_ms + 3_000:
        world.tick(50)
    assert held(world.hosts[LATE], log.origin) == log.entries
    assert D in {to for to, path in pulls(world)}


def dies_at(host: Host, at: int, crash: str) -> None:
    """Let a node die at an answer, before or after the commit, and start again."""
    honest, answers = host.step, count(1)

    def step(events: Iterable[Any], now_ms: int, **named: Any) -> Ready:
        events = tuple(events)
        is_answer = any(isinstance(event, PeerAnswered) for event in events)
        if is_answer and next(answers) == at:
            return honest(events, now_ms, crash=crash)
        return honest(events, now_ms, **named)

    host.step = step  # type: ignore[method-assign]


@pytest.mark.parametrize("crash", ["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 4, 8])
def test_a_crash_at_any_answer_loses_nothing_and_the_pull_goes_on(crash: str, at: int) -> None:
    world = quiet(1_000)
    let_answers_pass(world)
    log, late = world.hosts[LOG].log, world.hosts[LATE]
    dies_at(late, at, crash)
    want(world, head_of(log))
    part = held(late, log.origin)
    assert part == log.entries[: len(part)]
    row = row_of(late, log.origin)
    assert len(part) <= (0 if row is None else row.witnessed_size)
    want(world, head_of(log))  # as the follower finds again
    world.run(1_000, 50)
    want(world, head_of(log))
    assert held(late, log.origin) == log.entries


def test_a_join_that_is_killed_goes_on_where_it_was() -> None:
    """What is stored is not asked for again: neither its entries nor the tiles above them."""
    world = quiet(2_000)
    let_answers_pass(world)
    log, late = world.hosts[LOG].log, world.hosts[LATE]
    dies_at(late, 9, "after")
    want(world, head_of(log))
    part = held(late, log.origin)
    assert 0 < len(part) < len(log.entries)
    before = [path for _, path in pulls(world) if "/entries/" in path]
    want(world, head_of(log))
    world.run(1_000, 50)
    assert held(late, log.origin) == log.entries
    after = [path for _, path in pulls(world) if "/entries/" in path][len(before) :]
    stored = {f"/entries/{at:03d}" for at in range(len(part) // 256)}
    assert stored
    assert not [path for path in after if any(path.endswith(it) for it in stored)]
    assert len(after) == -(-len(log.entries) // 256) - len(part) // 256


def fork(size: int, at: int) -> Log:
    """The same log with other entries from ``at`` on."""
    return Log(LOG, [*entries(at), *entries(size, "forked")[at:]])


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


def test_nothing_is_pulled_while_nothing_is_lacking_and_nothing_while_halted() -> None:
    world = Neighbours()
    world.append(LOG, *entries(300))
    world.run(70_000, 1_000)
    assert pulls(world) == []
    world = quiet(300)
    let_answers_pass(world)
    world.hosts[LATE].network.halt("behind-fence")
    log = world.hosts[LOG].log
    want(world, head_of(log))
    world.run(2_000)
    assert pulls(world) == []
    assert row_of(world.hosts[LATE], log.origin) is None


def test_what_a_node_does_not_mirror_and_its_own_log_are_not_pulled() -> None:
    world = quiet(300)
    let_answers_pass(world)
    want(world, head_of(Log(LATE, entries(5))))
    assert world.hosts[LATE].network.catchup.pulled == ()
    assert pulls(world) == []


def test_a_dead_network_is_asked_seldom_and_nothing_piles_up() -> None:
    world = quiet(300)
    world.cut.clear()
    world.isolate(LATE)
    log, late = world.hosts[LOG].log, world.hosts[LATE]
    sent = len(world.sent)
    for _ in range(300):
        want(world, head_of(log))
        world.tick(200)
    asked = [item for who, item in world.sent[sent:] if who == LATE]
    # 60 s, between 2.5 s and 5 s between two tries once they are many, four peers.
    assert 4 * 12 <= len(asked) <= 4 * 40
    assert late.network.catchup.pulled == (log.origin,)
    assert len(late.network._flying) <= 2 * 4
    let_answers_pass(world)
    world.run(6_000, 200)
    assert held(late, log.origin) == log.entries


def test_the_tiles_on_a_path_lead_to_the_root_of_before() -> None:

    log = Log(LOG, entries(1_300))
    for size in (257, 700, 1_024, 1_300):
        for position in (1, 5, 255, 256, 257, 600, size - 1, size):
            if position > size:
                continue
            part = Log(LOG, log.entries[:size])
            plan = fetch_path(size, part.checkpoint().root, position)
            need = next(plan)
            try:
                while True:
                    need = plan.send(need.check(files(part, need)))
            except StopIteration as end:
                tiles: Mapping[tuple[int, int], bytes] = end.value
            root = root_at(position, read_nodes(lambda _wanted, tiles=tiles: tiles))
            assert root == log.checkpoint(position).root


def test_a_node_serves_the_tiles_and_entries_of_its_own_log_to_whoever_lacks_them() -> None:
    world = Neighbours()
    world.append(LOG, *entries(3))
    log = world.hosts[LOG].log

    def get(what: str) -> PeerReply:
        path = f"{MIRROR}{origin_hash(log.origin)}/{what}"
        ready = world.hosts[LOG].step([PeerCalled(1, path, b"", A)], world.now_ms)
        value = ready.replies[0].value
        assert isinstance(value, PeerReply)
        return value

    assert decode_entry_bundle(get("tile/entries/000.p/3").body, 3) == log.entries
    assert get("tile/0/000.p/3").body == log.tiles()[0, 0]
    assert get("tile/entries/000.p/4").status == 404
    assert get("checkpoint").status == 404  # only a mirror's own line stands there


# ---- whole nodes --------------------------------------------------------------------------------


class Slow(Town):
    """A town where each message takes ``HOP_MS``; nothing moves but in ``run``."""

    def __init__(self, *regions: str, **options: Any) -> None:
        self.heap: list[tuple[int, int, Callable[[], None]]] = []
        self.tickets = count()
        super().__init__(*regions, **options)

    def settle(self) -> None:
        while self._queue:
            region, request = self._queue.popleft()
            self._after(lambda region=region, request=request: self._arrive(region, request))

    def _after(self, action: Callable[[], None]) -> None:
        heapq.heappush(self.heap, (self.clock.ms + HOP_MS, next(self.tickets), action))

    def _arrive(self, region: str, request: Any) -> None:
        self.calls.append((region, request.to, request.path))
        status, body = 0, b"no way"
        target = self.houses[request.to]
        if target.node is not None and not self.cut & {region, request.to}:
            request_id = next(target.ids) + 1_000_000
            called = PeerCalled(request_id, request.path, request.body, region)
            outbox = self.step(request.to, called)
            (reply,) = [it.value for it in outbox.replies if it.request_id == request_id]
            assert isinstance(reply, PeerReply | UnavailableError)
            if isinstance(reply, PeerReply):
                status, body = reply.status, reply.body
        node, answer = self.houses[region].node, PeerAnswered(request.request_id, status, body)

        def back() -> None:
            if node is not None and self.houses[region].node is node:
                self.step(region, answer)

        self._after(back)

    def run(self, for_ms: int, until: Callable[[], bool] = lambda: False) -> int:
        """Let time pass, or until something holds; return how long it took."""
        started_ms = self.clock.ms
        end_ms = started_ms + for_ms
        tick_ms = started_ms
        while self.clock.ms < end_ms and not until():
            self.settle()
            due_ms = self.heap[0][0] if self.heap else tick_ms + 1
            if due_ms > tick_ms:
                self.clock.ms = tick_ms
                tick_ms += 250
                for region, house in self.houses.items():
                    if house.node is not None:
                        self.step(region)
                continue
            self.clock.ms = max(self.clock.ms, due_ms)
            heapq.heappop(self.heap)[2]()
        return self.clock.ms - started_ms

    def tick(self, seconds: float, *, by: float = 15) -> None:
        del by
        self.run(int(seconds * 1000))

    def rounds(self, times: int = 3) -> None:
        self.run(times * 1_000)


def live(town: Town) -> None:
    """Let a few things happen, so that every log relies on others."""
    town.start()
    town.rounds()
    for region in town.houses:
        furnish(town, region)
    town.rounds()
    for owner, window in ((E, B), (B, A), (C, B), (D, C)):
        grant = lend(town, owner, window, f"g{window}")
        open_case(town, window, owner, grant, owner)
    town.rounds()


def wipe(town: Town, folder: Path, region: str) -> None:
    town.kill(region)
    house = town.houses[region]
    house.engine.dispose()
    for left in folder.glob(f"{region}.sqlite*"):
        left.unlink()
    house.engine = town.engine(region)


def test_on_a_quiet_network_a_lost_database_is_back_within_three_seconds(tmp_path: Path) -> None:
    town = Slow(A, B, C, D, E, folder=tmp_path)
    live(town)
    town.tick(130)  # the closing block is out, and everyone has sent its note again
    before = town.node(B).snapshot
    sizes = {region: town.node(region).snapshot.size for region in town.houses}
    town.kill(B)
    wipe(town, tmp_path, B)
    town.heap.clear()
    calls = len(town.calls)
    town.start(B)
    took_ms = town.run(10_000, lambda: town.node(B).snapshot.state == "serving")
    assert took_ms <= 3_000
    after = town.node(B).snapshot
    assert (after.state, after.resting, after.size) == ("serving", True, before.size)
    # The others had nothing to say meanwhile.
    assert not [call for call in town.calls[calls:] if call[0] != B and "c2sp" in call[2]]
    assert {town.node(region).snapshot.size for region in town.houses} == set(sizes.values())
    open_case(town, B, E, f"{E}/grant/g{B}", "again")
    town.tick(70)
    for region in town.houses:
        assert town.findings(region) == []
        logs = town.node(region).snapshot.logs
        assert logs[town.origin(B)].judged_size == town.node(B).snapshot.size


def test_a_node_that_was_cut_off_judges_a_log_whose_writer_it_cannot_hear(tmp_path: Path) -> None:
    """E is away while D and C act, D relies on C, then C falls silent: D's entries need C's."""
    town = Town(A, B, C, D, E, folder=tmp_path)
    town.start()
    furnish(town, C)
    furnish(town, D)
    town.tick(60)
    town.cut.add(E)
    grant = lend(town, C, D)
    town.tick(30)
    town.cut = {C}
    open_case(town, D, C, grant, "1")
    town.tick(15)
    snapshot = town.node(E).snapshot
    assert snapshot.logs[town.origin(D)].judged_size == town.node(D).snapshot.size
    assert snapshot.logs[town.origin(C)].stored_size == town.node(C).snapshot.size


@pytest.mark.parametrize("at", range(1, 20, 4))
def test_a_crash_at_any_step_of_coming_back_only_delays_it(tmp_path: Path, at: int) -> None:
    town = Town(A, B, E, folder=tmp_path, gathers=False)
    town.start()
    furnish(town, B)
    furnish(town, E)
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    town.tick(60)
    size = town.node(B).snapshot.size
    wipe(town, tmp_path, B)
    steps, honest = count(), town.step

    class DiedError(Exception):
        pass

    def step(region: str, *events: Any) -> Any:
        outbox = honest(region, *events)
        if region == B and next(steps) == at:
            raise DiedError
        return outbox

    town.step = step  # type: ignore[method-assign]
    try:
        town.start(B)
        town.tick(3, by=0.25)
    except DiedError:
        town.kill(B)
        town.start(B)
        town.tick(3, by=0.25)
    snapshot = town.node(B).snapshot
    assert (snapshot.state, snapshot.size, snapshot.resting) == ("serving", size, True)


@pytest.mark.parametrize("at", range(6))
def test_a_commit_that_fails_while_coming_back_only_delays_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    town = Town(A, B, E, folder=tmp_path, gathers=False)
    town.start()
    furnish(town, B)
    furnish(town, E)
    grant = lend(town, E, B)
    open_case(town, B, E, grant, "1")
    town.tick(60)
    before, mark = town.node(B).snapshot, town.houses[B].fence.mark
    assert mark is not None
    wipe(town, tmp_path, B)

    commits, honest = count(), Node._commit_now
    failed = []

    def commit(self: Node, connection: Any, transaction: Any) -> None:
        if self is town.houses[B].node and self._wrote and next(commits) == at:
            failed.append(at)
            transaction.rollback()
            raise sqlite3.OperationalError("database or disk is full")
        honest(self, connection, transaction)

    monkeypatch.setattr(Node, "_commit_now", commit)
    town.start(B)
    town.tick(8, by=0.25)
    snapshot = town.node(B).snapshot
    assert (snapshot.state, snapshot.size) == ("serving", before.size)
    assert snapshot.commit >= mark.commit
    assert snapshot.resting
    assert failed
    monkeypatch.setattr(Node, "_commit_now", honest)
    open_case(town, B, E, grant, "2")
    assert town.node(B).snapshot.commit > mark.commit
    with town.houses[B].engine.connect() as connection:
        assert not load_memory(connection).get(REBUILDING)


# ---- replays ------------------------------------------------------------------------------------


def test_the_same_bytes_get_the_same_index_after_their_key_was_replaced() -> None:
    town = Town(A)
    town.start()
    furnish(town, A)
    officer = f"{A}/officer/manager"
    key = officer_key(officer)
    body = {
        "version": 1,
        "title": "事项",
        "code": "000131127004",
        "department": f"{A}/department/d",
        "materials": ["form"],
        "days": 20,
    }
    now_s = town.clock.ms // 1000
    act = Act("item.publish", 1, None, (), body)
    statement = sign_statement(key, officer, f"{A}/item/i", now_s, act)
    origin = town.origin(A)

    def verify(entry: bytes) -> Any:
        with town.houses[A].engine.connect() as connection:
            return Verifier(lambda: town.roster, origin).verify(connection, [entry])[0]

    (first,) = town.register(A, verify(statement.entry))
    assert first.error is None
    new_key = officer_key("another key")
    body = {"key": new_key.public, "holder": "region", "reason": "遗失"}
    town.act(A, "party.rekey", officer, body)
    (again,) = town.register(A, verify(statement.entry))
    assert (again.error, again.index) == (None, first.index)
    # What the old key signs now is refused, and so is another signature on the same words.
    late = sign_statement(key, officer, f"{A}/item/j", now_s, act)
    assert verify(late.entry).code == "unknown-key"
    broken = statement.entry[:-1] + bytes((statement.entry[-1] ^ 1,))
    assert verify(broken).code == "unknown-key"
