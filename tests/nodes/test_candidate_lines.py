"""Lines that are kept: quiet networks, restarts, foreign witnesses, and the notes of epochs."""

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.cosignature import sign_line
from ledger.errors import MalformedError
from ledger.note import ED25519_COSIGNATURE, Note, VerifierKey, checkpoint_of
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
    encode_lines,
)
from nodes.core.notes import open_head
from nodes.core.ready import Ready
from nodes.core.submission import SendingLimits, backoff_ms
from nodes.store.entries import LogIDs
from nodes.store.notes import (
    load_cosigned,
    load_finished_above,
    load_memory,
    load_newest_note,
)
from tests.nodes.candidates import ME, OTHERS, Peers
from tests.nodes.neighbours import (
    REGIONS,
    START_MS,
    Neighbours,
    entries,
    key,
    make_roster,
    rosters_of,
)


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
    assert checkpoint_of(note).size == 1
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
                world.append(region, *entries(number, f"word {next(words)}"))
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
