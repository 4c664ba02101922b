"""A checkpoint and the entries up to it, in one request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.encoding import encode
from ledger.errors import MalformedError
from ledger.proofs import prove_consistency
from nodes.core.copies import node_reader
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    MirrorInfo,
    Upload,
    decode_lines,
    encode_add_checkpoint,
)
from nodes.core.extension import (
    EXTEND,
    decode_extended,
    decode_extension,
    encode_extended,
    encode_extension,
)
from nodes.core.notes import SignedHead
from nodes.core.ready import PeerCalled, PeerReply, PeerRequest
from nodes.core.submission import SendingLimits, packages
from tests.nodes.candidates import ME, OTHERS, Peers
from tests.nodes.neighbours import START_MS, Log, LogReader, Neighbours, entries

PEER = OTHERS[0]


def in_step() -> Peers:
    """A log whose mirrors have all signed what it sent, with one entry more since."""
    peers = Peers()
    peers.append(b"one")
    peers.serve_all()
    peers.append(b"two")
    return peers


def open_request(peers: Peers, path: str) -> PeerRequest:
    (request,) = peers.of(path, PEER)
    return request


# ---- the form -----------------------------------------------------------------------------------


def test_request_and_answer_are_these_bytes() -> None:
    assert encode_extension(b"a", b"bc").hex() == "824161426263"
    answers = [PeerReply(200, b"a"), PeerReply(409, b"")]
    assert encode_extended(answers).hex() == "828218c841618219019940"


@given(st.binary(), st.binary())
def test_a_request_says_both_bodies_and_nothing_else(checkpoint: bytes, entries: bytes) -> None:
    assert decode_extension(encode_extension(checkpoint, entries)) == (checkpoint, entries)


@given(st.integers(0, 999), st.binary(), st.binary())
def test_an_answer_says_one_status_or_two(status: int, one: bytes, two: bytes) -> None:
    first = PeerReply(200, one)
    assert decode_extended(encode_extended([first])) == [(200, one)]
    both = encode_extended([first, PeerReply(status, two)])
    assert decode_extended(both) == [(200, one), (status, two)]


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    for read in (decode_extension, decode_extended):
        try:
            read(data)
        except MalformedError:
            continue


@pytest.mark.parametrize(
    "value",
    [
        b"",
        {},
        [],
        [200, b""],
        [[200]],
        [[True, b""]],
        [[200, "text"]],
        [[200, b""], [200, b""], [200, b""]],
        [[409, b""], [200, b""]],
    ],
)
def test_an_answer_of_another_form_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        decode_extended(encode(value))


# ---- who asks -----------------------------------------------------------------------------------


def test_a_mirror_that_is_in_step_is_sent_both_in_one_request() -> None:
    peers = in_step()
    assert sorted(item.to for item in peers.of(EXTEND)) == list(OTHERS)
    checkpoint, entries = decode_extension(open_request(peers, EXTEND).body)
    assert checkpoint.startswith(b"old 1\n")
    upload = Upload.decode(entries)
    assert (upload.start, upload.end, upload.packages[0].entries) == (1, 2, (b"two",))


def test_a_mirror_is_sent_its_first_note_and_entries_one_after_the_other() -> None:
    peers = Peers()
    peers.append(b"one")
    assert {item.path for item in peers.open.values()} >= {ADD_CHECKPOINT}
    assert not peers.of(EXTEND)


def test_both_lines_count_and_the_peer_is_done() -> None:
    peers = in_step()
    for region in OTHERS[:3]:
        peers.serve(peers.of(EXTEND, region)[0])
    network = peers.host.network
    assert (network.witnessed_size, network.replicated_size) == (2, 2)


def test_where_only_the_checkpoint_is_taken_its_line_counts_and_entries_are_sent_again() -> None:
    peers = in_step()
    request = open_request(peers, EXTEND)
    info = MirrorInfo(pending_size=2, next_entry=0).encode()
    peers.halves(request, (200, peers.line(request, "witness")), (409, info))
    assert [region for region, _ in peers.host.network.candidate._current.witness] == [PEER]
    assert Upload.decode(open_request(peers, ADD_ENTRIES).body).start == 0


def test_a_peer_that_stands_elsewhere_is_followed_with_a_checkpoint_alone() -> None:
    peers = in_step()
    (again,) = peers.halves(open_request(peers, EXTEND), (409, b"0\n"))
    assert (again.path, again.body[:6]) == (ADD_CHECKPOINT, b"old 0\n")


@pytest.mark.parametrize("status", [0, 400, 422, 503])
def test_after_a_failure_the_two_are_sent_one_after_the_other(status: int) -> None:
    peers = in_step()
    assert not peers.answer(open_request(peers, EXTEND), status, b"no")
    peers.tick(SendingLimits().backoff_ms_max)
    assert open_request(peers, ADD_CHECKPOINT).to == PEER


def test_a_peer_that_knows_no_such_request_is_asked_as_before_at_once_and_for_good() -> None:
    peers = in_step()
    (again,) = peers.answer(open_request(peers, EXTEND), 404, b"")
    assert (again.path, again.to) == (ADD_CHECKPOINT, PEER)
    peers.serve_all()
    peers.append(b"three")
    assert {item.to for item in peers.of(EXTEND)} == set(OTHERS) - {PEER}
    assert open_request(peers, ADD_CHECKPOINT).to == PEER


def test_a_line_that_does_not_hold_in_one_half_leaves_the_other_to_count() -> None:
    peers = in_step()
    request = open_request(peers, EXTEND)
    witness = peers.line(request, "witness")
    peers.halves(request, (200, witness), (200, witness))
    current = peers.host.network.candidate._current
    assert [region for region, _ in current.witness] == [PEER]
    assert not current.mirror


# ---- who is asked -------------------------------------------------------------------------------


class Asked:
    """A region that is asked for both by a log whose first entry it mirrors."""

    def __init__(self) -> None:
        self.world = Neighbours()
        self.log = Log(ME, entries(2))
        first = Log(ME, entries(1))
        self.call(ADD_CHECKPOINT, encode_add_checkpoint(0, (), first.note()))
        self.call(ADD_ENTRIES, self.upload(first, 0))

    def call(self, path: str, body: bytes) -> PeerReply:
        call = PeerCalled(1, path, body, ME)
        ready = self.world.hosts[PEER].step([call], START_MS)
        (reply,) = ready.replies
        assert isinstance(reply.value, PeerReply)
        return reply.value

    def upload(self, log: Log, start: int) -> bytes:
        size = log.checkpoint().size
        made = packages(log.origin, start, size, LogReader(log), SendingLimits())
        return Upload(origin=log.origin, start=start, end=size, packages=made).encode()

    def extend(self, log: Log, old: int, start: int) -> list[tuple[int, bytes]]:
        head = SignedHead(log.checkpoint(), log.note())
        proof = prove_consistency(old, 2, node_reader(LogReader(log), log.origin))
        checkpoint = encode_add_checkpoint(old, proof, head.submitted)
        reply = self.call(EXTEND, encode_extension(checkpoint, self.upload(log, start)))
        assert reply.status == 200
        return decode_extended(reply.body)

    @property
    def sizes(self) -> tuple[int, int, int]:
        network = self.world.hosts[PEER].network
        row = network.rows[self.log.origin]
        return row.witnessed_size, row.mirrored_size, network.stored_size(self.log.origin)


def test_both_are_done_and_both_lines_given() -> None:
    asked = Asked()
    answers = asked.extend(asked.log, 1, 1)
    assert [status for status, _ in answers] == [200, 200]
    names = [line.name for _, body in answers for line in decode_lines(body)]
    assert [name.rsplit("/", 1)[-1] for name in names] == ["witness", "mirror"]
    assert asked.sizes == (2, 2, 2)


def test_entries_beside_a_checkpoint_that_is_refused_are_not_looked_at() -> None:
    asked = Asked()
    assert asked.extend(asked.log, 0, 1) == [(409, b"1\n")]
    assert asked.sizes == (1, 1, 1)


def test_a_checkpoint_is_taken_though_the_entries_beside_it_are_not() -> None:
    asked = Asked()
    answers = asked.extend(asked.log, 1, 2)
    assert [status for status, _ in answers] == [200, 409]
    assert asked.sizes == (2, 1, 1)


def test_a_request_of_another_form_is_refused_as_a_whole() -> None:
    asked = Asked()
    assert asked.call(EXTEND, b"no").status == 400
    assert asked.sizes == (1, 1, 1)
