"""One candidate at a time, its lines, and peers that are slow, away, or lie."""

from collections import Counter

import pytest

from ledger.note import Note
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    MirrorInfo,
    Upload,
)
from nodes.core.extension import EXTEND, decode_extension
from nodes.core.ready import PeerRequest
from nodes.core.submission import SendingLimits
from tests.nodes.candidates import ME, OTHERS, Peers
from tests.nodes.neighbours import (
    Neighbours,
    entries,
)


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


def test_nobody_is_asked_to_sign_a_log_that_is_not_judged_yet() -> None:
    peers = Peers()
    candidate = peers.host.network.candidate
    candidate.is_waiting = True
    peers.append(b"one")
    peers.tick(60_000)
    assert not peers.of(ADD_CHECKPOINT)
    candidate.is_waiting = False
    peers.tick(10)
    assert sorted(item.to for item in peers.of(ADD_CHECKPOINT)) == list(OTHERS)


def test_only_the_logs_own_line_is_submitted() -> None:
    peers = Peers()
    peers.append(b"one")
    peers.serve_all()
    peers.append(b"two")
    assert peers.of(EXTEND)
    for request in peers.of(EXTEND):
        checkpoint, _ = decode_extension(request.body)
        note = Note.decode(checkpoint.partition(b"\n\n")[2])
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
    free = [item for item in peers.of(EXTEND) if item.to in OTHERS[:3]]
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
    peers.append(*entries(5))
    request = peers.of(ADD_CHECKPOINT, OTHERS[0])[0]
    (again,) = peers.answer(request, 409, b"3\n")
    assert again.body.startswith(b"old 3\n")


@pytest.mark.parametrize("path", [ADD_CHECKPOINT, ADD_ENTRIES])
def test_a_peer_that_always_says_409_is_followed_a_few_times_and_then_backed_off(
    path: str,
) -> None:
    peers = Peers()
    peers.append(*entries(5))
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
    peers.append(*entries(1_000))
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
    peers.append(*entries(600))
    peers.serve(peers.of(ADD_CHECKPOINT, OTHERS[0])[0])
    (request,) = peers.of(ADD_ENTRIES, OTHERS[0])
    assert len(Upload.decode(request.body).packages) == 1


def test_the_mirrors_ticket_comes_back_to_it() -> None:
    peers = Peers(limits=SendingLimits(upload_entries_max=256))
    peers.append(*entries(300))
    peers.serve(peers.of(ADD_CHECKPOINT, OTHERS[0])[0])
    (request,) = peers.of(ADD_ENTRIES, OTHERS[0])
    info = MirrorInfo(pending_size=300, next_entry=256, ticket=b"remember me")
    (again,) = peers.answer(request, 202, info.encode())
    assert Upload.decode(again.body).ticket == b"remember me"


def test_a_mirror_whose_keys_rest_gets_everything_once_and_is_left_alone() -> None:
    world = Neighbours()
    resting = world.hosts[OTHERS[0]]
    resting.network.heads.rest("lost")
    world.append(ME, *entries(3))
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
        world.append(ME, *entries(100, f"batch {batch}"))
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
