"""Finished notes of other logs, and fresher lines where their writers are silent."""

from itertools import count

import pytest

from ledger.checkpoint import TIME_S_MAX
from ledger.cosignature import sign_line
from ledger.names import mirror_name
from ledger.note import Note
from nodes.core.convictions import CONVICTED
from nodes.core.exchange import FINISHED, LINES, NEWEST
from nodes.core.finished import KEEP_MS
from nodes.core.notes import SignedHead, good_lines
from nodes.core.ready import PeerCalled, PeerReply, Ready, Reply, Tick
from nodes.store.entries import LogIDs
from nodes.store.notes import load_newest_note
from tests.nodes.neighbours import REGIONS, START_MS, Host, Log, Neighbours, key, make_roster

LOG, SELF = "510000", "500000"
OTHERS = tuple(region for region in REGIONS if region not in {LOG, SELF})
ROSTER = make_roster()
ids = count(1)


def entries(count_: int, branch: str = "") -> list[bytes]:
    return [f"entry {index} {branch}".encode() for index in range(count_)]


def finished(log: Log, size: int, times: dict[str, int]) -> bytes:
    """A note with the mirror lines of these regions, dated so many seconds after the start."""
    checkpoint = log.checkpoint(size)
    note = Note.decode(log.note(size))
    for region, time_s in times.items():
        name = mirror_name(ROSTER.origin_of(region))
        line = sign_line(name, key(region, "mirror"), checkpoint, START_MS // 1000 + time_s)
        note = note.with_signatures(line.to_signature(name))
    return note.encode()


def tell(host: Host, body: bytes, now_ms: int = START_MS) -> int:
    ready = host.step([PeerCalled(next(ids), FINISHED, body, LOG)], now_ms)
    value = ready.replies[0].value
    assert isinstance(value, PeerReply)
    return value.status


@pytest.fixture(name="host")
def make_host() -> Host:
    return Host(ROSTER, SELF)


@pytest.fixture(name="log", scope="module")
def make_log() -> Log:
    return Log(LOG, entries(20))


def test_a_note_with_a_quorum_of_mirror_lines_is_known_by_its_qth_largest_time(
    host: Host, log: Log
) -> None:
    times = dict(zip((SELF, *OTHERS), (-40, -30, -20, -10), strict=True))
    assert tell(host, finished(log, 5, times)) == 204
    known = host.network.known[log.origin]
    assert (known.size, known.fresh_at_s) == (5, START_MS // 1000 - 30)
    assert known.note == log.note(5)
    host.step([Tick()], START_MS + KEEP_MS)
    host.load()
    assert host.network.known[log.origin] == known


def test_fewer_than_a_quorum_or_none_that_hold_are_passed_over(host: Host, log: Log) -> None:
    q = ROSTER.quorum(log.origin)
    few = dict.fromkeys(OTHERS[: q - 1], 0)
    assert tell(host, finished(log, 5, few)) == 204
    assert tell(host, log.note(5)) == 204
    good = finished(log, 5, dict.fromkeys(OTHERS, 0))
    lines = good.partition(b"\n\n")[2]
    other = log.note(6).partition(b"\n\n")[0] + b"\n\n" + lines
    assert tell(host, other) == 422  # the log's own line is of another text
    moved = log.note(6) + b"".join(lines.splitlines(keepends=True)[1:])
    assert tell(host, moved) == 204
    assert host.network.known == {}


def test_lines_from_the_future_do_not_count(host: Host, log: Log) -> None:
    delta_s = ROSTER.constants.delta_s
    assert tell(host, finished(log, 5, dict.fromkeys(OTHERS, delta_s + 1))) == 204
    assert host.network.known == {}
    assert tell(host, finished(log, 5, dict.fromkeys(OTHERS, delta_s))) == 204
    assert host.network.known[log.origin].size == 5


def test_one_mirror_that_signs_twice_is_counted_once(host: Host, log: Log) -> None:
    note = Note.decode(finished(log, 5, {OTHERS[0]: 0, OTHERS[1]: 0}))
    again = Note.decode(finished(log, 5, {OTHERS[0]: 1})).signatures[1]
    tell(host, note.with_signatures(again).encode())
    assert host.network.known == {}


def test_a_smaller_note_or_an_older_one_never_replaces_a_better_one(host: Host, log: Log) -> None:
    tell(host, finished(log, 9, dict.fromkeys(OTHERS, 0)))
    tell(host, finished(log, 5, dict.fromkeys(OTHERS, 4)))
    tell(host, finished(log, 9, dict.fromkeys(OTHERS, -4)))
    known = host.network.known[log.origin]
    assert (known.size, known.fresh_at_s) == (9, START_MS // 1000)


def test_lines_of_two_notes_of_one_tree_add_up(host: Host, log: Log) -> None:
    tell(host, finished(log, 9, dict.fromkeys(OTHERS, -50)))
    tell(host, finished(log, 9, {SELF: -5, **dict.fromkeys(OTHERS[1:], -5)}))
    assert host.network.known[log.origin].fresh_at_s == START_MS // 1000 - 5
    assert len(host.network.known[log.origin].lines) == 4


def test_unknown_logs_and_nonsense_are_refused(host: Host) -> None:
    assert tell(host, b"nonsense") == 400
    stranger = finished(Log(LOG, entries(3)), 3, {}).replace(b"neighbours", b"strangers.")
    assert tell(host, stranger) in {404, 422}


def test_two_roots_of_one_size_are_kept_as_evidence(log: Log) -> None:
    world = Neighbours()
    world.append(LOG, *entries(5))
    host = world.hosts[SELF]
    fork = Log(LOG, entries(5, "fork"))
    assert tell(host, finished(fork, 5, dict.fromkeys(OTHERS, 0)), world.now_ms) == 204
    assert log.origin in host.network.heads.convictions.logs
    assert host.network.known[log.origin].root == world.hosts[LOG].log.checkpoint().root
    with host.engine.begin() as connection:
        names = connection.exec_driver_sql("select name from memory").fetchall()
    (subject,) = host.network.heads.convictions.found
    assert (CONVICTED + subject,) in names


def test_a_note_that_cannot_be_compared_convicts_nobody(host: Host) -> None:
    fork = Log(LOG, entries(5, "fork"))
    assert tell(host, finished(fork, 5, dict.fromkeys(OTHERS, 0))) == 204
    assert not host.network.heads.convictions.logs


# ---- freshen ------------------------------------------------------------------------------------


def fresh(world: Neighbours, region: str = SELF) -> int:
    return (
        world.now_ms // 1000 - world.hosts[region].network.known[ROSTER.origin_of(LOG)].fresh_at_s
    )


def want(world: Neighbours, region: str = SELF, ahead_s: int = 0) -> None:
    origin = world.roster.origin_of(LOG)
    world.hosts[region].network.want_fresh(origin, world.now_ms // 1000 + ahead_s)


def test_a_silent_logs_lines_are_made_fresh_by_its_mirrors() -> None:
    world = Neighbours()
    world.append(LOG, *entries(3))
    world.isolate(LOG)
    world.run(300_000, 5_000)
    assert fresh(world) >= 255
    want(world)
    world.tick()
    assert fresh(world) == 0
    host = world.hosts[SELF]
    assert host.network.freshen.wanted == ()
    lines = host.network.known[ROSTER.origin_of(LOG)].lines
    assert SELF in [line.region for line in lines]


def test_nothing_is_asked_before_the_time_that_lines_must_have() -> None:
    world = Neighbours()
    world.append(LOG, *entries(3))
    world.isolate(LOG)
    want(world, ahead_s=30)
    before = sum(item.path == LINES for _, item in world.sent)
    world.run(29_000, 1_000)
    assert sum(item.path == LINES for _, item in world.sent) == before
    world.run(2_000, 1_000)
    assert fresh(world) <= 1


def test_one_mirror_away_leaves_a_quorum_and_two_do_not() -> None:
    world = Neighbours()
    world.append(LOG, *entries(3))
    world.isolate(LOG)
    world.isolate(OTHERS[0])
    world.run(100_000, 5_000)
    want(world)
    world.tick()
    assert fresh(world) == 0
    world.isolate(OTHERS[1])
    world.run(100_000, 5_000)
    want(world)
    world.run(10_000)
    assert fresh(world) > 100
    asked = sum(item.path == LINES for caller, item in world.sent if caller == SELF)
    assert asked < 40  # backed off, not hammered
    world.cut = {pair for pair in world.cut if OTHERS[1] not in pair}
    world.run(6_000)
    assert fresh(world) <= 20
    assert world.hosts[SELF].network.freshen.wanted == ()


def test_mirrors_that_are_behind_are_brought_up_from_our_copy() -> None:
    """The writer reached two of us with its last entries and fell silent; that is no quorum."""
    world = Neighbours()
    world.append(LOG, *entries(300))
    world.cut |= {(LOG, OTHERS[0]), (LOG, OTHERS[1])}
    world.append(LOG, *entries(50, "last"))
    origin = ROSTER.origin_of(LOG)
    assert world.hosts[LOG].network.replicated_size == 300
    assert world.hosts[SELF].network.rows[origin].mirrored_size == 350
    world.isolate(LOG)
    world.run(2_000)
    want(world)
    world.run(30_000, 1_000)
    assert world.hosts[OTHERS[0]].network.rows[origin].mirrored_size == 300  # not silent for R yet
    world.run(60_000, 1_000)
    assert world.hosts[SELF].network.known[origin].size == 350
    assert world.hosts[OTHERS[0]].network.rows[origin].mirrored_size == 350
    assert world.hosts[SELF].network.freshen.wanted == ()
    assert world.hosts[SELF].network.freshen.pushes == {}


def test_who_is_behind_learns_the_newest_note_from_a_mirror_that_is_ahead() -> None:
    world = Neighbours()
    world.append(LOG, *entries(3))
    behind = SELF
    world.cut |= {(LOG, behind), (behind, LOG)}
    world.append(LOG, *entries(4, "more"))
    origin = ROSTER.origin_of(LOG)
    assert world.hosts[behind].network.known[origin].size == 3
    world.run(2_000)
    want(world, behind)
    world.tick()
    known = world.hosts[behind].network.known[origin]
    assert known.size == 7
    assert fresh(world, behind) == 0


def test_a_convicted_log_is_not_made_fresh() -> None:
    world = Neighbours()
    world.append(LOG, *entries(3))
    world.isolate(LOG)
    world.run(100_000, 5_000)
    tell(world.hosts[SELF], Log(LOG, entries(3, "fork")).note(), world.now_ms)
    assert world.hosts[SELF].network.heads.convictions.logs
    before = fresh(world)
    want(world)
    world.run(5_000)
    assert fresh(world) >= before


def test_of_a_convicted_log_only_the_tree_that_we_hold_is_learnt() -> None:
    world = Neighbours()
    world.append(LOG, *entries(3))
    network = world.hosts[SELF].network
    log, fork = Log(LOG, entries(3)), Log(LOG, entries(3, "fork"))
    note = Note.decode(finished(log, 3, dict.fromkeys(OTHERS, 30)))
    lines = good_lines(
        network.heads.rosters.of(log.origin),
        log.checkpoint(),
        note.signatures,
        "mirror",
        TIME_S_MAX,
    )
    tell(world.hosts[SELF], fork.note(), world.now_ms)
    assert network.heads.convictions.logs
    del network.finished._known[log.origin]
    for other, size in ((fork, 3), (log, 2)):
        network.finished.hear_of(SignedHead(other.checkpoint(size), other.note(size)), lines)
        assert log.origin not in network.known
    network.finished.hear_of(SignedHead(log.checkpoint(), log.note()), lines)
    assert network.known[log.origin].size == 3


def test_our_own_log_is_not_learnt_of_from_others(host: Host) -> None:
    own = Log(SELF, entries(1))
    host.network.finished.hear_of(SignedHead(own.checkpoint(), own.note()), ())
    assert own.origin not in host.network.known


def test_our_own_log_and_one_without_mirrors_are_not_asked_about() -> None:
    world = Neighbours()
    network = world.hosts[SELF].network
    network.want_fresh(world.roster.origin_of(SELF), 0)
    assert network.freshen.wanted == ()


def test_a_mirror_that_lies_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Neighbours()
    world.append(LOG, *entries(3))
    world.isolate(LOG)
    world.run(100_000, 5_000)
    liar = world.hosts[OTHERS[0]]
    nonsense = PeerReply(200, b"nonsense")
    monkeypatch.setattr(
        liar.network,
        "_called",
        lambda event, *_: Ready(replies=(Reply(event.request_id, nonsense),)),
    )
    want(world)
    world.tick()
    assert fresh(world) == 0


def test_the_newest_note_is_asked_of_a_mirror_only_when_it_says_it_is_ahead() -> None:
    world = Neighbours()
    world.append(LOG, *entries(3))
    world.isolate(LOG)
    want(world)
    world.tick()
    asked = [item.path for caller, item in world.sent if caller == SELF]
    origin_paths = [path for path in asked if path.startswith(NEWEST)]
    assert len(origin_paths) <= 4  # those about our own log, at the start


def test_what_is_known_is_stored_once_a_size() -> None:
    world = Neighbours()
    world.append(LOG, *entries(3))
    world.run(200_000, 5_000)
    host = world.hosts[SELF]
    with host.engine.begin() as connection:
        found = load_newest_note(connection, LogIDs(), ROSTER.origin_of(LOG), finished=True)
    assert found is not None
    assert len(Note.decode(found[1]).signatures) <= 9
