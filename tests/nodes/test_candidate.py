"""One candidate at a time, its lines, and peers that are slow, away, or lie."""

from collections import Counter
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line
from ledger.errors import MalformedError
from ledger.note import ED25519_COSIGNATURE, Note, VerifierKey
from ledger.views import count_lines
from nodes.core.candidate import (
    ROUNDS_MAX,
    UNRECORDED,
    ForeignWitness,
    Quorums,
    decode_unrecorded,
    encode_unrecorded,
)
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    FINISHED,
    MirrorInfo,
    Upload,
    encode_lines,
)
from nodes.core.notes import open_head
from nodes.core.ready import PeerAnswered, PeerRequest, Ready, Tick
from nodes.core.submission import SendingLimits, backoff_ms
from nodes.store.entries import LogIDs
from nodes.store.notes import (
    load_cosigned,
    load_finished_above,
    load_memory,
    load_newest_note,
)
from tests.nodes.neighbours import (
    REGIONS,
    START_MS,
    Host,
    Neighbours,
    key,
    make_roster,
    rosters_of,
)

ME = "510000"
OTHERS = tuple(region for region in REGIONS if region != ME)


def many(count_: int, word: str = "entry") -> list[bytes]:
    return [f"{word} {index}".encode() for index in range(count_)]


class Peers:
    """Answers one host's requests by hand."""

    def __init__(self, **options: object) -> None:
        self.roster = make_roster()
        self.host = Host(self.roster, ME, **options)  # type: ignore[arg-type]
        self.now_ms = START_MS
        self.open: dict[int, PeerRequest] = {}

    def take(self, ready: Ready) -> list[PeerRequest]:
        self.open.update({item.request_id: item for item in ready.requests})
        return list(ready.requests)

    def append(self, *entries: bytes) -> list[PeerRequest]:
        return self.take(self.host.append(entries, self.now_ms))

    def tick(self, by_ms: int = 0) -> list[PeerRequest]:
        self.now_ms += by_ms
        return self.take(self.host.step([Tick()], self.now_ms))

    def answer(self, request: PeerRequest, status: int, body: bytes = b"") -> list[PeerRequest]:
        self.open.pop(request.request_id, None)
        event = PeerAnswered(request.request_id, status, body)
        return self.take(self.host.step([event], self.now_ms))

    def of(self, path: str, peer: str | None = None) -> list[PeerRequest]:
        return [
            item for item in self.open.values() if item.path == path and peer in {None, item.to}
        ]

    def line(self, request: PeerRequest, role: str, *, dated_s: int = 0, signer: str = "") -> bytes:
        """Return the line that an honest peer gives for the newest note."""
        region = signer or request.to
        name = f"{self.roster.origin_of(region)}/{role}"
        head = self.head(request)
        line = sign_line(name, key(region, role), head, self.now_ms // 1000 + dated_s)
        return encode_lines((line.to_signature(name),))

    def head(self, request: PeerRequest) -> Checkpoint:
        if request.path == ADD_CHECKPOINT:
            note = request.body.partition(b"\n\n")[2]
            return Checkpoint.decode(Note.decode(note).text)
        return self.host.log.checkpoint(Upload.decode(request.body).end)

    def serve(self, request: PeerRequest) -> list[PeerRequest]:
        """Answer as an honest peer that agrees with everything."""
        match request.path:
            case "/c2sp/add-checkpoint":
                return self.answer(request, 200, self.line(request, "witness"))
            case "/c2sp/add-entries":
                return self.answer(request, 200, self.line(request, "mirror"))
            case "/peer/finished":
                return self.answer(request, 204)
            case _:
                return self.answer(request, 404)

    def serve_all(self, rounds: int = 200) -> None:
        for _ in range(rounds):
            if not self.open:
                return
            self.serve(next(iter(self.open.values())))
        raise AssertionError("never falls silent")


def test_one_act_is_witnessed_and_replicated_by_all() -> None:
    world = Neighbours()
    world.append(ME, b"genesis", b"one")
    host = world.hosts[ME]
    assert host.network.witnessed_size == host.network.replicated_size == 2
    for region in OTHERS:
        other = world.hosts[region].network
        row = other.rows[host.origin]
        assert (row.witnessed_size, row.mirrored_size) == (2, 2)
        known = other.known[host.origin]
        assert (known.size, known.root) == (2, host.log.checkpoint().root)


def test_a_publication_goes_to_all_at_once_and_each_has_one_request_in_flight() -> None:
    peers = Peers()
    peers.append(b"one")
    assert sorted(item.to for item in peers.of(ADD_CHECKPOINT)) == list(OTHERS)
    peers.append(b"two")
    peers.tick(10)
    counts = Counter((item.to, item.path == ADD_CHECKPOINT) for item in peers.open.values())
    assert set(counts.values()) == {1}


def test_only_the_logs_own_line_is_submitted() -> None:
    peers = Peers()
    peers.append(b"one")
    peers.serve_all()
    peers.append(b"two")
    for request in peers.of(ADD_CHECKPOINT):
        note = Note.decode(request.body.partition(b"\n\n")[2])
        assert [item.name for item in note.signatures] == [peers.host.origin]


def test_the_next_candidate_waits_for_the_quorums_of_the_one_before() -> None:
    peers = Peers()
    peers.append(b"one")
    peers.append(b"two")
    for region in OTHERS[:2]:
        for path in (ADD_CHECKPOINT, ADD_ENTRIES):
            peers.serve(peers.of(path, region)[0])
    assert all(peers.head(item).size == 1 for item in peers.of(ADD_CHECKPOINT))
    assert peers.host.network.witnessed_size == 0
    third = OTHERS[2]
    peers.serve(peers.of(ADD_CHECKPOINT, third)[0])
    assert (peers.host.network.witnessed_size, peers.host.network.replicated_size) == (1, 0)
    peers.serve(peers.of(ADD_ENTRIES, third)[0])
    assert peers.host.network.replicated_size == 1
    free = [item for item in peers.of(ADD_CHECKPOINT) if item.to in OTHERS[:3]]
    assert [peers.head(item).size for item in free] == [2, 2, 2]


def test_a_candidate_without_quorum_gives_way_when_its_time_is_up() -> None:
    peers = Peers()
    peers.append(b"one")
    peers.append(b"two")
    peers.serve(peers.of(ADD_CHECKPOINT, OTHERS[0])[0])
    timeout_ms = peers.roster.constants.candidate_ms
    assert peers.host.wake_at_ms is not None
    peers.tick(timeout_ms - 1)
    assert peers.host.network.candidate.head.checkpoint.size == 1
    peers.tick(1)
    assert peers.host.network.candidate.head.checkpoint.size == 2
    # Who still has the old one in flight is sent the new one after its answer.
    slow = peers.of(ADD_CHECKPOINT, OTHERS[1])[0]
    (request,) = [item for item in peers.serve(slow) if item.to == OTHERS[1]]
    assert (request.path, peers.head(request).size) == (ADD_CHECKPOINT, 2)


def test_late_lines_still_complete_an_earlier_candidate() -> None:
    peers = Peers()
    peers.append(b"one")
    peers.append(b"two")
    first = {item.to: item for item in peers.of(ADD_CHECKPOINT)}
    peers.tick(peers.roster.constants.candidate_ms)
    for region in OTHERS[:3]:
        peers.serve(first[region])
    assert peers.host.network.witnessed_size == 1


def test_lines_that_do_not_hold_are_not_counted() -> None:
    peers = Peers()
    peers.append(b"one")
    wrong = iter(
        (
            b"",
            b"nonsense",
            peers.line(peers.of(ADD_CHECKPOINT, OTHERS[2])[0], "mirror"),
            peers.line(peers.of(ADD_CHECKPOINT, OTHERS[3])[0], "witness", signer=OTHERS[0]),
        )
    )
    for region in OTHERS:
        peers.answer(peers.of(ADD_CHECKPOINT, region)[0], 200, next(wrong))
    assert peers.host.network.witnessed_size == 0
    assert not peers.host.network.candidate._current.witness


def test_a_line_of_ones_neighbour_counts_for_nobody() -> None:
    """Three peers that all send the one good line they know are not a quorum."""
    peers = Peers()
    peers.append(b"one")
    line = peers.line(peers.of(ADD_CHECKPOINT, OTHERS[0])[0], "witness")
    for region in OTHERS:
        peers.answer(peers.of(ADD_CHECKPOINT, region)[0], 200, line)
    assert [it for it, _ in peers.host.network.candidate._current.witness] == [OTHERS[0]]
    assert peers.host.network.witnessed_size == 0


def test_a_line_dated_beyond_our_clock_and_its_tolerance_is_not_counted() -> None:
    peers = Peers()
    peers.append(b"one")
    delta_s = peers.roster.constants.delta_s
    ahead, edge = OTHERS[0], OTHERS[1]
    request = peers.of(ADD_CHECKPOINT, ahead)[0]
    peers.answer(request, 200, peers.line(request, "witness", dated_s=delta_s + 1))
    request = peers.of(ADD_CHECKPOINT, edge)[0]
    peers.answer(request, 200, peers.line(request, "witness", dated_s=delta_s))
    assert [it for it, _ in peers.host.network.candidate._current.witness] == [edge]


def test_duplicate_late_and_made_up_answers_change_nothing() -> None:
    peers = Peers()
    peers.append(b"one")
    request = peers.of(ADD_CHECKPOINT, OTHERS[0])[0]
    body = peers.line(request, "witness")
    peers.answer(request, 200, body)
    before = peers.host.network.health()
    assert peers.answer(request, 409, b"7\n") == []
    assert peers.answer(PeerRequest(10_000, ME, "", b"", 0), 200, body) == []
    assert peers.host.network.health() == before


def test_an_answer_that_never_comes_is_given_up_and_ignored_when_late() -> None:
    limits = SendingLimits(timeout_ms=1_000)
    peers = Peers(limits=limits)
    peers.append(b"one")
    lost = peers.of(ADD_CHECKPOINT, OTHERS[0])[0]
    peers.tick(2_500)
    again = [item for item in peers.tick(200) if item.to == OTHERS[0]]
    assert [item.path for item in again if item.path == ADD_CHECKPOINT] == [ADD_CHECKPOINT]
    peers.answer(lost, 200, peers.line(lost, "witness"))
    assert not peers.host.network.candidate._current.witness


def test_a_409_is_followed_at_once_with_the_proof_from_there() -> None:
    peers = Peers()
    peers.append(*many(5))
    request = peers.of(ADD_CHECKPOINT, OTHERS[0])[0]
    (again,) = peers.answer(request, 409, b"3\n")
    assert again.body.startswith(b"old 3\n")


@pytest.mark.parametrize("path", [ADD_CHECKPOINT, ADD_ENTRIES])
def test_a_peer_that_always_says_409_is_followed_a_few_times_and_then_backed_off(
    path: str,
) -> None:
    peers = Peers()
    peers.append(*many(5))
    victim = OTHERS[0]
    if path == ADD_ENTRIES:
        peers.serve(peers.of(ADD_CHECKPOINT, victim)[0])
    asked = 0
    for _ in range(600):
        for request in [item for item in peers.open.values() if item.to == victim]:
            asked += 1
            if request.path == path:
                body = (
                    b"2\n"
                    if path == ADD_CHECKPOINT
                    else MirrorInfo(pending_size=5, next_entry=asked % 5).encode()
                )
                peers.answer(request, 409, body)
            else:
                peers.serve(request)
        peers.tick(10)
    limits = SendingLimits()
    per_burst = 2 * limits.conflicts_max + 4
    assert asked < 8 * per_burst  # six seconds of back-off, not six hundred rounds


def test_a_peer_that_claims_more_than_we_have_is_backed_off_and_named() -> None:
    peers = Peers()
    peers.append(b"one")
    assert peers.answer(peers.of(ADD_CHECKPOINT, OTHERS[0])[0], 409, b"9\n") == []
    health = peers.host.network.health()[OTHERS[0]]
    assert (health.claimed_size, health.failures) == (9, 1)


def test_nonsense_from_a_peer_costs_one_request_per_backoff() -> None:
    peers = Peers()
    peers.append(b"one")
    bodies = (b"\n", b"x" * 100, b"-1\n", b"9" * 30 + b"\n", b"\xff\xfe")
    for status in (200, 202, 409, 400, 403, 404, 422, 500, 503, 0, 999):
        for body in bodies:
            for request in peers.of(ADD_CHECKPOINT, OTHERS[0]):
                assert peers.answer(request, status, body) == []
            peers.tick(SendingLimits().backoff_ms_max)
    assert peers.host.network.witnessed_size == 0
    for _ in range(3):
        peers.serve_all()
        peers.tick(SendingLimits().backoff_ms_max)
    assert peers.host.network.replicated_size == 1


def test_a_slow_mirror_gets_its_entries_in_chunks_until_it_signs() -> None:
    peers = Peers(limits=SendingLimits(upload_entries_max=256))
    peers.append(*many(1_000))
    victim = OTHERS[0]
    peers.serve(peers.of(ADD_CHECKPOINT, victim)[0])
    starts = []
    while True:
        (request,) = peers.of(ADD_ENTRIES, victim)
        made = Upload.decode(request.body)
        starts.append(made.start)
        end = made.packages[-1].end
        if end == 1_000:
            break
        peers.answer(request, 202, MirrorInfo(pending_size=1_000, next_entry=end).encode())
    assert starts == [0, 256, 512, 768]


def test_an_upload_ends_where_its_bytes_do_but_holds_a_package() -> None:
    peers = Peers(limits=SendingLimits(upload_bytes_max=1))
    peers.append(*many(600))
    peers.serve(peers.of(ADD_CHECKPOINT, OTHERS[0])[0])
    (request,) = peers.of(ADD_ENTRIES, OTHERS[0])
    assert len(Upload.decode(request.body).packages) == 1


def test_the_mirrors_ticket_comes_back_to_it() -> None:
    peers = Peers(limits=SendingLimits(upload_entries_max=256))
    peers.append(*many(300))
    peers.serve(peers.of(ADD_CHECKPOINT, OTHERS[0])[0])
    (request,) = peers.of(ADD_ENTRIES, OTHERS[0])
    info = MirrorInfo(pending_size=300, next_entry=256, ticket=b"remember me")
    (again,) = peers.answer(request, 202, info.encode())
    assert Upload.decode(again.body).ticket == b"remember me"


def test_a_mirror_whose_keys_rest_gets_everything_once_and_is_left_alone() -> None:
    world = Neighbours()
    resting = world.hosts[OTHERS[0]]
    resting.network.heads.rest("lost")
    world.append(ME, *many(3))
    host = world.hosts[ME]
    assert host.network.replicated_size == 3
    assert resting.network.stored_size(host.origin) == 3
    before = len(world.sent)
    world.tick(1_000)
    assert len(world.sent) == before


def test_finality_needs_exactly_a_quorum() -> None:
    world = Neighbours()
    world.cut |= {(ME, OTHERS[0])}
    world.append(ME, b"one")
    assert world.hosts[ME].network.replicated_size == 1
    world.cut |= {(ME, OTHERS[1])}
    world.append(ME, b"two")
    assert world.hosts[ME].network.witnessed_size == 1
    assert world.hosts[ME].network.replicated_size == 1


def test_a_peer_that_was_away_for_long_catches_up_by_itself() -> None:
    world = Neighbours(limits=SendingLimits(upload_entries_max=256))
    away = OTHERS[3]
    world.isolate(away)
    for batch in range(12):
        world.append(ME, *many(100, f"batch {batch}"))
        world.run(500)
    host = world.hosts[ME]
    assert host.network.replicated_size == 1_200
    world.cut.clear()
    world.run(6_000)
    row = world.hosts[away].network.rows[host.origin]
    assert (row.witnessed_size, row.mirrored_size) == (1_200, 1_200)
    assert world.hosts[away].network.known[host.origin].size == 1_200


def test_a_peer_that_speaks_to_us_again_is_tried_at_once() -> None:
    world = Neighbours()
    away = OTHERS[3]
    world.isolate(away)
    world.append(ME, b"one")
    world.run(20_000)
    world.cut.clear()
    world.append(away, b"theirs")
    world.tick()
    assert world.hosts[away].network.rows[world.hosts[ME].origin].mirrored_size == 1


def test_a_living_logs_lines_never_grow_older_than_the_refresh_time() -> None:
    world = Neighbours()
    world.append(ME, b"one")
    refresh_s = world.roster.constants.refresh_s
    origin = world.hosts[ME].origin
    for _ in range(20):
        world.run(15_000, 1_000)
        for region in OTHERS:
            known = world.hosts[region].network.known[origin]
            assert world.now_ms // 1000 - known.fresh_at_s <= refresh_s


def test_a_quiet_network_is_nearly_silent() -> None:
    world = Neighbours()
    for region in REGIONS:
        world.append(region, b"one")
    world.run(5_000)
    before = len(world.sent)
    world.run(30_000)
    assert len(world.sent) == before


def test_finished_notes_are_told_once_and_only_the_newest_to_who_was_busy() -> None:
    peers = Peers()
    busy = OTHERS[0]
    for size in (1, 2, 3):
        peers.append(b"entry %d" % size)
        for _ in range(60):
            waiting = [
                item for item in peers.open.values() if item.path != FINISHED or item.to != busy
            ]
            if not waiting:
                break
            peers.serve(waiting[0])
    (told,) = peers.of(FINISHED, busy)
    assert open_head(told.body, rosters_of(peers.roster))[0].checkpoint.size == 1
    (newest,) = [item for item in peers.serve(told) if item.path == FINISHED]
    assert open_head(newest.body, rosters_of(peers.roster))[0].checkpoint.size == 3
    assert peers.serve(newest) == []


def test_unrecorded_holds_the_first_lines_of_a_quorum_until_they_are_recorded() -> None:
    world = Neighbours()
    world.append(ME, b"one")
    world.append(ME, b"two")
    host = world.hosts[ME]
    items = host.network.unrecorded()
    assert [item.size for item in items] == [1, 2]
    for item in items:
        checkpoint = host.log.checkpoint(item.size)
        assert item.root == checkpoint.root
        assert len(item.lines) == world.roster.quorum(host.origin)
        assert len(count_lines(world.roster, host.origin, item).covers) == 3
    host.load()
    assert host.network.unrecorded() == items
    host.step((), world.now_ms, also=lambda *_: Ready(writes=host.network.recorded([1])))
    assert [item.size for item in host.network.unrecorded()] == [2]
    host.load()
    assert [item.size for item in host.network.unrecorded()] == [2]
    assert host.network.recorded([1, 7]) == ()


def test_a_refresh_brings_nothing_new_to_record() -> None:
    world = Neighbours()
    world.append(ME, b"one")
    host = world.hosts[ME]
    host.step((), world.now_ms, also=lambda *_: Ready(writes=host.network.recorded([1])))
    world.run(120_000, 1_000)
    assert host.network.unrecorded() == ()
    host.load()
    world.run(120_000, 1_000)
    assert host.network.unrecorded() == ()


def test_what_is_remembered_of_lines_is_read_back_or_refused() -> None:
    world = Neighbours()
    world.append(ME, b"one")
    items = world.hosts[ME].network.unrecorded()
    assert tuple(decode_unrecorded(encode_unrecorded(items)).values()) == items
    for value in (b"\x01", b"\x81\x01", b"", b"\x81\x83\x01\x41a\x01"):
        with pytest.raises(MalformedError):
            decode_unrecorded(value)
    with world.hosts[ME].engine.begin() as connection:
        assert load_memory(connection)[UNRECORDED] == encode_unrecorded(items)


def test_the_words_survive_a_restart_and_nothing_is_claimed_without_lines() -> None:
    world = Neighbours()
    world.append(ME, b"one")
    world.append(ME, b"two")
    host = world.hosts[ME]
    world.isolate(ME)
    world.append(ME, b"three")
    host.load()
    assert (host.network.witnessed_size, host.network.replicated_size) == (2, 2)
    with host.engine.begin() as connection:
        finished = dict(load_finished_above(connection, LogIDs(), host.origin, 0))
    assert list(finished) == [1, 2]
    names = {item.name for item in Note.decode(finished[1]).signatures}
    # The log, four witnesses, four mirrors: the fourth's too, which the next quorum took along.
    assert len(names) == 9


def test_late_lines_of_candidates_that_are_forgotten_are_kept() -> None:
    peers = Peers()
    peers.append(b"0")
    [*early, last] = [peers.of(ADD_CHECKPOINT, region)[0] for region in OTHERS]
    for request in (*early, last):
        peers.serve(request)
    for number in range(1, ROUNDS_MAX + 1):
        peers.append(b"%d" % number)
        peers.tick(peers.roster.constants.candidate_ms)
    with peers.host.engine.begin() as connection:
        note = load_cosigned(connection, LogIDs(), peers.host.origin)[0]
    assert Checkpoint.decode(Note.decode(note).text).size == 1
    assert len(Note.decode(note).signatures) == 1 + len(OTHERS)


def test_alone_in_its_network_a_log_claims_nothing() -> None:
    world = Neighbours(make_roster([ME]))
    world.append(ME, b"one")
    world.run(5_000)
    host = world.hosts[ME]
    assert (host.network.witnessed_size, host.network.replicated_size) == (0, 0)
    assert world.sent == []


FOREIGN_KEY = VerifierKey("witness.example/w1", ED25519_COSIGNATURE, key("foreign", "log").public)


def test_a_foreign_witness_is_sent_notes_and_its_line_is_kept_but_not_counted() -> None:
    peers = Peers(foreign=[ForeignWitness("w1", FOREIGN_KEY)])
    peers.append(b"one")
    (request,) = [item for item in peers.open.values() if item.to == "witness:w1"]
    assert request.path == ADD_CHECKPOINT
    for region in OTHERS[:2]:
        peers.serve(peers.of(ADD_CHECKPOINT, region)[0])
    line = sign_line(FOREIGN_KEY.name, key("foreign", "log"), peers.head(request), START_MS // 1000)
    body = encode_lines((line.to_signature(FOREIGN_KEY.name),))
    assert peers.answer(request, 200, body) == []
    assert peers.host.network.witnessed_size == 0
    third = OTHERS[2]
    peers.serve(peers.of(ADD_CHECKPOINT, third)[0])
    for region in OTHERS[:3]:
        peers.serve(peers.of(ADD_ENTRIES, region)[0])
    with peers.host.engine.begin() as connection:
        found = load_newest_note(connection, LogIDs(), peers.host.origin, finished=True)
    assert found is not None
    assert FOREIGN_KEY.name in [item.name for item in Note.decode(found[1]).signatures]


@pytest.mark.parametrize("count", [0, 4])
def test_a_foreign_line_that_comes_alone_is_served_at_once(count: int) -> None:
    peers = Peers(foreign=[ForeignWitness("w1", FOREIGN_KEY)])
    peers.append(b"one")
    (request,) = [item for item in peers.open.values() if item.to == "witness:w1"]
    for region in OTHERS[:count]:
        peers.serve(peers.of(ADD_CHECKPOINT, region)[0])
        peers.serve(peers.of(ADD_ENTRIES, region)[0])
    line = sign_line(FOREIGN_KEY.name, key("foreign", "log"), peers.head(request), START_MS // 1000)
    peers.answer(request, 200, encode_lines((line.to_signature(FOREIGN_KEY.name),)))
    with peers.host.engine.begin() as connection:
        found = load_newest_note(connection, LogIDs(), peers.host.origin)
    assert found is not None
    assert FOREIGN_KEY.name in [item.name for item in Note.decode(found[1]).signatures]


def test_a_foreign_witness_that_lies_is_not_kept() -> None:
    peers = Peers(foreign=[ForeignWitness("w1", FOREIGN_KEY)])
    peers.append(b"one")
    (request,) = [item for item in peers.open.values() if item.to == "witness:w1"]
    forged = sign_line(FOREIGN_KEY.name, key("other", "log"), peers.head(request), 1)
    wrong = forged.to_signature(FOREIGN_KEY.name)
    body = encode_lines((type(wrong)(wrong.name, FOREIGN_KEY.key_id, wrong.blob),))
    peers.answer(request, 200, body)
    assert not peers.host.network.candidate._current.foreign


@given(attempt=st.integers(1, 200), who=st.text(max_size=9))
def test_backoff_grows_to_its_limit_and_is_never_nothing(attempt: int, who: str) -> None:
    limits = SendingLimits()
    wait_ms = backoff_ms(limits, who, attempt)
    longest = min(limits.backoff_ms_min * 2 ** (attempt - 1), limits.backoff_ms_max)
    assert longest // 2 <= wait_ms <= longest
    assert wait_ms == backoff_ms(limits, who, attempt)


def test_limits_that_make_no_sense_are_refused() -> None:
    for wrong in (
        {"upload_entries_max": 255},
        {"upload_entries_max": 257},
        {"backoff_ms_min": 10, "backoff_ms_max": 9},
        {"timeout_ms": 0},
    ):
        with pytest.raises(MalformedError):
            SendingLimits(**wrong)


@settings(max_examples=15)
@given(
    schedule=st.lists(
        st.tuples(
            st.sampled_from(["append", "run", "cut", "heal", "restart", "skip"]),
            st.sampled_from(REGIONS),
            st.integers(1, 300),
        ),
        max_size=14,
    )
)
def test_whatever_happens_all_is_replicated_everywhere_once_it_is_over(
    schedule: list[tuple[str, str, int]],
) -> None:
    world = Neighbours(limits=SendingLimits(upload_entries_max=256))
    words = count()
    for what, region, number in schedule:
        host = world.hosts[region]
        before = host.network.replicated_size
        match what:
            case "append":
                world.append(region, *many(number, f"word {next(words)}"))
            case "run":
                world.run(number * 10)
            case "cut":
                world.isolate(region)
            case "heal":
                world.cut.clear()
            case "restart":
                host.load()
            case _:
                world.now_ms += number * 100
        assert world.hosts[region].network.replicated_size >= before
    world.cut.clear()
    world.run(12_000)
    # Who starts again right after a tiding may have lost it, until the next refresh.
    world.run(50_000, 2_500)
    for host in world.hosts.values():
        size = len(host.log.entries)
        assert host.network.witnessed_size == host.network.replicated_size == size
        for other in world.hosts.values():
            if other is not host and size:
                row = other.network.rows[host.origin]
                assert (row.witnessed_size, row.mirrored_size) == (size, size)
                assert other.network.known[host.origin].size == size


def test_who_owes_lines_on_the_note_of_an_epoch_is_asked_again_soon_and_then_less_often() -> None:
    peers = Peers()
    late = OTHERS[:2]  # too many for a quorum by the new version without them
    members = dict(peers.roster.members)
    for region in late:
        keys = replace(members[region].keys, mirror=key(region, "mirror 2").public)
        members[region] = replace(members[region], keys=keys)
    newer = replace(peers.roster, members=members)
    candidate = peers.host.network.candidate
    candidate._asked = lambda _size: Quorums((peers.roster, newer), is_epoch=True)
    peers.append(b"genesis")
    peers.serve_all()
    assert not peers.tick(99)
    assert sorted(item.to for item in peers.tick(1)) == list(late)
    # They still sign by the key that they know.
    peers.serve_all()
    assert not peers.tick(99)
    assert len(peers.tick(1)) == len(late)
    peers.serve_all()
    assert not peers.tick(199)
    assert len(peers.tick(1)) == len(late)
    for _ in range(10):
        peers.serve_all()
        peers.tick(2_000)
    assert {item.to for item in peers.open.values()} == set(late)


def test_without_an_epoch_nobody_is_asked_again_before_a_refresh() -> None:
    peers = Peers()
    peers.append(b"genesis")
    peers.serve_all()
    assert not peers.tick(40_000)
