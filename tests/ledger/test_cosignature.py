import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint, cosignature_message
from ledger.cosignature import (
    LINE_BYTES,
    Line,
    check_line,
    check_post_quantum,
    check_subtree,
    line_key_id,
    post_quantum_key_id,
    sign_line,
    sign_post_quantum,
    sign_subtree,
)
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.keys import PostQuantumKey, SigningKey, key_thumbprint
from ledger.note import (
    ED25519,
    ED25519_COSIGNATURE,
    POST_QUANTUM_COSIGNATURE,
    Note,
    Signature,
    VerifierKey,
    check_signed,
    sign_ed25519,
)
from tests.strategies import flip

VECTORS = Path(__file__).parent.parent / "vectors" / "note"
NAME = "w.example"
KEY = SigningKey.from_seed(b"w" * 32)
OTHER = SigningKey.from_seed(b"o" * 32)
POST_QUANTUM = PostQuantumKey.from_seed(b"q" * 32)
HEAD = Checkpoint("log.example/a", 5, bytes(range(32)))
TIME_S = 1_700_000_000
LINE = sign_line(NAME, KEY, HEAD, TIME_S)
PART: dict[str, Any] = {"origin": HEAD.origin, "start": 0, "end": 5, "root": HEAD.root}

lines = st.builds(
    Line,
    st.binary(min_size=4, max_size=4),
    st.integers(1, 2**63 - 1),
    st.binary(min_size=64, max_size=64),
)


@given(line=lines)
def test_a_line_comes_back_from_its_bytes_and_from_a_note(line: Line) -> None:
    assert len(line.encode()) == LINE_BYTES == 76
    assert Line.decode(line.encode()) == line
    assert Line.from_signature(line.to_signature(NAME)) == line
    note = Note(b"text\n", (line.to_signature(NAME),))
    assert Line.from_signature(Note.decode(note.encode()).signatures[0]) == line


@given(data=st.binary(max_size=160))
def test_any_bytes_are_malformed_or_a_line(data: bytes) -> None:
    try:
        line = Line.decode(data)
    except MalformedError:
        assert len(data) != LINE_BYTES or not 1 <= int.from_bytes(data[4:12]) < 2**63
        return
    assert line.encode() == data


@pytest.mark.parametrize("time_s", [0, -1, 2**63])
def test_a_line_has_a_date(time_s: int) -> None:
    with pytest.raises(MalformedError):
        Line(b"idid", time_s, bytes(64))
    with pytest.raises(MalformedError):
        Line.decode(b"idid" + bytes(8) + bytes(64))


@pytest.mark.parametrize(("id_bytes", "signature_bytes"), [(3, 64), (5, 64), (4, 63), (4, 65)])
def test_the_parts_of_a_line_have_their_lengths(id_bytes: int, signature_bytes: int) -> None:
    with pytest.raises(MalformedError):
        Line(bytes(id_bytes), 1, bytes(signature_bytes))


def test_a_signature_line_that_is_no_dated_ed25519_is_no_line() -> None:
    for blob in (bytes(64), b"\1" * 71, b"\1" * 73, b"\1" * 2428):
        with pytest.raises(MalformedError):
            Line.from_signature(Signature(NAME, b"idid", blob))


def test_the_example_of_the_cosignature_page_is_a_line() -> None:
    vector = json.loads((VECTORS / "behind-the-sofa.json").read_text())
    line = Line.from_signature(Note.decode(vector["note"].encode()).signatures[1])
    assert (line.time_s, line.key_id.hex()) == (vector["time_s"], vector["witness_key_id"])


def test_our_own_vector_is_made_again_from_its_seeds() -> None:
    vector = json.loads((VECTORS / "own.json").read_text())
    log, witness = (
        SigningKey.from_seed(bytes.fromhex(vector[f"{who}_seed"])) for who in ("log", "witness")
    )
    head = Checkpoint(vector["origin"], vector["size"], bytes.fromhex(vector["root"]))
    line = sign_line(vector["witness"], witness, head, vector["time_s"])
    assert line.encode().hex() == vector["line"]
    assert key_thumbprint(log.public).hex() == vector["log_key_thumbprint"]

    keys = [
        VerifierKey(vector["origin"], ED25519, log.public),
        VerifierKey(vector["witness"], ED25519_COSIGNATURE, witness.public),
    ]
    assert [key.encode() for key in keys] == vector["keys"]
    signatures = (sign_ed25519(head.origin, log, head.text()), line.to_signature(vector["witness"]))
    note = Note(head.text(), signatures)
    assert note.encode().decode() == vector["note"]
    assert len(check_signed(note, keys)) == 2


def test_what_is_signed_is_checked() -> None:
    check_line(LINE, NAME, KEY.public, HEAD)
    signature = KEY.sign(cosignature_message(TIME_S, HEAD.text()))
    assert Line(line_key_id(NAME, KEY.public), TIME_S, signature) == LINE


def test_a_line_verifies_as_a_signature_of_the_note() -> None:
    key = VerifierKey(NAME, ED25519_COSIGNATURE, KEY.public)
    (verified,) = check_signed(Note(HEAD.text(), (LINE.to_signature(NAME),)), [key])
    assert verified.time_s == TIME_S


@given(bit=st.integers(0, 8 * LINE_BYTES - 1))
def test_one_flipped_bit_breaks_a_line(bit: int) -> None:
    with pytest.raises((MalformedError, UnverifiedError)):
        check_line(Line.decode(flip(LINE.encode(), bit)), NAME, KEY.public, HEAD)


@pytest.mark.parametrize(
    "head",
    [
        Checkpoint("log.example/b", 5, HEAD.root),
        Checkpoint("log.example/a", 6, HEAD.root),
        Checkpoint("log.example/a", 5, bytes(32)),
    ],
    ids=["origin", "size", "root"],
)
def test_a_line_is_for_one_checkpoint(head: Checkpoint) -> None:
    with pytest.raises(UnverifiedError) as caught:
        check_line(LINE, NAME, KEY.public, head)
    assert caught.value.code == "bad-signature"


@pytest.mark.parametrize(("name", "key"), [("x.example", KEY), (NAME, OTHER)], ids=["name", "key"])
def test_a_line_is_by_one_name_and_key(name: str, key: SigningKey) -> None:
    with pytest.raises(UnverifiedError) as caught:
        check_line(LINE, name, key.public, HEAD)
    assert caught.value.code == "unknown-key"


def test_naming_a_key_is_not_enough() -> None:
    forged = Line(line_key_id(NAME, OTHER.public), LINE.time_s, LINE.signature)
    with pytest.raises(UnverifiedError) as caught:
        check_line(forged, NAME, OTHER.public, HEAD)
    assert caught.value.code == "bad-signature"


def test_a_cosigner_cannot_sign_without_a_date_or_a_name() -> None:
    with pytest.raises(MalformedError):
        sign_line(NAME, KEY, HEAD, 0)
    with pytest.raises(MalformedError):
        sign_line("w example", KEY, HEAD, TIME_S)


def test_a_post_quantum_cosignature_is_checked_alone_and_in_a_note() -> None:
    signature = sign_post_quantum(NAME, POST_QUANTUM, HEAD, TIME_S)
    assert check_post_quantum(signature, POST_QUANTUM.public, HEAD) == TIME_S
    key = VerifierKey(NAME, POST_QUANTUM_COSIGNATURE, POST_QUANTUM.public)
    (verified,) = check_signed(Note(HEAD.text(), (signature,)), [key])
    assert verified.time_s == TIME_S


def test_a_log_signs_its_own_checkpoint_under_its_origin() -> None:
    signature = sign_post_quantum(HEAD.origin, POST_QUANTUM, HEAD, 0)
    assert signature.name == HEAD.origin
    assert check_post_quantum(signature, POST_QUANTUM.public, HEAD) == 0


def test_part_of_a_log_is_signed_undated() -> None:
    part = PART | {"start": 4}
    signature = sign_subtree(NAME, POST_QUANTUM, **part)
    assert check_subtree(signature, POST_QUANTUM.public, **part) == 0
    with pytest.raises(MalformedError):
        sign_subtree(NAME, POST_QUANTUM, **part, time_s=TIME_S)
    dated = Signature(NAME, signature.key_id, TIME_S.to_bytes(8) + signature.blob[8:])
    with pytest.raises(MalformedError):
        check_subtree(dated, POST_QUANTUM.public, **part)


@pytest.mark.parametrize(
    "other",
    [{"origin": "x"}, {"end": 6}, {"root": bytes(32)}],
    ids=["origin", "end", "root"],
)
def test_a_post_quantum_signature_is_for_one_subtree(other: dict[str, object]) -> None:
    signature = sign_subtree(NAME, POST_QUANTUM, **PART)
    check_subtree(signature, POST_QUANTUM.public, **PART)
    with pytest.raises(UnverifiedError) as caught:
        check_subtree(signature, POST_QUANTUM.public, **(PART | other))
    assert caught.value.code == "bad-signature"


def test_a_subtree_is_not_another_that_starts_elsewhere() -> None:
    part = PART | {"start": 4}
    signature = sign_subtree(NAME, POST_QUANTUM, **part)
    with pytest.raises(UnverifiedError):
        check_subtree(signature, POST_QUANTUM.public, **PART)


TAMPERED: dict[str, tuple[Callable[[Signature], Signature], str]] = {
    "name": (lambda s: Signature("x.example", s.key_id, s.blob), "unknown-key"),
    "key id": (lambda s: Signature(s.name, flip(s.key_id, 9), s.blob), "unknown-key"),
    "time": (lambda s: Signature(s.name, s.key_id, flip(s.blob, 63)), "bad-signature"),
    "late time": (lambda s: Signature(s.name, s.key_id, flip(s.blob, 0)), "malformed"),
    "signature": (lambda s: Signature(s.name, s.key_id, flip(s.blob, 9_000)), "bad-signature"),
    "short": (lambda s: Signature(s.name, s.key_id, s.blob[:-1]), "bad-signature"),
    "long": (lambda s: Signature(s.name, s.key_id, s.blob + b"x"), "bad-signature"),
    "time alone": (lambda s: Signature(s.name, s.key_id, s.blob[:8]), "bad-signature"),
    "part of a time": (lambda s: Signature(s.name, s.key_id, s.blob[:3]), "bad-signature"),
    "another name under its own id": (
        lambda s: Signature("x", post_quantum_key_id("x", POST_QUANTUM.public), s.blob),
        "bad-signature",
    ),
}


@pytest.mark.parametrize(("change", "code"), TAMPERED.values(), ids=TAMPERED)
def test_a_changed_post_quantum_cosignature_is_refused(
    change: Callable[[Signature], Signature], code: str
) -> None:
    signature = change(sign_post_quantum(NAME, POST_QUANTUM, HEAD, TIME_S))
    with pytest.raises(LedgerError) as caught:
        check_post_quantum(signature, POST_QUANTUM.public, HEAD)
    assert caught.value.code == code
