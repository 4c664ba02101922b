"""Entries of other logs that a node holds views of and lacks: pulled from whoever has them."""

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any

import pytest

from ledger.proofs import root_at
from ledger.tiles import decode_entry_bundle, encode_entry_bundle, read_nodes
from nodes.core.damage import check_all
from nodes.core.exchange import MIRROR, origin_hash
from nodes.core.fetching import fetch_path, fetch_shared
from nodes.core.ready import (
    PeerAnswered,
    PeerCalled,
    PeerReply,
    Ready,
    Reply,
)
from nodes.store.reader import StoreReader
from tests.nodes.late import (
    LATE,
    LOG,
    A,
    B,
    C,
    D,
    fork,
    head_of,
    held,
    let_answers_pass,
    pulls,
    quiet,
    row_of,
    want,
)
from tests.nodes.neighbours import Host, Log, Neighbours, entries
from tests.nodes.test_fetching import files


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
    assert len(late.network._lanes.flying) <= 2 * 4
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


@pytest.mark.parametrize("size", [1, 256, 257, 768, 1_300])
def test_where_two_trees_part_is_found_by_their_tiles(size: int) -> None:
    theirs = Log(LOG, entries(size))
    at = {0, 1, 255, 256, 257, 600, 767, 768, size - 1, size}
    for shared in sorted(it for it in at if it <= size):
        same = theirs.entries[:shared]
        for more in (0, 1, 300):
            tiles = Log(LOG, [*same, *entries(more, "other")]).tiles() if shared + more else {}
            plan = fetch_shared(
                size,
                theirs.checkpoint().root,
                lambda level, index, tiles=tiles: tiles.get((level, index), b""),  # type: ignore[misc]
            )
            asked, need, found = 0, next(plan), None
            while found is None:
                asked += 1
                try:
                    need = plan.send(need.check(files(theirs, need)))
                except StopIteration as end:
                    found = end.value
            assert found == shared
            assert asked <= 2  # a path of it, and no more


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
