import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line
from ledger.errors import MalformedError, UnverifiedError
from ledger.hashing import hash_leaf
from ledger.keys import SigningKey
from ledger.note import ED25519, ED25519_COSIGNATURE, Note, VerifierKey, sign_ed25519
from ledger.policy import Policy, PolicyGroup, PolicyLog, PolicyWitness
from ledger.tlog_proof import EXTRA_BYTES_MAX, TLOG_PROOF_BYTES_MAX, TlogProof
from tests import rfc9162
from tests.strategies import flip

ORIGIN = "log.example/a"
LOG = SigningKey.from_seed(b"l" * 32)
WITNESSES = {f"w{at}.example": SigningKey.from_seed(b"%032d" % at) for at in range(3)}
ENTRIES = [b"entry %d" % at for at in range(7)]
POLICY = Policy(
    (PolicyLog(VerifierKey(ORIGIN, ED25519, LOG.public)),),
    tuple(
        PolicyWitness(name, VerifierKey(name, ED25519_COSIGNATURE, key.public))
        for name, key in WITNESSES.items()
    ),
    (PolicyGroup("g", 2, tuple(WITNESSES)),),
    "g",
)


def proof(index: int, size: int, *, cosigners: int = 2, extra: bytes | None = None) -> TlogProof:
    head = Checkpoint(ORIGIN, size, rfc9162.root(ENTRIES[:size]))
    lines = [sign_ed25519(ORIGIN, LOG, head.text())]
    for name, key in list(WITNESSES.items())[:cosigners]:
        lines.append(sign_line(name, key, head, 1_700_000_000).to_signature(name))
    hashes = tuple(rfc9162.inclusion(index, ENTRIES[:size]))
    return TlogProof(index, hashes, Note(head.text(), tuple(lines)), extra)


GOOD = proof(3, 7, extra=b"beside")

proofs = st.builds(
    TlogProof,
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.just(GOOD.note),
    st.none() | st.binary(min_size=1, max_size=50),
)


@given(proof=proofs)
def test_a_proof_comes_back_from_its_file(proof: TlogProof) -> None:
    assert TlogProof.decode(proof.encode()) == proof


@pytest.mark.parametrize("size", range(1, 8))
def test_every_entry_of_a_small_log_is_proved(size: int) -> None:
    for index in range(size):
        made = TlogProof.decode(proof(index, size).encode())
        result = made.check(hash_leaf(ENTRIES[index]), POLICY)
        assert result.checkpoint.size == size
        assert result.witness_names == ("w0.example", "w1.example")


def test_the_file_has_the_lines_of_the_format() -> None:
    lines = GOOD.encode().decode().split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra YmVzaWRl", "index 3"]
    assert [base64.b64decode(line) for line in lines[3:6]] == list(GOOD.hashes)
    assert lines[6:8] == ["", ORIGIN]
    assert proof(0, 1).encode().startswith(b"c2sp.org/tlog-proof@v1\nindex 0\n\nlog.example/a\n1\n")


DATA = GOOD.encode()
HASH = base64.b64encode(GOOD.hashes[0])
MALFORMED = {
    "nothing": b"",
    "another version": DATA.replace(b"@v1", b"@v2"),
    "no header": DATA.partition(b"\n")[2],
    "header alone": b"c2sp.org/tlog-proof@v1\n\n" + GOOD.note.encode(),
    "header and extra alone": b"c2sp.org/tlog-proof@v1\nextra YQ==\n\n" + GOOD.note.encode(),
    "bare index": DATA.replace(b"index 3", b"3"),
    "no index": DATA.replace(b"index 3\n", b""),
    "index in capitals": DATA.replace(b"index", b"Index"),
    "leading zero": DATA.replace(b"index 3", b"index 03"),
    "plus sign": DATA.replace(b"index 3", b"index +3"),
    "negative": DATA.replace(b"index 3", b"index -3"),
    "two spaces": DATA.replace(b"index 3", b"index  3"),
    "space at the end": DATA.replace(b"index 3", b"index 3 "),
    "index 2^63": DATA.replace(b"index 3", b"index %d" % 2**63),
    "index of thousands of digits": DATA.replace(b"index 3", b"index " + b"9" * 5000),
    "carriage returns": DATA.replace(b"\n", b"\r\n"),
    "two extra lines": DATA.replace(b"index", b"extra YmVzaWRl\nindex"),
    "extra after the index": proof(3, 7).encode().replace(b"index 3\n", b"index 3\nextra YQ==\n"),
    "empty extra": DATA.replace(b"YmVzaWRl", b""),
    "no space after extra": DATA.replace(b"extra YmVzaWRl", b"extra"),
    "stray bits in extra": DATA.replace(b"YmVzaWRl", b"YR=="),
    "no padding in extra": DATA.replace(b"YmVzaWRl", b"YQ"),
    "short hash": DATA.replace(HASH, base64.b64encode(GOOD.hashes[0][:-1])),
    "blank in a hash": DATA.replace(HASH, HASH[:4] + b" " + HASH[4:]),
    "no padding of a hash": DATA.replace(HASH, HASH[:-1]),
    "no blank line": DATA.replace(b"\n\nlog", b"\nlog"),
    "two blank lines and no note": DATA.partition(b"\n\n")[0] + b"\n\n",
    "no note": DATA.partition(b"\n\n")[0],
    "64 hashes": DATA.replace(HASH, b"\n".join([HASH] * 62)),
    "something after it": DATA + b"\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_another_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        TlogProof.decode(data)


@given(data=st.binary(max_size=99) | st.binary(max_size=40).map(DATA[:60].__add__))
def test_any_bytes_are_malformed_or_a_proof(data: bytes) -> None:
    with pytest.raises(MalformedError):
        TlogProof.decode(data)


@given(data=st.data())
def test_one_flipped_bit_proves_nothing(data: st.DataObject) -> None:
    """A proof with no witness to spare and no extra data has no bit that does not matter."""
    made = proof(3, 7).encode()
    bit = data.draw(st.integers(0, 8 * len(made) - 1))
    with pytest.raises((MalformedError, UnverifiedError)):
        TlogProof.decode(flip(made, bit)).check(hash_leaf(ENTRIES[3]), POLICY)


def test_another_kind_of_file_is_called_that() -> None:
    with pytest.raises(MalformedError, match="starts with its format's name"):
        TlogProof.decode(GOOD.note.encode())


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(MalformedError) as caught:
        TlogProof.decode(bytes(TLOG_PROOF_BYTES_MAX + 1))
    assert caught.value.code == "too-large"
    largest = proof(3, 7, extra=bytes(EXTRA_BYTES_MAX))
    assert TlogProof.decode(largest.encode()) == largest
    with pytest.raises(MalformedError):
        proof(3, 7, extra=bytes(EXTRA_BYTES_MAX + 1))


@pytest.mark.parametrize(("leaf", "index"), [(ENTRIES[2], 3), (ENTRIES[3], 2), (b"", 3)])
def test_another_entry_or_place_is_not_proved(leaf: bytes, index: int) -> None:
    made = TlogProof(index, GOOD.hashes, GOOD.note)
    with pytest.raises(UnverifiedError) as caught:
        made.check(hash_leaf(leaf), POLICY)
    assert caught.value.code == "bad-proof"


@pytest.mark.parametrize("cosigners", [0, 1])
def test_a_proof_without_a_quorum_is_refused(cosigners: int) -> None:
    with pytest.raises(UnverifiedError) as caught:
        proof(3, 7, cosigners=cosigners).check(hash_leaf(ENTRIES[3]), POLICY)
    assert caught.value.code == "no-quorum"


def test_a_proof_to_a_text_that_is_no_checkpoint_is_refused() -> None:
    text = b"log.example/a\n7\n"
    made = TlogProof(0, (), Note(text, (sign_ed25519(ORIGIN, LOG, text),)))
    with pytest.raises(MalformedError):
        made.check(hash_leaf(ENTRIES[0]), POLICY)


def test_hashes_after_a_blank_line_are_no_part_of_the_proof() -> None:
    made = TlogProof.decode(DATA.replace(HASH, HASH + b"\n"))
    assert len(made.hashes) == 1
    with pytest.raises(MalformedError):
        made.check(hash_leaf(ENTRIES[3]), POLICY)


@pytest.mark.parametrize(
    ("index", "hashes", "extra"),
    [
        (-1, (), None),
        (2**63, (), None),
        (0, (bytes(31),), None),
        (0, (bytes(32),) * 64, None),
        (0, (), b""),
    ],
)
def test_fields_out_of_range_are_refused(
    index: int, hashes: tuple[bytes, ...], extra: bytes | None
) -> None:
    with pytest.raises(MalformedError):
        TlogProof(index, hashes, GOOD.note, extra)
