"""The status table of add-entries, row by row, and when a mirror signs."""

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.cosignature import Line, check_line
from ledger.hashing import hash_leaf
from ledger.note import Note
from ledger.proofs import prove_consistency
from ledger.tiles import decode_entry_bundle, entries_path, extend_tiles, tile_path
from nodes.core.copies import node_reader
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    LINES,
    MIRROR,
    MIRROR_INFO_TYPE,
    NEWEST,
    MirrorInfo,
    Package,
    Upload,
    decode_lines,
    encode_add_checkpoint,
    origin_hash,
)
from nodes.core.notes import open_head
from nodes.core.ready import AppendEntries, PeerCalled, PeerReply, Ready
from nodes.core.submission import SendingLimits, packages
from nodes.store.peers import load_lines
from nodes.store.reader import StoreReader
from tests.nodes.neighbours import START_MS, Host, Log, LogReader, key, make_roster, rosters_of

ROSTER = make_roster()
LOG, SELF, OTHER = "510000", "500000", "520000"
NAME = f"{ROSTER.origin_of(SELF)}/mirror"
ids = count(1)


def entries(count_: int, branch: str = "") -> list[bytes]:
    return [f"entry {index} {branch}".encode() for index in range(count_)]


@pytest.fixture(name="host")
def make_host() -> Host:
    return Host(ROSTER, SELF)


@pytest.fixture(name="log", scope="module")
def make_log() -> Log:
    return Log(LOG, entries(700))


def call(
    host: Host,
    path: str,
    body: bytes = b"",
    now_ms: int = START_MS,
    caller: str | None = LOG,
    **options: str,
) -> PeerReply:
    event = PeerCalled(next(ids), path, body, caller)
    ready = host.step([event], now_ms, **options)  # type: ignore[arg-type]
    if not ready.replies:
        return PeerReply(0)
    value = ready.replies[0].value
    assert isinstance(value, PeerReply)
    return value


def checkpoint(host: Host, log: Log, size: int, now_ms: int = START_MS) -> None:
    row = host.network.rows.get(log.origin)
    old = 0 if row is None else row.witnessed_size
    proof = (
        prove_consistency(old, size, node_reader(LogReader(log), log.origin)) if old < size else ()
    )
    reply = call(host, ADD_CHECKPOINT, encode_add_checkpoint(old, proof, log.note(size)), now_ms)
    assert reply.status == 200


def upload(log: Log, start: int, end: int, packages_max: int = 32) -> Upload:
    limits = SendingLimits(upload_entries_max=256 * packages_max)
    made = packages(log.origin, start, end, LogReader(log), limits)
    return Upload(origin=log.origin, start=start, end=end, packages=made)


def send(host: Host, made: Upload, now_ms: int = START_MS, **options: str) -> PeerReply:
    return call(host, ADD_ENTRIES, made.encode(), now_ms, **options)


def check_signed(reply: PeerReply, log: Log, size: int) -> Line:
    assert reply.status == 200, reply
    (signature,) = decode_lines(reply.body)
    assert signature.name == NAME
    line = Line.from_signature(signature)
    check_line(line, NAME, key(SELF, "mirror").public, log.checkpoint(size))
    return line


def stored(host: Host, log: Log) -> list[bytes]:
    with host.engine.begin() as connection:
        return list(StoreReader(connection).entries(log.origin, 0, 10_000))


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 700])
def test_all_entries_in_one_upload_are_stored_and_signed(host: Host, log: Log, size: int) -> None:
    checkpoint(host, log, size)
    check_signed(send(host, upload(log, 0, size)), log, size)
    assert stored(host, log) == log.entries[:size]
    with host.engine.begin() as connection:
        update = extend_tiles(0, (), [hash_leaf(entry) for entry in log.entries[:size]])
        found = StoreReader(connection).tiles(log.origin, list(update.tiles))
        assert found == update.tiles


def test_a_log_grows_by_pieces_of_any_size_over_restarts(host: Host, log: Log) -> None:
    held = 0
    for size in (1, 3, 200, 256, 300, 513, 700):
        checkpoint(host, log, size)
        check_signed(send(host, upload(log, held, size)), log, size)
        held = size
        host.load()
    assert stored(host, log) == log.entries


@pytest.mark.parametrize("have", [255, 256, 257, 512])
def test_entries_are_stored_only_beside_those_of_their_own_branch(
    host: Host, log: Log, have: int
) -> None:
    """What its mirrors gave us of a liar's log is on another branch than its note that we have."""
    checkpoint(host, log, 700)
    other = [*log.entries[:200], *entries(have, "forked")[200:]]
    leaves = tuple(hash_leaf(entry) for entry in other)
    write = AppendEntries(
        log.origin, 0, tuple(other), leaves, extend_tiles(0, (), list(leaves)).tiles
    )
    host.step((), START_MS, also=lambda _connection, _reader: Ready(writes=(write,)))
    host.load()
    assert send(host, upload(log, have, 700)).status == 422
    assert stored(host, log) == other


def test_404_for_an_unknown_log_and_400_for_a_header_that_is_cut(host: Host, log: Log) -> None:
    assert send(host, Upload(origin="other.example/510000", start=0, end=0)).status == 404
    assert send(host, Upload(origin=ROSTER.origin_of(SELF), start=0, end=0)).status == 404
    whole = Upload(origin=log.origin, start=0, end=0).encode()
    for end in range(len(whole)):
        assert call(host, ADD_ENTRIES, whole[:end]).status == 400


def test_422_before_there_ever_was_a_pending_checkpoint(host: Host, log: Log) -> None:
    assert send(host, upload(log, 0, 5)).status == 422


def info(reply: PeerReply, status: int) -> MirrorInfo:
    assert (reply.status, reply.content_type) == (status, MIRROR_INFO_TYPE), reply
    return MirrorInfo.decode(reply.body)


def test_409_for_an_end_that_is_not_pending(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    for end in (0, 299, 301):
        found = info(send(host, upload(log, 0, end)), 409)
        assert (found.pending_size, found.next_entry) == (300, 0)


def test_409_for_a_start_beyond_the_next_entry(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    assert info(send(host, upload(log, 1, 300)), 409).next_entry == 0


def test_409_for_an_end_below_what_the_mirror_signed(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    check_signed(send(host, upload(log, 0, 300)), log, 300)
    checkpoint(host, log, 400)
    assert info(send(host, upload(log, 0, 200)), 409).pending_size == 400


def test_409_for_far_too_much_that_is_stored_already(host: Host) -> None:
    log = Log(LOG, entries(8_200))
    checkpoint(host, log, 8_200)
    check_signed(send(host, upload(log, 0, 8_200, packages_max=40)), log, 8_200)
    assert info(send(host, upload(log, 0, 8_200)), 409).next_entry == 8_200


def test_400_where_no_package_is_whole(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    whole = upload(log, 0, 300, packages_max=1).encode()
    assert call(host, ADD_ENTRIES, whole[:-1]).status == 400
    assert send(host, Upload(origin=log.origin, start=0, end=300)).status == 400
    assert stored(host, log) == []


def test_400_for_bytes_after_the_last_package(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    assert call(host, ADD_ENTRIES, upload(log, 0, 300).encode() + b"x").status == 400


def test_202_for_a_prefix_with_the_next_entry_and_then_the_rest_is_signed(
    host: Host, log: Log
) -> None:
    checkpoint(host, log, 700)
    found = info(send(host, upload(log, 0, 700, packages_max=1)), 202)
    assert (found.pending_size, found.next_entry) == (700, 256)
    whole = upload(log, 256, 700).encode()
    assert info(call(host, ADD_ENTRIES, whole[:-1]), 202).next_entry == 512  # the last is cut
    check_signed(send(host, upload(log, 512, 700)), log, 700)


def test_what_is_stored_already_is_passed_over(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    check_signed(send(host, upload(log, 0, 300)), log, 300)
    checkpoint(host, log, 700)
    check_signed(send(host, upload(log, 100, 700)), log, 700)
    assert stored(host, log) == log.entries


@pytest.mark.parametrize("at", [0, 299, 300, 511, 512, 699])
def test_422_for_one_changed_entry_and_what_was_proved_before_it_stays(
    host: Host, log: Log, at: int
) -> None:
    checkpoint(host, log, 700)
    good = upload(log, 0, 700)
    changed = [
        Package(
            item.start,
            tuple(
                b"changed" if item.start + offset == at else entry
                for offset, entry in enumerate(item.entries)
            ),
            item.proof,
        )
        for item in good.packages
    ]
    reply = send(host, Upload(origin=log.origin, start=0, end=700, packages=tuple(changed)))
    assert reply.status == 422
    assert stored(host, log) == log.entries[: at - at % 256]
    held = len(stored(host, log))
    check_signed(send(host, upload(log, held, 700)), log, 700)


def test_422_for_a_wrong_proof(host: Host, log: Log) -> None:
    checkpoint(host, log, 700)
    (first, *_) = upload(log, 0, 700).packages
    for proof in ((), first.proof[::-1], (*first.proof, b"x" * 32)):
        made = Package(0, first.entries, proof)
        reply = send(host, Upload(origin=log.origin, start=0, end=700, packages=(made,)))
        assert reply.status == 422
    assert stored(host, log) == []


def test_entries_of_a_branch_that_was_not_witnessed_are_refused(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    fork = Log(LOG, entries(300, "fork"))
    assert send(host, upload(fork, 0, 300)).status == 422


def test_an_empty_upload_at_the_mirrors_size_refreshes_the_time(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    first = check_signed(send(host, upload(log, 0, 300)), log, 300)
    later = check_signed(send(host, upload(log, 300, 300), START_MS + 9_000), log, 300)
    assert later.time_s == first.time_s + 9


def test_the_mirrors_own_size_is_refreshed_while_a_larger_one_is_pending(
    host: Host, log: Log
) -> None:
    checkpoint(host, log, 300)
    check_signed(send(host, upload(log, 0, 300)), log, 300)
    checkpoint(host, log, 700)
    info(send(host, upload(log, 300, 700, packages_max=1)), 202)
    check_signed(send(host, upload(log, 300, 300)), log, 300)
    host.load()
    check_signed(send(host, upload(log, 300, 300)), log, 300)


def test_the_mirror_key_signs_nothing_before_all_is_stored(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    send(host, upload(log, 0, 300, packages_max=1))
    with host.engine.begin() as connection:
        assert load_lines(connection, log.origin, "mirror") == []
    assert host.network.rows[log.origin].mirrored_size == 0


def test_both_keys_share_one_time(host: Host, log: Log) -> None:
    checkpoint(host, log, 300, START_MS + 3_000)
    line = check_signed(send(host, upload(log, 0, 300), START_MS), log, 300)
    assert line.time_s == START_MS // 1000 + 3


def test_a_clock_far_back_stores_but_does_not_sign(host: Host, log: Log) -> None:
    checkpoint(host, log, 300, START_MS + 30_000)
    assert send(host, upload(log, 0, 300), START_MS).status == 503
    assert len(stored(host, log)) == 300
    check_signed(send(host, upload(log, 300, 300), START_MS + 30_000), log, 300)


def test_resting_keys_store_and_say_202_at_the_end(host: Host, log: Log) -> None:
    host.network.heads.rest("lost")
    checkpoint(host, log, 300)
    found = info(send(host, upload(log, 0, 300)), 202)
    assert found.next_entry == found.pending_size == 300
    assert len(stored(host, log)) == 300
    with host.engine.begin() as connection:
        assert load_lines(connection, log.origin, "mirror") == []


def test_a_halted_node_stores_nothing(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    host.network.halt("behind-fence")
    assert send(host, upload(log, 0, 300)).status == 503
    assert stored(host, log) == []


def test_a_convicted_log_gets_no_more_lines(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    fork = Log(LOG, entries(300, "fork"))
    call(host, ADD_CHECKPOINT, encode_add_checkpoint(300, (), fork.note()))
    assert send(host, upload(log, 0, 300)).status == 422


def test_an_altered_copy_is_not_signed_for(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    check_signed(send(host, upload(log, 0, 300)), log, 300)
    with host.engine.begin() as connection:
        connection.exec_driver_sql("update tiles set hashes = zeroblob(length(hashes))")
    host.load()
    assert send(host, upload(log, 300, 300)).status == 503


def test_lines_are_given_on_exactly_the_mirrored_note_and_dated_now(host: Host, log: Log) -> None:
    checkpoint(host, log, 300)
    check_signed(send(host, upload(log, 0, 300)), log, 300)
    line = check_signed(call(host, LINES, log.note(300), START_MS + 4_000, OTHER), log, 300)
    assert line.time_s == START_MS // 1000 + 4
    for size in (299, 301):
        reply = call(host, LINES, log.note(size), START_MS + 4_000, OTHER)
        assert (reply.status, reply.body) == (409, b"300\n")
    checkpoint(host, log, 400)
    check_signed(call(host, LINES, log.note(300), START_MS + 4_000, OTHER), log, 300)


def test_lines_on_another_root_of_the_mirrored_size_are_refused_and_convict(
    host: Host, log: Log
) -> None:
    checkpoint(host, log, 300)
    check_signed(send(host, upload(log, 0, 300)), log, 300)
    fork = Log(LOG, entries(300, "fork"))
    assert call(host, LINES, fork.note(), caller=OTHER).status == 422
    assert log.origin in host.network.heads.convictions.logs


def test_a_note_older_than_our_copy_with_another_root_convicts_by_our_own_hashes(
    host: Host, log: Log
) -> None:
    checkpoint(host, log, 300)
    check_signed(send(host, upload(log, 0, 300)), log, 300)
    fork = Log(LOG, entries(100, "fork"))
    assert call(host, LINES, fork.note(), caller=OTHER).status == 422
    assert log.origin in host.network.heads.convictions.logs


def test_lines_of_unknown_logs_and_unsigned_notes_are_refused(host: Host, log: Log) -> None:
    assert call(host, LINES, Log(SELF, entries(3)).note()).status == 404
    assert call(host, LINES, b"nonsense").status == 400
    forged = log.note(5).replace(log.checkpoint(5).text(), log.checkpoint(6).text())
    assert call(host, LINES, forged).status == 422


def test_the_newest_note_comes_with_our_lines_on_exactly_it(host: Host, log: Log) -> None:
    path = NEWEST + origin_hash(log.origin)
    assert call(host, path).status == 404
    checkpoint(host, log, 300)
    names = [item.name for item in Note.decode(call(host, path).body).signatures]
    assert names == [log.origin, f"{ROSTER.origin_of(SELF)}/witness"]
    check_signed(send(host, upload(log, 0, 300)), log, 300)
    host.load()
    head, note = open_head(call(host, path).body, rosters_of(ROSTER))
    assert head.checkpoint == log.checkpoint(300)
    assert [item.name for item in note.signatures][2:] == [NAME]
    checkpoint(host, log, 400)
    names = [item.name for item in Note.decode(call(host, path).body).signatures]
    assert NAME not in names
    assert call(host, NEWEST + "00").status == 404


def test_what_is_mirrored_can_be_read(host: Host, log: Log) -> None:
    prefix = f"{MIRROR}{origin_hash(log.origin)}/"
    assert call(host, prefix + "checkpoint").status == 404
    checkpoint(host, log, 700)
    assert call(host, prefix + "checkpoint").status == 404
    check_signed(send(host, upload(log, 0, 700)), log, 700)
    note = Note.decode(call(host, prefix + "checkpoint").body)
    assert NAME in [item.name for item in note.signatures]
    bundle = call(host, prefix + entries_path(2, 188)).body
    assert decode_entry_bundle(bundle, 188) == log.entries[512:]
    assert call(host, prefix + tile_path(1, 0, 2)).body == log.tiles()[1, 0]
    assert call(host, prefix + tile_path(0, 0, 7)).body == log.tiles()[0, 0][: 7 * 32]
    for missing in (entries_path(2), tile_path(0, 2), tile_path(5, 0), tile_path(0, 9, 1)):
        assert call(host, prefix + missing).status == 404
    assert call(host, prefix + "tile/0/00").status == 400
    assert call(host, MIRROR + "00/checkpoint").status == 404
    assert call(host, "/elsewhere").status == 404


@settings(max_examples=30)
@given(
    schedule=st.lists(
        st.tuples(
            st.integers(0, 600),
            st.integers(0, 600),
            st.booleans(),
            st.sampled_from(["", "", "before", "after"]),
        ),
        max_size=10,
    )
)
def test_rows_copies_and_lines_agree_whatever_comes_and_whenever_it_crashes(
    log: Log, schedule: list[tuple[int, int, bool, str]]
) -> None:
    host = Host(ROSTER, SELF)
    for at, (start, size, grow, crash) in enumerate(schedule):
        row = host.network.rows.get(log.origin)
        if grow or row is None:
            old = 0 if row is None else row.witnessed_size
            if size < old:
                continue
            read = node_reader(LogReader(log), log.origin)
            proof = prove_consistency(old, size, read) if old < size else ()
            body = encode_add_checkpoint(old, proof, log.note(size))
            call(host, ADD_CHECKPOINT, body, START_MS + at, **({"crash": crash} if crash else {}))
        else:
            end = row.witnessed_size
            made = upload(log, min(start, end), end, packages_max=1 + at % 2)
            send(host, made, START_MS + at, **({"crash": crash} if crash else {}))
        row = host.network.rows.get(log.origin)
        held = stored(host, log)
        assert held == log.entries[: len(held)]
        if row is not None:
            assert row.mirrored_size <= len(held) <= row.witnessed_size
        with host.engine.begin() as connection:
            sizes = [item.size for item in load_lines(connection, log.origin, "mirror")]
        assert sizes == sorted(sizes)
        assert not sizes or (row is not None and sizes[-1] == row.mirrored_size)
