"""The status table of add-checkpoint, row by row, and what a witness never does."""

import base64
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.cosignature import Line, check_line
from ledger.hashing import EMPTY_ROOT, hash_leaf
from ledger.note import Note, sign_ed25519
from ledger.proofs import check_consistency, prove_consistency
from nodes.core.convictions import CONVICTED, Convicted
from nodes.core.copies import node_reader
from nodes.core.exchange import ADD_CHECKPOINT, decode_lines, encode_add_checkpoint
from nodes.core.ready import (
    AdvancePeer,
    IssueLine,
    PeerCalled,
    PeerReply,
    PutMemory,
)
from nodes.store.notes import load_memory
from nodes.store.peers import load_lines, load_row
from tests.nodes.neighbours import START_MS, Host, Log, LogReader, key, make_roster

ROSTER = make_roster()
LOG, SELF, OTHER = "510000", "500000", "520000"
NAME = f"{ROSTER.origin_of(SELF)}/witness"


def entries(count_: int, branch: str = "") -> list[bytes]:
    return [f"entry {index} {branch}".encode() for index in range(count_)]


@pytest.fixture(name="host")
def make_host() -> Host:
    return Host(ROSTER, SELF)


@pytest.fixture(name="log")
def make_log() -> Log:
    return Log(LOG, entries(20))


ids = count(1)


def body(log: Log, old: int, new: int) -> bytes:
    proof = (
        prove_consistency(old, new, node_reader(LogReader(log), log.origin)) if old < new else ()
    )
    return encode_add_checkpoint(old, proof, log.note(new))


def ask(
    host: Host, request: bytes, now_ms: int = START_MS, caller: str | None = LOG, **options: str
) -> PeerReply | None:
    event = PeerCalled(next(ids), ADD_CHECKPOINT, request, caller)
    ready = host.step([event], now_ms, **options)  # type: ignore[arg-type]
    if not ready.replies:
        return None
    value = ready.replies[0].value
    assert isinstance(value, PeerReply)
    return value


def line_of(reply: PeerReply | None) -> Line:
    assert reply is not None
    assert reply.status == 200, reply
    (signature,) = decode_lines(reply.body)
    assert signature.name == NAME
    return Line.from_signature(signature)


def test_a_checkpoint_that_extends_the_last_is_cosigned(host: Host, log: Log) -> None:
    for old, new in ((0, 5), (5, 9), (9, 20)):
        line = line_of(ask(host, body(log, old, new)))
        check_line(line, NAME, key(SELF, "witness").public, log.checkpoint(new))
        assert line.time_s == START_MS // 1000


def test_404_for_a_log_that_nobody_witnesses_here_even_if_all_else_is_wrong(host: Host) -> None:
    text = Checkpoint("other.example/510000", 1, b"r" * 32).text()
    stranger = Note(text, (sign_ed25519("other.example/510000", key(LOG, "log"), text),)).encode()
    assert ask(host, encode_add_checkpoint(0, (), stranger)).status == 404
    assert ask(host, b"nonsense\n\n" + stranger).status == 404


def test_404_for_our_own_log(host: Host) -> None:
    own = Log(SELF, entries(3))
    assert ask(host, body(own, 0, 3)).status == 404


def test_403_for_a_note_that_its_log_did_not_sign_even_if_the_rest_is_malformed(
    host: Host, log: Log
) -> None:
    text = log.checkpoint(5).text()
    forged = Note(text, (sign_ed25519(log.origin, key(OTHER, "log"), text),)).encode()
    assert ask(host, encode_add_checkpoint(0, (), forged)).status == 403
    assert ask(host, b"old -1\n\n" + forged).status == 403
    good = log.note(5)
    broken = good.replace(text, log.checkpoint(6).text())
    assert ask(host, encode_add_checkpoint(0, (), broken)).status == 403


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"old\n",
        b"old 00\n",
        b"old +0\n",
        b"old 0\nAAAA\n",
        b"old 0\n" + base64.b64encode(b"h" * 32)[:-1] + b"\n",
        b"old 0\r\n",
        b"Old 0\n",
        b"old 9223372036854775808\n",
        b"old 0\n" + (base64.b64encode(b"h" * 32) + b"\n") * 64,
    ],
)
def test_400_for_a_malformed_header(host: Host, log: Log, header: bytes) -> None:
    assert ask(host, header + b"\n" + log.note(5)).status == 400


def test_400_for_no_blank_line_no_note_and_too_many_bytes(host: Host, log: Log) -> None:
    assert ask(host, b"old 0\n").status == 400
    assert ask(host, b"").status == 400
    assert ask(host, b"old 0\n\n" + log.checkpoint(5).text()).status == 400
    assert ask(host, body(log, 0, 5) + b"x" * (128 * 1024)).status == 400


def test_400_for_an_old_size_beyond_the_checkpoint_even_where_it_is_not_ours(
    host: Host, log: Log
) -> None:
    assert ask(host, encode_add_checkpoint(6, (), log.note(5))).status == 400


def test_400_for_an_extension_line(host: Host, log: Log) -> None:
    text = log.checkpoint(5).text() + b"extra\n"
    note = Note(text, (sign_ed25519(log.origin, key(LOG, "log"), text),)).encode()
    assert ask(host, encode_add_checkpoint(0, (), note)).status == 400


def test_409_says_our_size_before_the_proof_is_looked_at(host: Host, log: Log) -> None:
    line_of(ask(host, body(log, 0, 5)))
    reply = ask(host, encode_add_checkpoint(4, (b"x" * 32,), log.note(9)))
    assert reply == PeerReply(409, b"5\n", "text/x.tlog.size")
    assert ask(Host(ROSTER, SELF), body(log, 4, 9)).body == b"0\n"


def test_422_for_a_proof_that_fails_and_nothing_moves(host: Host, log: Log) -> None:
    line_of(ask(host, body(log, 0, 5)))
    assert ask(host, encode_add_checkpoint(5, (), log.note(9))).status == 422
    proof = prove_consistency(5, 9, node_reader(LogReader(log), log.origin))
    for wrong in (proof[:-1], [*proof, proof[0]], proof[::-1]):
        assert ask(host, encode_add_checkpoint(5, wrong, log.note(9))).status == 422
    assert host.network.rows[log.origin].witnessed_size == 5
    line_of(ask(host, body(log, 5, 9)))


def test_422_for_a_proof_where_none_is_due(host: Host, log: Log) -> None:
    assert ask(host, encode_add_checkpoint(0, (b"x" * 32,), log.note(5))).status == 422


def test_422_for_an_empty_tree_with_another_root_but_409_goes_first(host: Host, log: Log) -> None:
    text = f"{log.origin}\n0\n{base64.b64encode(b'r' * 32).decode()}\n".encode()
    note = Note(text, (sign_ed25519(log.origin, key(LOG, "log"), text),)).encode()
    assert ask(host, encode_add_checkpoint(0, (), note)).status == 422
    line_of(ask(host, body(log, 0, 5)))
    assert ask(host, encode_add_checkpoint(0, (), note)).status == 409


def test_the_empty_tree_is_cosigned(host: Host) -> None:
    empty = Log(LOG, [])
    line = line_of(ask(host, body(empty, 0, 0)))
    check_line(line, NAME, key(SELF, "witness").public, Checkpoint(empty.origin, 0, EMPTY_ROOT))


def test_the_same_size_and_root_refreshes_the_time(host: Host, log: Log) -> None:
    line_of(ask(host, body(log, 0, 5)))
    later = line_of(ask(host, body(log, 5, 5), START_MS + 7_000))
    assert later.time_s == START_MS // 1000 + 7


def test_a_small_step_back_of_the_clock_keeps_the_last_time(host: Host, log: Log) -> None:
    line_of(ask(host, body(log, 0, 5)))
    back = ROSTER.constants.delta_s * 1000
    line = line_of(ask(host, body(log, 5, 6), START_MS - back))
    assert line.time_s == START_MS // 1000


def test_a_large_step_back_of_the_clock_is_refused_and_nothing_moves(host: Host, log: Log) -> None:
    line_of(ask(host, body(log, 0, 5)))
    back = ROSTER.constants.delta_s * 1000 + 1000
    assert ask(host, body(log, 5, 6), START_MS - back).status == 503
    assert host.network.rows[log.origin].witnessed_size == 5


def test_only_the_origin_advances_a_living_log(host: Host, log: Log) -> None:
    line_of(ask(host, body(log, 0, 5)))
    assert ask(host, body(log, 5, 9), caller=OTHER).status == 503
    line_of(ask(host, body(log, 5, 5), caller=OTHER))  # a refresh
    silent_ms = ROSTER.constants.refresh_s * 1000
    assert ask(host, body(log, 5, 9), START_MS + silent_ms - 1, OTHER).status == 503
    line_of(ask(host, body(log, 5, 9), START_MS + silent_ms, OTHER))
    # Others' notes are no sign of life of the origin.
    line_of(ask(host, body(log, 9, 12), START_MS + silent_ms + 1, OTHER))


def test_a_caller_that_nobody_can_name_counts_as_the_origin(host: Host, log: Log) -> None:
    line_of(ask(host, body(log, 0, 5), caller=None))
    line_of(ask(host, body(log, 5, 9), caller=None))


def test_two_roots_of_one_size_convict_the_log_for_good(host: Host, log: Log) -> None:
    line_of(ask(host, body(log, 0, 5)))
    fork = Log(LOG, entries(5, "fork"))
    event = PeerCalled(next(ids), ADD_CHECKPOINT, encode_add_checkpoint(5, (), fork.note()), OTHER)
    ready = host.network.step(event, START_MS, LogReader())
    (reply,) = ready.replies
    assert reply.value.status == 422
    (memory,) = ready.writes
    assert isinstance(memory, PutMemory)
    kept = Convicted.decode(memory.value)
    assert memory.name == CONVICTED + kept.conviction.subject
    assert (kept.conviction.region, kept.conviction.shown) == (LOG, "two-roots")
    assert {it.head for it in kept.evidence.said} == {log.checkpoint(5), fork.checkpoint()}
    assert kept.place is None
    assert ask(host, body(log, 5, 9)).status == 422
    assert ask(host, body(log, 5, 5)).status == 422


def test_a_conviction_survives_a_restart(host: Host, log: Log) -> None:
    line_of(ask(host, body(log, 0, 5)))
    fork = Log(LOG, entries(5, "fork"))
    assert ask(host, encode_add_checkpoint(5, (), fork.note())).status == 422
    host.load()
    assert ask(host, body(log, 5, 5)).status == 422
    with host.engine.begin() as connection:
        found = [name for name in load_memory(connection) if name.startswith(CONVICTED)]
    assert len(found) == 1


def test_hashes_that_lead_to_the_new_root_and_another_old_one_convict(host: Host, log: Log) -> None:
    line_of(ask(host, body(log, 0, 5)))
    fork = Log(LOG, entries(9, "fork"))
    assert ask(host, body(fork, 5, 9)).status == 422
    assert log.origin in host.network.heads.convictions.logs


def test_a_proof_that_merely_fails_convicts_nobody(host: Host, log: Log) -> None:
    line_of(ask(host, body(log, 0, 5)))
    garbage = encode_add_checkpoint(5, (b"x" * 32,) * 4, log.note(9))
    assert ask(host, garbage).status == 422
    assert not host.network.heads.convictions.logs
    line_of(ask(host, body(log, 5, 9)))


def test_a_halted_node_signs_nothing_and_moves_nothing(host: Host, log: Log) -> None:
    host.network.halt("behind-fence")
    reply = ask(host, body(log, 0, 5))
    assert reply.status == 503
    assert reply.body.startswith(b"behind-fence")
    assert not host.network.rows


def test_resting_keys_sign_nothing_while_the_row_moves(host: Host, log: Log) -> None:
    host.network.heads.rest("the store was lost")
    reply = ask(host, body(log, 0, 5))
    assert (reply.status, reply.body) == (200, b"")
    assert host.network.rows[log.origin].witnessed_size == 5
    with host.engine.begin() as connection:
        assert load_lines(connection, log.origin, "witness") == []


def test_the_row_is_among_the_writes_of_the_step_that_answers(host: Host, log: Log) -> None:
    event = PeerCalled(next(ids), ADD_CHECKPOINT, body(log, 0, 5), LOG)
    ready = host.network.step(event, START_MS, LogReader())
    advance, issue = ready.writes
    assert isinstance(advance, AdvancePeer)
    assert advance.new.witnessed_size == 5
    assert isinstance(issue, IssueLine)
    assert issue.line == line_of(ready.replies[0].value).encode()  # type: ignore[arg-type]


def test_every_line_given_is_kept(host: Host, log: Log) -> None:
    given_lines = [line_of(ask(host, body(log, 0, 5))).encode()]
    given_lines.append(line_of(ask(host, body(log, 5, 5), START_MS + 1000)).encode())
    given_lines.append(line_of(ask(host, body(log, 5, 9), START_MS + 2000)).encode())
    with host.engine.begin() as connection:
        assert [row.line for row in load_lines(connection, log.origin, "witness")] == given_lines


def test_a_crash_before_the_commit_leaves_no_row_and_one_after_it_does(
    host: Host, log: Log
) -> None:
    assert ask(host, body(log, 0, 5), crash="before") is None
    assert log.origin not in host.network.rows
    assert ask(host, body(log, 0, 5), crash="after") is None
    assert host.network.rows[log.origin].witnessed_size == 5
    assert ask(host, body(log, 0, 5)).body == b"5\n"
    line_of(ask(host, body(log, 5, 5)))


@settings(max_examples=40)
@given(
    schedule=st.lists(
        st.tuples(
            st.sampled_from(["", "fork"]),
            st.integers(0, 12),
            st.integers(0, 12),
            st.sampled_from(["", "", "before", "after"]),
            st.integers(-8_000, 20_000),
            st.sampled_from([LOG, OTHER, None]),
        ),
        max_size=12,
    )
)
def test_the_row_only_grows_along_one_tree_whatever_comes_and_whenever_it_crashes(
    schedule: list[tuple[str, int, int, str, int, str | None]],
) -> None:
    """A lying log has two branches that part at entry 4; both are sent, in any order."""
    host = Host(ROSTER, SELF)
    logs = {branch: Log(LOG, entries(4) + entries(8, branch or "true")) for branch in ("", "fork")}
    origin, now_ms = logs[""].origin, START_MS
    seen: list[tuple[int, int, bytes]] = []
    for branch, old, new, crash, by_ms, caller in schedule:
        now_ms += by_ms
        before = host.network.rows.get(origin)
        reply = ask(host, body(logs[branch], min(old, new), new), now_ms, caller, crash=crash)
        after = host.network.rows.get(origin)
        if before is not None:
            assert after is not None
            assert after.witnessed_size >= before.witnessed_size
            assert after.time_s >= before.time_s
        with host.engine.begin() as connection:
            assert load_row(connection, origin) == after
        if reply is not None and reply.status == 200:
            line = line_of(reply)
            made = logs[branch].checkpoint(new)
            check_line(line, NAME, key(SELF, "witness").public, made)
            seen.append((line.time_s, made.size, made.root))
    assert [time for time, _, _ in seen] == sorted(time for time, _, _ in seen)
    assert [size for _, size, _ in seen] == sorted(size for _, size, _ in seen)
    on_branch = {
        branch: all(log.checkpoint(size).root == root for _, size, root in seen)
        for branch, log in logs.items()
    }
    assert any(on_branch.values())


def test_the_models_of_this_file_are_logs(log: Log) -> None:
    """The helper's roots are those that proofs lead to."""
    read = node_reader(LogReader(log), log.origin)
    check_consistency(
        5, 9, log.checkpoint(5).root, log.checkpoint(9).root, prove_consistency(5, 9, read)
    )
    assert log.checkpoint(1).root == hash_leaf(log.entries[0])
