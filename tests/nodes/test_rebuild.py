"""Getting back a log that was lost, from mirrors that are slow, away, or lie."""

from itertools import count

import pytest

from ledger.tiles import decode_entry_bundle, encode_entry_bundle
from nodes.core.damage import check_all
from nodes.core.exchange import MIRROR, NEWEST
from nodes.core.ready import PeerAnswered, PeerCalled, PeerReply, Ready
from nodes.core.submission import SendingLimits
from nodes.ports import FenceMark
from nodes.store.engine import open_sqlite
from nodes.store.reader import StoreReader
from tests.nodes.neighbours import REGIONS, START_MS, Host, Log, Neighbours, entries

LOG = "510000"
OTHERS = tuple(region for region in REGIONS if region != LOG)
ids = count(1)


def mark(log: Log, size: int, commit: int = 7) -> FenceMark:
    return FenceMark(commit, size, log.checkpoint(size).root)


def lose(world: Neighbours, size: int | None = None, **options: object) -> Host:
    """Delete a node's database and start it again, with the fence that it had."""
    old = world.hosts[LOG]
    log = old.log
    fence = mark(log, len(log.entries) if size is None else size)
    host = Host(world.roster, LOG, engine=open_sqlite(None), **options)  # type: ignore[arg-type]
    host.network.halt("rebuilding")
    with host.engine.begin() as connection:
        host.network.begin_rebuild(fence, StoreReader(connection), 0)
    world.hosts[LOG] = host
    return host


def held(host: Host) -> list[bytes]:
    with host.engine.begin() as connection:
        return list(StoreReader(connection).entries(host.origin, 0, 100_000))


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 700])
def test_a_lost_log_comes_back_from_the_mirrors_up_to_the_fence(size: int) -> None:
    world = Neighbours()
    world.append(LOG, *entries(size))
    host = lose(world)
    world.run(2_000)
    assert host.network.rebuild is not None
    assert host.network.rebuild.is_done, host.network.rebuild.why
    assert held(host) == entries(size)
    assert host.network.rebuild.target == Log(LOG, entries(size)).checkpoint()
    with host.engine.begin() as connection:
        reader = StoreReader(connection)
        root = host.network.rebuild.target.root
        assert list(check_all(host.origin, size, root, reader)) == []


def test_while_it_rebuilds_a_node_signs_and_sends_nothing_of_its_own() -> None:
    world = Neighbours()
    world.append(LOG, *entries(300))
    world.isolate(LOG)
    host = lose(world)
    world.run(5_000)
    world.cut.clear()
    before = len(world.sent)
    world.append(OTHERS[0], b"theirs")
    paths = {item.path for caller, item in world.sent[before:] if caller == LOG}
    assert all(path.startswith((NEWEST, MIRROR)) for path in paths)
    assert world.roster.origin_of(OTHERS[0]) not in host.network.rows


def test_a_missing_tail_writes_nothing_and_says_so() -> None:
    world = Neighbours()
    world.append(LOG, *entries(300))
    world.isolate(LOG)
    world.append(LOG, *entries(5, "tail"))
    host = lose(world)
    world.cut.clear()
    world.run(10_000)
    assert host.network.rebuild is not None
    assert not host.network.rebuild.is_done
    assert host.network.rebuild.why == "the mirrors know 300 entries, the fence 305"
    assert held(host) == []


def test_it_waits_until_enough_mirrors_have_answered() -> None:
    world = Neighbours()
    world.append(LOG, *entries(3))
    host = lose(world)
    # n - q + f + 1 = 3 of four.
    world.cut |= {(LOG, OTHERS[0]), (LOG, OTHERS[1])}
    world.run(10_000)
    assert host.network.rebuild is not None
    assert host.network.rebuild.why == "2 of 3 mirrors have answered"
    assert held(host) == []
    world.cut = {(LOG, OTHERS[0])}
    world.run(10_000)
    assert host.network.rebuild.is_done


def test_a_note_of_ours_beyond_the_fence_moves_the_target_up() -> None:
    world = Neighbours()
    world.append(LOG, *entries(300))
    host = lose(world, size=200)
    world.run(2_000)
    assert host.network.rebuild is not None
    assert host.network.rebuild.target.size == 300
    assert host.network.rebuild.is_done


def test_a_target_beyond_the_fence_that_does_not_extend_it_is_not_gone_on_with() -> None:
    world = Neighbours()
    world.append(LOG, *entries(300))
    host = Host(world.roster, LOG, engine=open_sqlite(None))
    host.network.halt("rebuilding")
    with host.engine.begin() as connection:
        fence = mark(Log(LOG, entries(200, "fork")), 200)
        host.network.begin_rebuild(fence, StoreReader(connection), 0)
    world.hosts[LOG] = host
    world.run(3_000)
    assert host.network.rebuild is not None
    assert not host.network.rebuild.is_done
    assert host.network.rebuild.is_stuck


@pytest.mark.parametrize("lie", ["entries", "tile", "newest", "nothing"])
def test_one_lying_mirror_does_not_spoil_it(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Neighbours()
    world.append(LOG, *entries(700))
    liar = world.hosts[OTHERS[0]].network
    honest = liar._called

    def called(event: PeerCalled, now_ms: int, reader: StoreReader) -> Ready:
        ready = honest(event, now_ms, reader)
        if lie not in event.path and lie != "nothing":
            return ready
        value = ready.replies[0].value
        assert isinstance(value, PeerReply)
        body = value.body
        if lie == "entries":
            width = 256 if ".p/" not in event.path else int(event.path.rpartition("/")[2])
            body = encode_entry_bundle([b"lie", *decode_entry_bundle(body, width)[1:]])
        elif lie == "tile":
            body = body[:-1] + bytes((body[-1] ^ 1,))
        elif lie == "newest":
            body = body.replace(b"\n700\n", b"\n900\n")
        else:
            body = b""
        changed = PeerReply(value.status, body)
        return Ready(replies=(type(ready.replies[0])(event.request_id, changed),))

    monkeypatch.setattr(liar, "_called", called)
    host = lose(world)
    world.run(8_000)
    assert host.network.rebuild is not None
    assert host.network.rebuild.is_done, host.network.rebuild.why
    assert held(host) == entries(700)


def test_a_rebuild_that_is_interrupted_goes_on_where_it_was() -> None:
    world = Neighbours()
    world.append(LOG, *entries(1_000))
    host = lose(world)
    requests = host.step((), world.now_ms).requests
    world.deliver(LOG, requests[:0])
    # A few answers, then a crash; what was stored stays.
    for _ in range(6):
        ready = Ready(requests=requests)
        requests = ()
        for request in ready.requests:
            target = world.hosts.get(request.to)
            if target is None:
                continue
            call = PeerCalled(next(ids), request.path, request.body, LOG)
            value = target.step([call], world.now_ms).replies[0].value
            assert isinstance(value, PeerReply)
            answer = PeerAnswered(request.request_id, value.status, value.body)
            requests += host.step([answer], world.now_ms).requests
    part = held(host)
    assert 0 < len(part) <= 1_000
    host.load()
    host.network.halt("rebuilding")
    with host.engine.begin() as connection:
        fence = mark(Log(LOG, entries(1_000)), 1_000)
        host.network.begin_rebuild(fence, StoreReader(connection), len(part))
    before = len(world.sent)
    world.run(3_000)
    assert host.network.rebuild is not None
    assert host.network.rebuild.is_done
    assert held(host) == entries(1_000)
    again = [item.path for _, item in world.sent[before:] if "/tile/entries/000" in item.path]
    assert len(part) < 256 or again == []


def test_a_prefix_of_another_tree_is_never_built_upon() -> None:
    world = Neighbours()
    world.append(LOG, *entries(300))
    engine = open_sqlite(None)
    fork = Host(world.roster, LOG, engine=engine)
    fork.append(entries(100, "fork"), START_MS)
    fence = mark(world.hosts[LOG].log, 300)
    host = Host(world.roster, LOG, engine=engine)
    host.network.halt("rebuilding")
    with engine.begin() as connection:
        host.network.begin_rebuild(fence, StoreReader(connection), 100)
    world.hosts[LOG] = host
    world.run(5_000)
    assert host.network.rebuild is not None
    assert not host.network.rebuild.is_done
    assert "another tree" in host.network.rebuild.why
    assert len(held(host)) == 100


def test_limits_bound_what_a_rebuild_asks_of_a_dead_network() -> None:
    world = Neighbours(limits=SendingLimits(backoff_ms_min=1_000, backoff_ms_max=4_000))
    world.append(LOG, *entries(5))
    world.isolate(LOG)
    lose(world, limits=SendingLimits(backoff_ms_min=1_000, backoff_ms_max=4_000))
    before = len(world.sent)
    world.run(60_000, 1_000)
    asked = sum(1 for caller, _ in world.sent[before:] if caller == LOG)
    assert 4 <= asked <= 4 * 40
