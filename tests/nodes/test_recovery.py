"""Whether a node may write after a start, what has changed in a store, and getting a log back."""

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError, UnavailableError
from ledger.hashing import EMPTY_ROOT, hash_leaf
from ledger.note import Note, sign_ed25519
from ledger.tiles import decode_entry_bundle, encode_entry_bundle
from nodes.core.claims import CLAIM
from nodes.core.exchange import FINISHED, MIRROR, NEWEST, origin_hash
from nodes.core.ready import PeerAnswered, PeerCalled, PeerReply, Ready
from nodes.core.recovery import (
    Bundle,
    Damage,
    Need,
    Start,
    Tile,
    agrees,
    check_all,
    check_head,
    decide_start,
    fetch_tree,
)
from nodes.core.submission import SendingLimits
from nodes.ports import FenceMark
from nodes.store.engine import open_sqlite
from nodes.store.notes import load_memory
from nodes.store.reader import StoreReader
from tests.nodes.neighbours import REGIONS, START_MS, Host, Log, LogReader, Neighbours, key
from tests.strategies import flip

LOG = "510000"
OTHERS = tuple(region for region in REGIONS if region != LOG)
SIZES = (0, 1, 2, 255, 256, 257, 700)
ids = count(1)


def entries(count_: int, branch: str = "") -> list[bytes]:
    return [f"entry {index} {branch}".encode() for index in range(count_)]


@pytest.fixture(name="log", scope="module")
def make_log() -> Log:
    return Log(LOG, entries(700))


class Altered(LogReader):
    """A log in memory in which entries and tiles have been changed."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.log = log
        self.tiles_ = dict(log.tiles())
        self.entries_ = list(log.entries)

    def entries(self, _origin: str, start: int, end: int) -> list[bytes]:
        return self.entries_[start:end]

    def tiles(self, _origin: str, wanted: object) -> dict:
        return {place: self.tiles_[place] for place in wanted if place in self.tiles_}  # type: ignore[attr-defined]


# ---- the fence ----------------------------------------------------------------------------------


def mark(log: Log, size: int, commit: int = 7) -> FenceMark:
    return FenceMark(commit, size, log.checkpoint(size).root)


def decide(log: Log, fence: FenceMark | None, size: int, commit: int = 7) -> Start:
    root = log.checkpoint(size).root
    return decide_start(fence, commit, log.origin, size, root, LogReader(log))


@pytest.mark.parametrize("size", SIZES)
def test_a_store_at_its_fence_serves_and_the_fence_stays(log: Log, size: int) -> None:
    assert decide(log, mark(log, size), size) == Start("serving", move_fence=False, why="")


@pytest.mark.parametrize(("old", "new"), [(0, 1), (1, 700), (255, 256), (256, 257), (5, 5)])
def test_a_store_past_its_fence_moves_it_up(log: Log, old: int, new: int) -> None:
    assert decide(log, mark(log, old), new, commit=8) == Start("serving", move_fence=True, why="")


def test_a_missing_fence_counts_as_behind(log: Log) -> None:
    assert decide(log, None, 5).state == "behind-fence"
    assert decide(log, None, 0, commit=0).state == "behind-fence"


def test_a_new_node_has_a_fence_at_commit_0_and_serves(log: Log) -> None:
    assert decide(log, FenceMark(0, 0, EMPTY_ROOT), 0, commit=0).state == "serving"


def test_a_lower_commit_number_is_behind_even_where_the_tree_is_the_same(log: Log) -> None:
    found = decide(log, mark(log, 5, commit=8), 5, commit=7)
    assert found.state == "behind-fence"
    assert "commit 7" in found.why


def test_a_smaller_tree_is_behind_whatever_its_commit_number(log: Log) -> None:
    assert decide(log, mark(log, 6), 5, commit=99).state == "behind-fence"


@pytest.mark.parametrize("size", [5, 9])
def test_a_tree_that_does_not_extend_the_fences_head_is_behind(log: Log, size: int) -> None:
    fork = Log(LOG, entries(9, "fork"))
    assert decide(fork, mark(log, 5), size).state == "behind-fence"


def test_a_claim_agrees_iff_the_tree_went_through_it(log: Log) -> None:
    fork = Log(LOG, entries(9, "fork"))
    reader = LogReader(log)
    assert agrees(log.checkpoint(300), 700, reader)
    assert agrees(log.checkpoint(0), 0, reader)
    assert not agrees(log.checkpoint(300), 299, reader)
    assert not agrees(fork.checkpoint(9), 700, reader)
    missing = Altered(log)
    missing.tiles_.clear()
    assert not agrees(log.checkpoint(300), 700, missing)


# ---- altered stores -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_an_unchanged_store_passes_both_checks(log: Log, size: int) -> None:
    made = Log(LOG, log.entries[:size])
    root = made.checkpoint().root
    check_head(log.origin, size, root, LogReader(made))
    assert list(check_all(log.origin, size, root, LogReader(made))) == []


def test_the_cheap_check_sees_another_root_a_short_edge_and_a_changed_last_entry(log: Log) -> None:
    root = log.checkpoint().root
    with pytest.raises(UnavailableError, match="another root") as refused:
        check_head(log.origin, 700, b"r" * 32, LogReader(log))
    assert refused.value.code == "altered"
    changed = Altered(log)
    changed.entries_[699] = b"changed"
    with pytest.raises(UnavailableError, match="entry 699"):
        check_head(log.origin, 700, root, changed)
    for place in ((0, 2), (1, 0)):
        changed = Altered(log)
        changed.tiles_[place] = changed.tiles_[place][:-32]
        with pytest.raises(UnavailableError):
            check_head(log.origin, 700, root, changed)


@settings(max_examples=40)
@given(at=st.integers(0, 699), missing=st.booleans())
def test_the_full_check_names_exactly_the_changed_entry(log: Log, at: int, missing: object) -> None:
    changed = Altered(log)
    if missing:
        at = 699
        changed.entries_.pop()
    else:
        changed.entries_[at] += b"!"
    root = log.checkpoint().root
    assert list(check_all(log.origin, 700, root, changed)) == [Damage("entry", 0, at)]
    assert str(Damage("entry", 0, at)) == f"entry {at}"


@pytest.mark.parametrize("place", [(0, 0), (0, 1)])
def test_the_full_check_names_exactly_the_changed_tile(log: Log, place: tuple[int, int]) -> None:
    changed = Altered(log)
    changed.tiles_[place] = changed.tiles_[place][:-1] + b"!"
    found = list(check_all(log.origin, 700, log.checkpoint().root, changed))
    assert found == [Damage("tile", *place)]
    del changed.tiles_[place]
    assert list(check_all(log.origin, 700, log.checkpoint().root, changed)) == [
        Damage("tile", *place)
    ]


@pytest.mark.parametrize("place", [(0, 2), (1, 0)])
def test_a_changed_edge_is_named_as_such(log: Log, place: tuple[int, int]) -> None:
    changed = Altered(log)
    changed.tiles_[place] = b"!" + changed.tiles_[place][1:]
    found = list(check_all(log.origin, 700, log.checkpoint().root, changed))
    assert found == [Damage("edge", 0, 0)]


def test_an_entry_and_its_tile_changed_together_are_found(log: Log) -> None:
    changed = Altered(log)
    changed.entries_[3] = b"changed"
    tile = bytearray(changed.tiles_[0, 0])
    tile[3 * 32 : 4 * 32] = hash_leaf(b"changed")
    changed.tiles_[0, 0] = bytes(tile)
    assert Damage("tile", 0, 0) in list(check_all(log.origin, 700, log.checkpoint().root, changed))


# ---- fetching -----------------------------------------------------------------------------------


def files(log: Log, need: Need) -> list[bytes]:
    reader = LogReader(log)
    found = []
    for path in need.paths:
        kind, _, rest = path.removeprefix("tile/").partition("/")
        index, _, width = rest.partition(".p/")
        at = int(index.replace("x", "").replace("/", ""))
        if kind == "entries":
            found.append(encode_entry_bundle(log.entries[at * 256 : at * 256 + int(width or 256)]))
        else:
            place = (int(kind), at)
            found.append(reader.tiles(log.origin, [place])[place][: 32 * int(width or 256)])
    return found


@pytest.mark.parametrize("size", SIZES)
def test_what_is_fetched_is_the_whole_log_from_left_to_right(log: Log, size: int) -> None:
    plan = fetch_tree(size, log.checkpoint(size).root, lambda *_: True)
    held: list[bytes] = []
    tiles: dict[tuple[int, int], bytes] = {}
    given_: object = None
    while True:
        try:
            item = plan.send(given_)  # type: ignore[arg-type]
        except StopIteration:
            break
        match item:
            case Need():
                given_ = item.check(files(log, item))
            case Bundle():
                assert item.start == len(held)
                held += item.entries
            case Tile():
                tiles[item.level, item.index] = item.hashes
    assert held == log.entries[:size]
    assert tiles == Log(LOG, log.entries[:size]).tiles()


def test_nothing_that_does_not_hash_right_is_believed(log: Log) -> None:
    fork = Log(LOG, entries(700, "fork"))
    plan = fetch_tree(700, log.checkpoint().root, lambda *_: True)
    item = next(plan)
    needs = 0
    while True:
        if isinstance(item, Need):
            needs += 1
            good = files(log, item)
            for wrong in (
                files(fork, item),
                [b""] * len(good),
                [data[:-1] for data in good],
                [data + b"x" for data in good],
                [flip(data, 8 * len(data) - 1) for data in good],
            ):
                with pytest.raises(LedgerError):
                    item.check(wrong)
            answer = item.check(files(log, item))
        else:
            answer = ()
        try:
            item = plan.send(answer)
        except StopIteration:
            break
    assert needs == 1 + 2 + 3  # the edge, two full tiles, three bundles


# ---- rebuilding ---------------------------------------------------------------------------------


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


# ---- what witnesses know of us ------------------------------------------------------------------


def test_a_node_that_starts_asks_its_witnesses_and_agrees_with_them() -> None:
    world = Neighbours()
    world.append(LOG, *entries(5))
    world.hosts[LOG].load()
    before = len(world.sent)
    world.tick()
    path = NEWEST + origin_hash(world.hosts[LOG].origin)
    asked = [item.to for caller, item in world.sent[before:] if (caller, item.path) == (LOG, path)]
    assert sorted(asked) == list(OTHERS)
    assert world.hosts[LOG].network.halted == ""


def forget(world: Neighbours, size: int, branch: str = "") -> Host:
    """Put a store in place that is an old or another one, as a restored backup is."""
    host = Host(world.roster, LOG, engine=open_sqlite(None))
    host.append(entries(size, branch), world.now_ms)
    host.load()
    world.hosts[LOG] = host
    return host


@pytest.mark.parametrize(("size", "branch"), [(3, ""), (5, "fork"), (9, "fork")])
def test_a_note_of_ours_that_the_store_does_not_agree_with_halts_the_node(
    size: int, branch: str
) -> None:
    world = Neighbours()
    world.append(LOG, *entries(5))
    host = forget(world, size, branch)
    world.tick()
    assert host.network.halted == "behind-witnesses"
    with host.engine.begin() as connection:
        assert (
            load_memory(connection)[CLAIM]
            == world.hosts[OTHERS[0]].network.rows[host.origin].pending
        )


def test_the_note_that_halted_it_is_remembered_when_nobody_can_be_asked() -> None:
    world = Neighbours()
    world.append(LOG, *entries(5))
    host = forget(world, 3)
    world.tick()
    world.isolate(LOG)
    host.load()
    assert host.network.halted == ""
    with host.engine.begin() as connection:
        host.network.check_claim(StoreReader(connection), 3)
    assert host.network.halted == "behind-witnesses"


def test_a_finished_note_of_ours_from_anybody_has_the_same_effect() -> None:
    world = Neighbours()
    world.append(LOG, *entries(5))
    host = forget(world, 3)
    note = Log(LOG, entries(5)).note()
    host.step([PeerCalled(1, FINISHED, note, OTHERS[0])], world.now_ms)
    assert host.network.halted == "behind-witnesses"


def test_what_our_key_did_not_sign_halts_nobody() -> None:
    world = Neighbours()
    world.append(LOG, *entries(5))
    host = world.hosts[LOG]
    text = Checkpoint(host.origin, 9, b"r" * 32).text()
    signature = sign_ed25519(host.origin, key(OTHERS[0], "log"), text)
    forged = Note(text, (signature,)).encode()
    host.step([PeerCalled(1, FINISHED, forged, OTHERS[0])], world.now_ms)
    assert host.network.halted == ""


def test_limits_bound_what_a_rebuild_asks_of_a_dead_network() -> None:
    world = Neighbours(limits=SendingLimits(backoff_ms_min=1_000, backoff_ms_max=4_000))
    world.append(LOG, *entries(5))
    world.isolate(LOG)
    lose(world, limits=SendingLimits(backoff_ms_min=1_000, backoff_ms_max=4_000))
    before = len(world.sent)
    world.run(60_000, 1_000)
    asked = sum(1 for caller, _ in world.sent[before:] if caller == LOG)
    assert 4 <= asked <= 4 * 40
